"""`conv2d`, with the whole contract of `torch.nn.functional.conv2d`, and the choice of its algorithm."""

from __future__ import annotations

from functools import lru_cache

import torch

from reference.kernels import cuda
from reference.kernels.convolution import autograd, choice, depthwise, direct, gemm, im2col, naive, pointwise
from reference.kernels.convolution import unpacked, winograd, winograd_strided
from reference.kernels.arguments import batched, check_alike, check_floating, check_tensor, integer, pair
from reference.kernels.calls import Known, recorded
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.triton import conv as triton_conv

# A new algorithm is one file and one entry here; `convolution/choice.py` says when it is the default.
ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        naive.NAIVE, im2col.IM2COL, direct.DIRECT, gemm.GEMM, winograd.WINOGRAD,
        winograd_strided.WINOGRAD_STRIDED, depthwise.DEPTHWISE, unpacked.UNPACKED, pointwise.POINTWISE,
        cuda.CUDA, triton_conv.TRITON,
    )
}  # fmt: skip


def conv2d(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    algorithm: str = "auto",
) -> torch.Tensor:
    """Convolve images with kernels (cross-correlation, as deep learning means the word).

    Args:
        input: (N, C, H, W), or (C, H, W) for one image; any strides; N may be 0.
        weight: (O, C/groups, KH, KW).
        bias: (O,), added to every pixel of each output channel.
        stride: steps between windows, an int or (height, width), at least 1.
        padding: zeros on either side, an int or (height, width), or `'valid'` (none), or `'same'` (as
            many as keep the image's size; needs stride 1).
        dilation: steps between taps, an int or (height, width), at least 1.
        groups: output channels are split into this many groups, each of which sees its own share of
            the input channels; `groups == C` is a depthwise convolution.
        algorithm: a key of `ALGORITHMS`, or `"auto"` to choose by shape, dtype and device.

    Returns:
        (N, O, OH, OW), or (O, OH, OW) for one image, where
        OH = floor((H + padding - dilation * (KH - 1) - 1) / stride) + 1 with `padding` counted on both sides.

    Raises:
        TypeError: not tensors, not floating-point, or not one dtype; an argument that is not of ints.
        ValueError: shapes that do not fit each other, a kernel larger than the padded image, an
            impossible stride, padding, dilation or groups, an unknown algorithm.

    Reference: HW3, deliverable 1. Dumoulin and Visin, "A guide to convolution arithmetic for deep
        learning", 2016.
    """
    try:
        key = (
            input.shape, weight.shape, input.dtype, weight.dtype, type(input), type(weight), input.is_cpu, weight.is_cpu,
            type(bias), None if bias is None else (bias.shape, bias.dtype, bias.is_cpu),
            id(stride), id(padding), id(dilation), id(groups), id(algorithm),
        )  # fmt: skip
    except AttributeError:  # not tensors
        key = None
    known = _known.get(key)
    if known is not None:
        chosen, geometry, _ = known
        if recorded(input, weight, bias):
            return autograd.Convolution.apply(input, weight, bias, chosen, geometry)  # (N, O, OH, OW)
        return chosen.forward(input, weight, bias, geometry)

    check_tensor(input, "input")
    check_tensor(weight, "weight")
    images, was_batched = batched(input, "input")
    kernel = tuple(weight.shape)
    geometry = _geometry(kernel, stride, padding, dilation, groups)
    _check_channels(images, weight, bias, geometry)
    if min(geometry.output_size(tuple(images.shape[2:]), kernel[2:])) < 1:
        _refuse_kernel(images, weight, geometry)
    if algorithm == "auto":
        chosen = choice.choose(images, weight, geometry)
        if was_batched:
            _known.remember(key, (chosen, geometry), (input, weight, bias), (stride, padding, dilation, groups, algorithm))
    else:
        chosen = _named(algorithm, images, weight, geometry)
    output = autograd.Convolution.apply(images, weight, bias, chosen, geometry)  # (N, O, OH, OW)
    return output if was_batched else output.squeeze(0)


_known = Known()


def _named(name: str, input: torch.Tensor, weight: torch.Tensor, geometry: Geometry) -> Algorithm:
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm must be 'auto' or one of {sorted(ALGORITHMS)}, found {name!r}")
    if not ALGORITHMS[name].supports(input):
        raise ValueError(f"algorithm {name!r} does not take {input.dtype} on {input.device}; use 'auto'")
    if not ALGORITHMS[name].takes(tuple(weight.shape), geometry):
        raise ValueError(
            f"algorithm {name!r} is not made for a weight of shape {tuple(weight.shape)} with {geometry}; use 'auto'"
        )
    return ALGORITHMS[name]


def _geometry(kernel: tuple[int, ...], stride, padding, dilation, groups) -> Geometry:
    stride, dilation = pair(stride, "stride", 1), pair(dilation, "dilation", 1)
    groups = integer(groups, "groups", 1)
    if len(kernel) != 4:
        raise ValueError(f"weight must have shape (O, C/groups, KH, KW), found shape {kernel}")
    if min(kernel) < 1:
        raise ValueError(f"weight must have at least one channel and one tap, found shape {kernel}")
    if not isinstance(padding, str):
        ph, pw = pair(padding, "padding", 0)
        return _remembered(stride, (ph, ph, pw, pw), dilation, groups)
    if padding == "valid":
        return _remembered(stride, (0, 0, 0, 0), dilation, groups)
    if padding != "same":
        raise ValueError(f"padding must be 'valid', 'same' or numbers, found {padding!r}")
    if stride != (1, 1):
        raise ValueError(f"padding='same' keeps the image's size, which needs stride 1, found stride {stride}")
    total_h, total_w = (d * (k - 1) for d, k in zip(dilation, kernel[2:]))
    top, left = total_h // 2, total_w // 2
    return _remembered(stride, (top, total_h - top, left, total_w - left), dilation, groups)


# One object per geometry: what is worked out for it is then found by its identity.
_remembered = lru_cache(maxsize=1024)(Geometry)


def _check_channels(input, weight, bias, geometry: Geometry) -> None:
    check_floating(input, "input")
    check_alike(weight, "weight", input, "input")
    groups, (out_channels, per_group, _, _) = geometry.groups, weight.shape
    if input.shape[1] != per_group * groups:
        raise ValueError(
            f"input has {input.shape[1]} channels (shape {tuple(input.shape)}), but weight of shape "
            f"{tuple(weight.shape)} with groups={groups} needs {per_group * groups}"
        )
    if out_channels % groups:
        raise ValueError(
            f"groups={groups} must divide the output channels, found weight of shape {tuple(weight.shape)}"
        )
    if bias is not None:
        check_tensor(bias, "bias")
        check_alike(bias, "bias", input, "input")
        if tuple(bias.shape) != (out_channels,):
            raise ValueError(
                f"bias must have shape ({out_channels},) for weight of shape {tuple(weight.shape)}, "
                f"found shape {tuple(bias.shape)}"
            )


def _refuse_kernel(input, weight, geometry: Geometry) -> None:
    raise ValueError(
        f"weight's kernel spans {geometry.extent(tuple(weight.shape[2:]))} pixels with dilation {geometry.dilation}, "
        f"more than the padded image of {geometry.padded_size(*input.shape[2:])}: input shape {tuple(input.shape)}, "
        f"weight shape {tuple(weight.shape)}, padding (top, bottom, left, right) {geometry.padding}"
    )
