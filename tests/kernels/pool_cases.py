"""What the tests of max- and average-pooling share: cases drawn by hypothesis, and one judge."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st

from reference.kernels.pooling.registry import ALGORITHMS as REGISTRY

# Without those that are for GPUs alone.
ALGORITHMS = tuple(name for name, algorithm in REGISTRY.items() if algorithm.supports(torch.empty(0)))

# Images of which the compiled kernels take four planes at a time, two, and one; with an odd last row and column.
SIZES = [(7, 7), (6, 8), (15, 15), (14, 14), (5, 16), (28, 28), (9, 37)]


@dataclass(frozen=True)
class Case:
    """One pooling call; `dilation` is left out for average-pooling."""

    shape: tuple[int, ...]
    layout: str
    dtype: torch.dtype
    arguments: dict
    seed: int

    def input(self) -> torch.Tensor:
        """Few distinct numbers, so that ties are everywhere; never equal to the padding's zero by habit."""
        generator = torch.Generator().manual_seed(self.seed)
        values = torch.randint(-9, 3, self.shape, generator=generator).to(self.dtype) / 4
        if self.layout == "transposed":
            return values.transpose(-1, -2).contiguous().transpose(-1, -2)
        if self.layout == "every second":
            return torch.stack([values, values.neg()], dim=-1)[..., 0]
        if self.layout == "channels last" and values.dim() == 4:
            return values.contiguous(memory_format=torch.channels_last)
        return values


@st.composite
def cases(draw, *, dilated: bool) -> Case:
    """Any call that torch accepts, on small images; heights, widths and windows are drawn apart."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 2))) if dilated else (1, 1)
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    if draw(st.booleans()):  # what has kernels of its own: windows two steps apart, in images narrow and wide
        kernel, dilation, stride = draw(st.sampled_from([(2, 2), (3, 3)])), (1, 1), (2, 2)
    extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    padding = tuple(draw(st.integers(0, min(e // 2, k // 2))) for e, k in zip(extent, kernel))
    # Wider than sixteen windows now and then: the compiled kernels take sixteen at a time.
    # At least the dilation, so that every window has a tap in the image: else torch's backward writes outside
    # of its memory.
    smallest = [max(d, e - 2 * p) for d, e, p in zip(dilation, extent, padding)]
    size = [draw(st.integers(s, e + reach)) for s, e, reach in zip(smallest, extent, (9, 40))]
    planes = draw(st.sampled_from([(1, 1), (2, 3), (0, 2), (3,)]))
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    if dilated:
        arguments["dilation"] = dilation
    return Case(
        shape=(*planes, *size),
        layout=draw(st.sampled_from(["contiguous", "transposed", "every second", "channels last"])),
        dtype=draw(st.sampled_from([torch.float32, torch.float64])),
        arguments=arguments,
        seed=draw(st.integers(0, 1000)),
    )


def value_and_gradient(function, input: torch.Tensor, **arguments):
    """`function`'s output for `input`, and the input's gradient under an upstream one of distinct numbers."""
    input = input.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    output = function(input, **arguments)
    upstream = torch.linspace(1, 2, output.numel(), dtype=output.dtype).view(output.shape)
    return output.detach(), torch.autograd.grad(output, input, upstream)[0]
