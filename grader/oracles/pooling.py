"""Max-pooling: one case, its true output and its true gradient.

A maximum needs no rounding: outputs must be exact. The cases have no ties, because torch's
choice among equal values is its own and not the assignment's.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from grader.oracles.compare import Expected, mismatch, rounding
from grader.oracles.convolution import Answer
from grader.oracles.tensors import draw, draw_distinct, lay_out


@dataclass(frozen=True)
class PoolingCase:
    """Shapes and arguments of one call; the numbers follow from `seed`."""

    batch: int
    channels: int
    height: int
    width: int
    kernel_size: int
    stride: int | None = None  # None: the kernel size
    negative: bool = False  # every input below zero
    dtype: torch.dtype = torch.float32
    layout: str = "contiguous"
    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.batch, self.channels, self.height, self.width)

    @property
    def output_shape(self) -> tuple[int, ...]:
        stride = self.stride or self.kernel_size
        height = (self.height - self.kernel_size) // stride + 1
        width = (self.width - self.kernel_size) // stride + 1
        return (self.batch, self.channels, height, width)

    def tensors(self) -> dict[str, torch.Tensor]:
        """input and grad_output, as the candidate gets them."""
        generator = torch.Generator().manual_seed(self.seed)
        values = draw_distinct(generator, self.input_shape, self.dtype)
        if self.negative:
            values = values - values.max() - 1 if values.numel() else values
        return {
            "input": lay_out(values, self.layout),
            "grad_output": draw(generator, self.output_shape, self.dtype),
        }

    def module(self, name: str = "MyMaxPool2D") -> str:
        """The call as a line of Python that repeats it up to the random numbers."""
        stride = "" if self.stride is None else f", stride={self.stride}"
        values = f"torch.randn{self.input_shape}"
        values = f"-{values}.abs()" if self.negative else values
        kind = "" if self.layout == "contiguous" else f"  [{self.layout} input]"
        return f"{name}({self.kernel_size}{stride})({values}){kind}"


def expected(case: PoolingCase) -> dict[str, Expected]:
    """The truth for "output" and "input_grad" of a case."""
    tensors = case.tensors()
    exact = tensors["input"].to(torch.float64).requires_grad_()
    upstream = tensors["grad_output"].to(torch.float64)
    output = F.max_pool2d(exact, case.kernel_size, case.stride)
    (gradient,) = torch.autograd.grad(output, exact, upstream, retain_graph=True)
    (magnitude,) = torch.autograd.grad(output, exact, upstream.abs())
    output = output.detach()
    terms = case.kernel_size**2  # windows that may share one maximum
    return {
        "output": Expected(output, torch.zeros_like(output), case.dtype),
        "input_grad": Expected(gradient, rounding(magnitude, terms, case.dtype), case.dtype),
    }


def judge(case: PoolingCase, answer: Answer, parts: tuple[str, ...]) -> str | None:
    """Why the answer is wrong in one of `parts` ("output", "input_grad"); None if right."""
    if answer.changed:
        return f"the call changed its argument {' and '.join(answer.changed)} in place"
    names = {"output": "output", "input_grad": "gradient of input"}
    truth = expected(case)
    for part in parts:
        found = mismatch(names[part], getattr(answer, part), truth[part])
        if found:
            return found
    return None
