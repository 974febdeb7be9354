"""Hints about `MyFConv2D` and `MyConv2D`."""

from dataclasses import replace

from grader.hints import convolution_gradients, convolution_values
from grader.hints.asking import Subject
from grader.hints.operands import Convolution
from grader.oracles.convolution import ConvolutionCase, expected


def wider(case: ConvolutionCase) -> list[ConvolutionCase]:
    """Two cases that keep what the given one is about, with numbers of everything that differ.

    They have a stride above 1, a padding, a bias, a kernel or an image that is not square only where
    the given one has it: what else may be wrong is another check's.
    """
    stride, padding = case.stride, case.padding
    # A fault that mistakes the stride or the padding is seen where they have another value.
    other_stride = {1: 1, 2: 3}.get(stride, 2)
    other_padding = {0: 0, 1: 2}.get(padding, 1)
    return [
        _sized(case, (2, 3, 4), 3, stride, padding, seed=case.seed + 1),
        _sized(case, (3, 2, 5), 2, other_stride, other_padding, seed=case.seed + 2),
    ]


def other(case: ConvolutionCase) -> list[ConvolutionCase]:
    """Cases with a stride, a padding and an image that is not square, whatever the given one has."""
    stretched = replace(case, width=case.height + 1)
    return [
        _sized(case, (2, 3, 4), 3, 3 - min(case.stride, 2), case.padding, seed=case.seed + 3),
        _sized(case, (2, 3, 4), 3, case.stride, 1 if case.padding == 0 else 0, seed=case.seed + 4),
        _sized(stretched, (2, 3, 4), 3, case.stride, case.padding, seed=case.seed + 5),
    ]


def _sized(
    case: ConvolutionCase, counts: tuple[int, int, int], kernel: int, stride: int, padding: int, *, seed: int
) -> ConvolutionCase:
    """A case with these numbers of images and channels, and five windows or so in each direction."""
    longer = kernel + 1
    kernel_height = longer if case.kernel_height > case.kernel_width else kernel
    kernel_width = longer if case.kernel_width > case.kernel_height else kernel
    height = longer + 3 * stride + (stride > 1)  # a stride leaves a rest
    width = height + (0 if case.height == case.width else 2)
    batch, in_channels, out_channels = counts
    return replace(
        case, batch=batch, in_channels=in_channels, out_channels=out_channels, height=height, width=width,
        kernel_height=kernel_height, kernel_width=kernel_width, stride=stride, padding=padding, seed=seed,
    )  # fmt: skip


SUBJECT = Subject(
    operands=Convolution.of,
    expected=expected,
    faults={
        "output": convolution_values.FAULTS,
        "input_grad": convolution_gradients.INPUT,
        "weight_grad": convolution_gradients.WEIGHT,
        "bias_grad": convolution_gradients.BIAS,
    },
    wider=wider,
    other=other,
)
