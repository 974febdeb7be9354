"""Convolution: one case, its true output and its three true gradients.

The truth is `torch.nn.functional.conv2d` in float64 on the very tensors that the candidate
gets; the tolerance follows from the same convolution of the magnitudes (`compare.rounding`).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from grader.oracles.compare import Expected, mismatch, rounding
from grader.oracles.tensors import draw, lay_out


@dataclass(frozen=True)
class ConvolutionCase:
    """Shapes and arguments of one call; the numbers follow from `seed`."""

    batch: int
    in_channels: int
    height: int
    width: int
    out_channels: int
    kernel_height: int
    kernel_width: int
    stride: int = 1
    padding: int = 0
    bias: bool = True
    dtype: torch.dtype = torch.float32
    layout: str = "contiguous"  # or channels_last, transposed: see oracles.tensors
    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.batch, self.in_channels, self.height, self.width)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels, self.kernel_height, self.kernel_width)

    @property
    def output_shape(self) -> tuple[int, ...]:
        height = (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1
        width = (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1
        return (self.batch, self.out_channels, height, width)

    def tensors(self) -> dict[str, torch.Tensor]:
        """input, weight, bias (absent without one) and grad_output, as the candidate gets them."""
        generator = torch.Generator().manual_seed(self.seed)
        tensors = {
            "input": lay_out(draw(generator, self.input_shape, self.dtype), self.layout),
            "weight": draw(generator, self.weight_shape, self.dtype),
            "bias": draw(generator, (self.out_channels,), self.dtype),
            "grad_output": draw(generator, self.output_shape, self.dtype),
        }
        if not self.bias:
            del tensors["bias"]
        return tensors

    def functional(self, name: str = "MyFConv2D") -> str:
        """The call as a line of Python that repeats it up to the random numbers."""
        bias = f"torch.randn({self.out_channels})" if self.bias else "None"
        call = (
            f"{name}(torch.randn{self.input_shape}, torch.randn{self.weight_shape}, "
            f"{bias}, stride={self.stride}, padding={self.padding})"
        )
        return call + self._kind()

    def shortest(self, name: str = "MyFConv2D") -> str:
        """The call without the arguments that have their default value."""
        given = [f"torch.randn{self.input_shape}", f"torch.randn{self.weight_shape}"]
        given += [f"torch.randn({self.out_channels})"] * self.bias
        given += [f"{key}={value}" for key, value in self.not_default().items()]
        return f"{name}({', '.join(given)})" + self._kind()

    def not_default(self) -> dict[str, int]:
        """Stride and padding, where they are not what `MyFConv2D` takes without them."""
        stride = {"stride": self.stride} if self.stride != 1 else {}
        return stride | ({"padding": self.padding} if self.padding else {})

    def module(self, name: str = "MyConv2D") -> str:
        """The same case through the Module."""
        call = (
            f"{name}({self.in_channels}, {self.out_channels}, {self.kernel_height}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias})"
            f"(torch.randn{self.input_shape})"
        )
        return call + self._kind()

    def _kind(self) -> str:
        kind = [] if self.dtype is torch.float32 else [f"in {self.dtype}"]
        kind += [] if self.layout == "contiguous" else [f"{self.layout} input"]
        return f"  [{', '.join(kind)}]" if kind else ""


@dataclass(frozen=True)
class Answer:
    """What a candidate made of a case; gradients are None where it gave none."""

    output: torch.Tensor | None
    input_grad: torch.Tensor | None = None
    weight_grad: torch.Tensor | None = None
    bias_grad: torch.Tensor | None = None
    changed: tuple[str, ...] = ()  # names of the arguments that the call changed in place


def expected(case: ConvolutionCase, *, gradients: bool = True) -> dict[str, Expected]:
    """The truth for "output" and, if asked, "input_grad", "weight_grad" and "bias_grad"."""
    exact = {name: tensor.to(torch.float64) for name, tensor in case.tensors().items()}
    absolute = {name: tensor.abs() for name, tensor in exact.items()}
    true = _values_and_gradients(case, exact, gradients)
    size = _values_and_gradients(case, absolute, gradients)
    window = case.kernel_height * case.kernel_width
    positions = case.batch * case.output_shape[2] * case.output_shape[3]
    terms = {
        "output": case.in_channels * window + 1,
        "input_grad": case.out_channels * window,
        "weight_grad": positions,
        "bias_grad": positions,
    }
    return {
        name: Expected(true[name], rounding(size[name], terms[name], case.dtype), case.dtype)
        for name in true
    }


def _values_and_gradients(
    case: ConvolutionCase, tensors: dict[str, torch.Tensor], gradients: bool
) -> dict[str, torch.Tensor]:
    leaves = {name: tensors[name] for name in ("input", "weight", "bias") if name in tensors}
    leaves = {name: leaf.clone().requires_grad_(gradients) for name, leaf in leaves.items()}
    output = F.conv2d(
        leaves["input"], leaves["weight"], leaves.get("bias"), case.stride, case.padding
    )
    if not gradients:
        return {"output": output}
    found = torch.autograd.grad(output, list(leaves.values()), tensors["grad_output"])
    named = {f"{name}_grad": gradient for name, gradient in zip(leaves, found, strict=True)}
    return {"output": output.detach(), **named}


def judge(case: ConvolutionCase, answer: Answer, parts: tuple[str, ...]) -> str | None:
    """Why the answer is wrong in one of `parts`; None if all of them are right.

    Args:
        case: what was asked.
        answer: what came back.
        parts: of "output", "input_grad", "weight_grad", "bias_grad"; a bias gradient is
            passed over where the case has no bias.
    """
    if answer.changed:
        return f"the call changed its argument {' and '.join(answer.changed)} in place"
    names = {"output": "output"} | {
        f"{name}_grad": f"gradient of {name}" for name in ("input", "weight", "bias")
    }
    truth = expected(case, gradients=parts != ("output",))
    for part in parts:
        if part in truth:
            given = getattr(answer, part)
            if given is None and part != "output" and not truth[part].value.any():
                continue  # where no window meets the image, loops that skip the padding never touch it
            found = mismatch(names[part], given, truth[part])
            if found:
                return found
    return None
