"""The one comparison: type, shape, dtype and finiteness before values.

`torch.allclose` broadcasts, accepts empty tensors, and lets NaN through when the test is
written as `not (error > tolerance)`; this does none of that.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Expected:
    """A true value and how far a correct answer may lie from it.

    Args:
        value: the truth in float64, any shape.
        tolerance: allowed absolute error per element, same shape, float64.
        dtype: the dtype that the answer must have.
    """

    value: torch.Tensor
    tolerance: torch.Tensor
    dtype: torch.dtype


def rounding(magnitude: torch.Tensor, terms: int, dtype: torch.dtype) -> torch.Tensor:
    """Error that a correct sum of products may have, whatever the order of its terms.

    For a sum of n products in floating point with unit roundoff u,
    |computed − exact| ≤ γ_n Σ|aᵢ bᵢ| with γ_n = n·u / (1 − n·u), in any order of summation
    (Higham, Accuracy and Stability of Numerical Algorithms, eq. 3.5). Four times that leaves
    room for algorithms that trade multiplications for additions, such as Winograd's.

    Args:
        magnitude: Σ|aᵢ bᵢ| per element, the same operation on absolute values, float64.
        terms: n, the number of terms that an element sums, bias included.
        dtype: the dtype that the answer was computed in.

    Returns:
        allowed absolute error per element, float64, the shape of `magnitude`.
    """
    unit = torch.finfo(dtype).eps / 2
    return 4 * (terms + 2) * unit * magnitude + torch.finfo(dtype).tiny


def mismatch(what: str, answer: torch.Tensor | None, expected: Expected) -> str | None:
    """Why `answer` is not `expected`, in one sentence; None if it is.

    Args:
        what: the name for the message, "output" or "gradient of weight".
        answer: what the candidate gave; None where it gave nothing.
        expected: the truth with its tolerance.
    """
    truth = expected.value
    if answer is None:
        return f"{what}: missing (None); expected a tensor of shape {tuple(truth.shape)}"
    if not isinstance(answer, torch.Tensor):
        return f"{what}: expected a torch.Tensor, found {type(answer).__name__}"
    if answer.shape != truth.shape:
        return f"{what}: wrong shape {tuple(answer.shape)}; expected {tuple(truth.shape)}"
    if answer.dtype != expected.dtype:
        return f"{what}: wrong dtype {answer.dtype}; expected {expected.dtype}, the input's"
    if answer.numel() == 0:
        return None
    answer = answer.detach().to(torch.float64)
    finite = torch.isfinite(answer)
    if not finite.all():
        index = first(~finite)
        return (
            f"{what}: {answer[index].item()} at {list(index)}, "
            f"where {truth[index].item():.6g} is expected"
        )
    wrong = ~((answer - truth).abs() <= expected.tolerance)
    if not wrong.any():
        return None
    index = first(wrong)
    return (
        f"{what}: {int(wrong.sum())} of {wrong.numel()} values are wrong; the first at "
        f"{list(index)}: expected {truth[index].item():.6g}, got {answer[index].item():.6g}"
    )


def first(mask: torch.Tensor) -> tuple[int, ...]:
    """Index of the first true element in row-major order."""
    return tuple(mask.nonzero()[0].tolist())
