"""Depthwise convolution on a GPU in Triton: every channel has its own kernel, so there is no matrix to multiply.

    forward, input gradient:  result[pixel, c] = sum over taps of  image[pixel + tap, c] * weight[c, tap]
    weight gradient:          result[c, tap] = sum over pixels of  grad[pixel, c] * image[pixel + tap, c]

A program holds a block of pixels by channels; neighbouring threads take neighbouring channels, which lie side by side
in channels_last. The image is read once per tap, all but the first time from the cache. Bound by memory.
"""

from __future__ import annotations

import triton
import triton.language as tl

from reference.kernels.triton.kernels import INTERPRETED, phase_of
from reference.kernels.triton.plan import Plan

BLOCK_PIXELS = 8 if INTERPRETED else 32
BLOCK_CHANNELS = 4 if INTERPRETED else 32
_OPTIONS = {"PIXELS": BLOCK_PIXELS, "CHANNELS": BLOCK_CHANNELS, "enable_fp_fusion": True}


@triton.jit
def _gathered_sum(
    image, weight, bias, output, phases, row_phases, column_phases,
    batch, height, width, channels, outputs,
    image_n, image_c, image_h, image_w,
    weight_g, weight_o, weight_c, weight_h, weight_w,
    output_n, output_c, output_h, output_w,
    output_step_h, image_step_h, tap_step_h, weight_step_h,
    output_step_w, image_step_w, tap_step_w, weight_step_w,
    groups, HAS_BIAS: tl.constexpr, SUM: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Forward pass or input gradient; arguments as in `kernels.gathered_product`.

    Grid: blocks of the largest phase's pixels, blocks of channels, phases.
    """
    first_y, rows, taps_h, image_y, weight_i, first_x, columns, taps_w, image_x, weight_j = phase_of(
        phases, row_phases, column_phases, tl.program_id(2)
    )
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    x, y, n = pixel % columns, (pixel // columns) % rows, (pixel // (columns * rows)).to(tl.int64)
    row, column = (y * image_step_h + image_y)[:, None], (x * image_step_w + image_x)[:, None]
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)  # a channel is a group
    known = (n < batch)[:, None] & (c < groups)[None, :]
    window = image + n[:, None] * image_n + row * image_h + column * image_w + (c * image_c)[None, :]
    kernel = weight + c * weight_g + weight_i * weight_h + weight_j * weight_w
    total = tl.zeros((PIXELS, CHANNELS), SUM)
    for tap in range(taps_h * taps_w):
        i, j = tap // taps_w, tap % taps_w
        r, q = row + i * tap_step_h, column + j * tap_step_w
        inside = known & (r >= 0) & (r < height) & (q >= 0) & (q < width)
        values = tl.load(window + i * tap_step_h * image_h + j * tap_step_w * image_w, inside, 0).to(SUM)
        place = i * weight_step_h * weight_h + j * weight_step_w * weight_w
        total += values * tl.load(kernel + place, c < groups, 0).to(SUM)[None, :]
    if HAS_BIAS:
        total += tl.load(bias + c, c < groups, 0).to(SUM)[None, :]
    y, x = first_y + y * output_step_h, first_x + x * output_step_w
    target = output + (n * output_n + y * output_h + x * output_w)[:, None] + (c * output_c)[None, :]
    tl.store(target, total.to(output.dtype.element_ty), known)


@triton.jit
def _weight_sum(
    grad, image, partial,
    rows, columns, height, width, channels, outputs, taps_h, taps_w, pixels, pixels_per_part,
    grad_n, grad_c, grad_h, grad_w,
    image_n, image_c, image_h, image_w,
    stride_h, stride_w, top, left, dilation_h, dilation_w,
    groups, SUM: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Weight gradient of each part of the pixels; arguments as in `kernels.weight_product`.

    Grid: blocks of channels, taps, parts.
    """
    c = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    tap, part = tl.program_id(1), tl.program_id(2)
    tap_row, tap_column = (tap // taps_w) * dilation_h - top, (tap % taps_w) * dilation_w - left
    total = tl.zeros((PIXELS, CHANNELS), SUM)
    first = part * pixels_per_part
    for start in range(first, tl.minimum(first + pixels_per_part, pixels), PIXELS):
        pixel = start + tl.arange(0, PIXELS)
        x, y, n = pixel % columns, (pixel // columns) % rows, (pixel // (columns * rows)).to(tl.int64)
        known = (pixel < pixels)[:, None] & (c < groups)[None, :]
        place = (n * grad_n + y * grad_h + x * grad_w)[:, None] + (c * grad_c)[None, :]
        upstream = tl.load(grad + place, known, 0).to(SUM)
        r, q = y * stride_h + tap_row, x * stride_w + tap_column
        inside = known & ((r >= 0) & (r < height) & (q >= 0) & (q < width))[:, None]
        place = (n * image_n + r * image_h + q * image_w)[:, None] + (c * image_c)[None, :]
        total += upstream * tl.load(image + place, inside, 0).to(SUM)
    target = partial + (part.to(tl.int64) * groups + c) * tl.num_programs(1) + tap
    tl.store(target, tl.sum(total, 0), c < groups)


def gather(numbers: tuple, groups: int, plan: Plan, total: tl.dtype) -> None:
    """Run the forward pass or the input gradient by `plan`.

    Args:
        numbers: the kernel's arguments up to its steps. groups: number of channels. total: the dtype of sums.
    """
    image, bias = numbers[0], numbers[2]
    blocks = triton.cdiv(image.shape[0] * plan.pixels, BLOCK_PIXELS), triton.cdiv(groups, BLOCK_CHANNELS)
    _gathered_sum[*blocks, plan.phases](*numbers, groups, HAS_BIAS=bias is not None, SUM=total, **_OPTIONS)


def weight(numbers: tuple, groups: int, taps: int, parts: int, total: tl.dtype) -> None:
    """Run the weight gradient of `parts` parts; arguments as in `gather`."""
    _weight_sum[triton.cdiv(groups, BLOCK_CHANNELS), taps, parts](
        *numbers, groups, SUM=total, **_OPTIONS
    )
