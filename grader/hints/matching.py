"""A known fault, and the search for the one that explains what was observed.

The case that a check found was shrunk, and a small case cannot tell faults apart: with one pixel
and one channel, a bias per channel is a bias per tap. So the submission is asked again on a wider
case of the same kind, and a fault counts only if it explains every answer and no other fault does.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Of the largest value: sums of a few hundred products stay below it in any order. Two faults whose
# answers are closer than this on normal random numbers are the same fault.
ROUNDINGS = 256


@dataclass(frozen=True)
class Fault:
    """One thing that may be wrong.

    Args:
        text: what is said, one sentence in the second person, without its full stop. It states what
            the answer is, and so it is true whatever the code looks like.
        answer: operands → what a submission with this fault answers, in float64; None, or a
            RuntimeError of torch, where the fault cannot happen.
        dtype: whose rounding the answer may have; None for the case's own.
    """

    text: str
    answer: Callable[[Any], Tensor | None]
    dtype: torch.dtype | None = None


@dataclass(frozen=True)
class Observation:
    """What a submission answered in one case.

    Args:
        operands: what the faults compute with.
        answer: of the submission; None where it gave none.
        raised: whether the submission raised instead.
    """

    operands: Any
    answer: Tensor | None
    raised: bool = False


def explanation(faults: Iterable[Fault], seen: Iterable[Observation], *, least: int) -> str:
    """The text of the one fault that explains all that was seen; "" if there is not just one.

    Args:
        faults: that may be.
        seen: drawn only as long as there is more than one that fits.
        least: observations that a fault has to explain in any case.
    """
    left = list(faults)
    for count, one in enumerate(seen, 1):
        left = [fault for fault in left if explains(fault, one)]
        texts = {fault.text for fault in left}
        if not texts or (count >= least and len(texts) == 1):
            return "".join(texts)
    return ""


def explains(fault: Fault, seen: Observation) -> bool:
    """Whether the fault gives the very answer that was seen; an empty one agrees where its shape does."""
    given = seen.answer
    try:
        expected = fault.answer(seen.operands)
    except RuntimeError:  # torch's own refusal: a kernel larger than the image, a padding too wide
        return seen.raised
    if expected is None or given is None or given.shape != expected.shape:
        return False
    if not given.is_floating_point():
        return False
    if not given.numel():
        return True
    unit = torch.finfo(fault.dtype or given.dtype).eps
    allowed = ROUNDINGS * unit * max(expected.abs().max().item(), 1e-3)
    return bool(((given.detach().double() - expected).abs() <= allowed).all())  # NaN is not
