"""Which algorithm computes which product of a convolution on the processor at hand: what `"auto"` means.

The three products of one layer differ in what they sum over, so each is chosen by itself, once per shape. The borders
were read off `python -m tests.benchmarks.table --algorithms`; docs/benchmarks.md has the numbers.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from reference.kernels import cuda, depthwise, direct, gemm, im2col, winograd
from reference.kernels.conv_algorithm import Algorithm
from reference.kernels.conv_geometry import Geometry

# From so many channels and tiles on, what `winograd` saves in products outweighs its transforms.
WINOGRAD_CHANNELS, WINOGRAD_TILES = 16, 64
# The gradient for a few input channels is a sum over many output channels, so there are enough of one kind.
WINOGRAD_GRAD_CHANNELS = 3
# From so many input channels (forward, weight gradient) or summed terms (input gradient) on, packing pays.
GEMM_CHANNELS, GEMM_TERMS = 16, 144
# Kernels of one tap move as many numbers as they multiply; packing pays where there are many channels.
GEMM_CHANNELS_OF_ONE_TAP = 64
# So many weights for so few windows: packing the weights costs more than the product.
MANY_WEIGHTS, FEW_WINDOWS = 1 << 16, 512


def forward(input, weight, bias, geometry: Geometry):
    kernel = tuple(weight.shape)
    chosen = _chosen("forward", input, geometry.output_size(tuple(input.shape[2:]), kernel[2:]), kernel, geometry)
    return chosen.forward(input, weight, bias, geometry)


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    chosen = _chosen("input_grad", grad, tuple(grad.shape[2:]), tuple(weight.shape), geometry)
    return chosen.input_grad(grad, weight, geometry, size)


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    kernel = (grad.shape[1], input.shape[1] // geometry.groups, *kernel_size)
    chosen = _chosen("weight_grad", grad, tuple(grad.shape[2:]), kernel, geometry)
    return chosen.weight_grad(grad, input, geometry, kernel_size)


def _chosen(product: str, operand: torch.Tensor, output_size, kernel, geometry: Geometry) -> Algorithm:
    if operand.device.type == "cuda":
        return cuda.CUDA
    if not direct.supports(operand):
        return im2col.IM2COL
    return fastest(product, operand.shape[0], output_size, kernel, geometry)


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
    tiles = images * -(-output_size[0] // 4) * -(-output_size[1] // 4)
    if winograd.WINOGRAD.takes(kernel, geometry) and tiles >= WINOGRAD_TILES and out_channels >= WINOGRAD_CHANNELS:
        if channels >= (WINOGRAD_GRAD_CHANNELS if product == "input_grad" else WINOGRAD_CHANNELS):
            return winograd.WINOGRAD
    windows, weights = images * output_size[0] * output_size[1], out_channels * channels * kh * kw
    if product == "forward" and weights >= MANY_WEIGHTS and windows < FEW_WINDOWS:
        return im2col.IM2COL
    if kh == kw == 1:
        packs = channels >= GEMM_CHANNELS_OF_ONE_TAP and (product == "weight_grad" or geometry.stride != (1, 1))
    elif product == "input_grad":
        packs = out_channels * kh * kw >= GEMM_TERMS
    else:
        packs = channels >= GEMM_CHANNELS
    return gemm.GEMM if packs else direct.DIRECT


def supports(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point()


AUTO = Algorithm("auto", forward, input_grad, weight_grad, supports)
