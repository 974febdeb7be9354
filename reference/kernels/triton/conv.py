"""Convolution for GPUs in Triton: implicit matrix products, and sums over the taps where there is nothing to multiply.

Forward pass and input gradient are one kernel under two plans (`plan`), so the gradient is gathered like the
output; the weight gradient sums the pixels in parts, which are added afterwards in a fixed order. Depthwise
convolutions (one channel per group) have kernels of their own (`depthwise`).

Cost: 2*N*O*C/G*KH*KW*OH*OW operations on the matrix units; image, weight and result pass through memory about once,
and the parts of the weight gradient twice. No columns are written. Images with their channels innermost
(channels_last) are read with the widest loads, and results come out so.

Sums are kept in float32 (in float64 for float64). Factors in float32 are rounded to TF32 where
`torch.backends.cuda.matmul.fp32_precision` says "tf32" (also set by `torch.set_float32_matmul_precision` and by
`torch.backends.cuda.matmul.allow_tf32`), as for torch's matrix products on a GPU.
Measured error in float32, without TF32 and by Triton's interpreter: see `MEASURED_ERROR` in the tests.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

import torch

from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.triton.plan import Plan, forward_plan, input_grad_plan, table

PARTS_TIMES_TILES = 512  # programs of a weight gradient to aim at: a few per multiprocessor of today's GPUs
LEAST_STEPS = 8  # of a sum that a part is worth
NOMINAL_TILE = 64  # rows and columns of a tile, for that count: the tuned tile must not decide how a sum is split
OLDEST = (8, 0)  # compute capability: Triton compiles for no matrix units older than Ampere's


def forward(input, weight, bias, geometry: Geometry):
    kernel_size = tuple(weight.shape[2:])
    plan = forward_plan(geometry, kernel_size, tuple(input.shape[2:]))
    size = geometry.output_size(tuple(input.shape[2:]), kernel_size)
    output = _channels_last(input, input.shape[0], weight.shape[0], *size)
    by_group = _by_group(weight, geometry.groups).transpose(0, 1)  # (O/G, G, C/G, KH, KW)
    return _gather(input, by_group, bias, output, plan)


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    plan = input_grad_plan(geometry, tuple(weight.shape[2:]), size)
    total = _channels_last(grad, grad.shape[0], weight.shape[1] * geometry.groups, *size)
    by_group = _by_group(weight, geometry.groups).permute(2, 0, 1, 3, 4)  # (C/G, G, O/G, KH, KW)
    return _gather(grad, by_group, None, total, plan)


def _gather(image, weight, bias, output, plan: Plan):
    """`output`, filled by `plan` from `image` and a weight (outputs per group, G, channels per group, KH, KW)."""
    from reference.kernels.triton import depthwise as triton_depthwise, kernels as triton_kernels

    if output.numel() == 0:
        return output
    outputs, groups, channels = weight.shape[:3]
    image, bias = _readable(image), None if bias is None else bias.contiguous()
    # The channels, over which is summed, lie innermost for both factors: the matrix units' preferred order.
    weight = weight.permute(1, 0, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)  # (G, outputs, channels, KH, KW)
    phases, precision = table(plan, image.device), _precision(image.dtype)
    numbers = (
        image, weight, bias, output, phases, len(plan.rows.phases), len(plan.columns.phases), image.shape[0],
        *image.shape[2:], channels, outputs, *image.stride(), *weight.stride(), *output.stride(),
        *plan.rows[:4], *plan.columns[:4],
    )  # fmt: skip
    with torch.cuda.device_of(image):
        if outputs == channels == 1:
            triton_depthwise.gather(numbers, groups, plan, precision["SUM"])
            return output
        pixels = image.shape[0] * plan.pixels
        depth = plan.taps * channels
        one_tap = _one_tap(channels)
        triton_kernels.gathered_product[
            lambda tile: (_tiles(pixels, tile["BLOCK_M"]) * _tiles(outputs, tile["BLOCK_N"]), groups, plan.phases)
        ](
            *numbers, _power_of_two(pixels), depth, pixels, outputs, int(image.dtype == torch.float64),
            HAS_BIAS=bias is not None, ONE_TAP=one_tap, BLOCK_K=_block_k(image.dtype, channels if one_tap else depth),
            **precision,
        )  # fmt: skip
    return output


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    from reference.kernels.triton import depthwise as triton_depthwise, kernels as triton_kernels

    groups, (n, out_channels, oh, ow) = geometry.groups, grad.shape
    outputs, channels = out_channels // groups, input.shape[1] // groups
    if grad.numel() == 0:
        return grad.new_zeros(out_channels, channels, *kernel_size)
    grad, input = _readable(grad), _readable(input)
    pixels, terms = n * oh * ow, kernel_size[0] * kernel_size[1] * channels
    depthwise = outputs == channels == 1
    if depthwise:
        pixels_per_part = _pixels_per_part(
            pixels, triton_depthwise.BLOCK_PIXELS, _tiles(groups, triton_depthwise.BLOCK_CHANNELS) * terms
        )
    else:
        block_k = _block_k(grad.dtype, pixels)
        tiles = _tiles(outputs, NOMINAL_TILE) * _tiles(terms, NOMINAL_TILE) * groups
        pixels_per_part = _pixels_per_part(pixels, block_k, tiles)
    parts, precision = _tiles(pixels, pixels_per_part), _precision(grad.dtype)
    partial = grad.new_empty(parts, out_channels, *kernel_size, channels, dtype=_sum_dtype(grad.dtype))
    top, _, left, _ = geometry.padding
    numbers = (
        grad, input, partial, oh, ow, *input.shape[2:], channels, outputs, *kernel_size, pixels,
        pixels_per_part, *grad.stride(), *input.stride(), *geometry.stride, top, left, *geometry.dilation,
    )  # fmt: skip
    with torch.cuda.device_of(grad):
        if depthwise:
            triton_depthwise.weight(numbers, groups, terms, parts, precision["SUM"])
        else:
            one_tap = _one_tap(channels)
            columns = channels if one_tap else terms  # of which each tile has a share
            triton_kernels.weight_product[
                lambda tile: (
                    _tiles(outputs, tile["BLOCK_M"]) * (terms // columns) * _tiles(columns, tile["BLOCK_N"]),
                    groups,
                    parts,
                )
            ](
                *numbers, _power_of_two(pixels), outputs, outputs, columns, int(grad.dtype == torch.float64),
                ONE_TAP=one_tap, BLOCK_K=block_k, **precision,
            )  # fmt: skip
        total = partial[0] if parts == 1 else partial.sum(0)  # (O, KH, KW, C/G)
    return total.to(grad.dtype).permute(0, 3, 1, 2)


def _pixels_per_part(pixels: int, step: int, tiles: int) -> int:
    """Where to split the sum of a weight gradient of so many tiles: a multiple of `step`, whatever the tuned tile."""
    steps = _tiles(pixels, step)
    return step * max(LEAST_STEPS, _tiles(steps, max(1, PARTS_TIMES_TILES // tiles)))


def _by_group(weight, groups: int):
    return weight.unflatten(0, (groups, weight.shape[0] // groups))  # (G, O/G, C/G, KH, KW)


def _channels_last(like, *shape: int):
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _readable(image):
    """`image` as it is where its channels are innermost or few, else a channels_last copy."""
    if image.stride(1) == 1 or image.shape[1] < 16:
        return image
    return image.contiguous(memory_format=torch.channels_last)


def _one_tap(channels: int) -> bool:
    """Whether a tile has channels of one tap only: addresses are simpler, but few channels would leave it empty."""
    return channels % 32 == 0 or channels > 64


def _block_k(dtype: torch.dtype, depth: int) -> int:
    """How many terms of a sum are multiplied at a time."""
    widest = 64 if dtype.itemsize == 2 else 32
    return 16 if depth <= 16 else 32 if depth <= 32 else widest


def _precision(dtype: torch.dtype) -> dict[str, object]:
    import triton.language as tl

    tf32 = dtype == torch.float32 and torch.backends.cuda.matmul.fp32_precision == "tf32"
    total = tl.float64 if dtype == torch.float64 else tl.float32
    return {"PRECISION": "tf32" if tf32 else "ieee", "SUM": total, "enable_fp_fusion": True}


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _tiles(length: int, tile: int) -> int:
    return -(-length // tile)


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()


@cache
def importable() -> bool:
    """Whether Triton is here; it is imported by the first call that needs it."""
    return find_spec("triton") is not None


def supports(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point() or not importable():
        return False
    if tensor.is_cuda:
        return torch.cuda.get_device_capability(tensor.device) >= OLDEST
    # The interpreter computes with numpy, which has no bfloat16.
    return tensor.device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1" and tensor.dtype != torch.bfloat16


TRITON = Algorithm("triton", forward, input_grad, weight_grad, supports)
