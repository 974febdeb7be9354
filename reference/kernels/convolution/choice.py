"""Which algorithm computes which product of a convolution on the processor at hand: what `"auto"` means.

The three products of one layer differ in what they sum over, so each is chosen by itself, once per shape. The borders
were read off `python -m tests.benchmarks.table --algorithms`; docs/benchmarks.md has the numbers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch

from reference.kernels import cuda
from reference.kernels.convolution import depthwise, direct, direct_taps, gemm, im2col, pointwise, unpacked, winograd
from reference.kernels.convolution import winograd_strided
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry

# From so many channels and tiles on, what `winograd` saves in products outweighs its transforms.
WINOGRAD_CHANNELS, WINOGRAD_TILES = 16, 64
# The gradient for a few input channels is a sum over many output channels, so there are enough of one kind.
WINOGRAD_GRAD_CHANNELS = 3
# `winograd_strided` has 81 points to transform per tile, which take more channels to pay.
STRIDED_CHANNELS, STRIDED_GRAD_CHANNELS = 64, 128  # forward and input gradient; weight gradient
# From so many input channels (forward, weight gradient) or summed terms (input gradient) on, packing pays.
GEMM_CHANNELS, GEMM_TERMS = 16, 144
# With a stride, `unpacked` reads a channel's split pixels faster than a block of windows is packed, up to so many
# channels, and where rows of the output have so many pixels; below `GEMM_CHANNELS` in any row.
SPLIT_CHANNELS, SPLIT_COLUMNS = 24, 14
# Pixels of an output that `pointwise` needs to fill a vector with those of one image.
POINTWISE_PIXELS = 16
# Up to so many images, to lay out the weights anew costs more than it gains.
FEW_IMAGES = 8


def choose(input: torch.Tensor, weight: torch.Tensor, geometry: Geometry) -> Algorithm:
    """The algorithm that does each product of a convolution by the fastest one for it.

    Args:
        input: (N, C, H, W). weight: (O, C/G, KH, KW). geometry: stride, padding, dilation and groups.
    """
    if input.device.type == "cuda":
        return cuda.CUDA
    if not direct.supports(input):
        return im2col.IM2COL
    kernel = tuple(weight.shape)
    shape = input.shape[0], geometry.output_size(tuple(input.shape[2:]), kernel[2:]), kernel, geometry
    forward, input_grad = fastest("forward", *shape).forward, fastest("input_grad", *shape).input_grad
    return replace(fastest("weight_grad", *shape), name="auto", forward=forward, input_grad=input_grad)


@lru_cache(maxsize=1024)
def fastest(
    product: str, images: int, output_size: tuple[int, int], kernel: tuple[int, int, int, int], geometry: Geometry
) -> Algorithm:
    """The fastest algorithm for float32 and float64 on the CPU.

    Args:
        product: "forward", "input_grad" or "weight_grad".
        images: N. output_size: (OH, OW).
        kernel: the weight's shape (O, C/G, KH, KW).
        geometry: stride, padding, dilation and groups.
    """
    out_channels, channels, kh, kw = kernel
    if depthwise.DEPTHWISE.takes(kernel, geometry):
        return depthwise.DEPTHWISE
    if geometry.groups > 1:
        return direct.DIRECT
    if product == "input_grad" and direct_taps.tap_plan(geometry, output_size, kernel, 4) is not None:
        return direct.DIRECT
    if product == "forward" and images == 1:
        return unpacked.UNPACKED
    side = winograd.TILES.get(kh, 4)
    tiles = images * -(-output_size[0] // side) * -(-output_size[1] // side)
    if winograd.WINOGRAD.takes(kernel, geometry) and tiles >= WINOGRAD_TILES and out_channels >= WINOGRAD_CHANNELS:
        if channels >= (WINOGRAD_GRAD_CHANNELS if product == "input_grad" and kh == 3 else WINOGRAD_CHANNELS):
            return winograd.WINOGRAD
    strided = winograd_strided.WINOGRAD_STRIDED
    least = STRIDED_GRAD_CHANNELS if product == "weight_grad" else STRIDED_CHANNELS
    if strided.takes(kernel, geometry) and tiles >= WINOGRAD_TILES and min(channels, out_channels) >= least:
        return strided
    if pointwise.POINTWISE.takes(kernel, geometry) and output_size[0] * output_size[1] >= POINTWISE_PIXELS:
        return pointwise.POINTWISE
    if product == "forward" and images <= FEW_IMAGES:
        return unpacked.UNPACKED
    if product == "forward" and max(geometry.stride) > 1 and channels <= SPLIT_CHANNELS:
        if channels < GEMM_CHANNELS or output_size[1] >= SPLIT_COLUMNS:
            return unpacked.UNPACKED
    if product == "input_grad":
        packs = out_channels * kh * kw >= GEMM_TERMS
    else:
        packs = channels >= GEMM_CHANNELS
    return gemm.GEMM if packs else direct.DIRECT
