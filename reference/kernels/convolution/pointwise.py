"""Convolution with one tap: a matrix product in which the image is its own panel.

    output[n, o, p] = bias[o] + sum over c of  weight[o, c] * input[n, c, p]

for the pixels p that the stride uses. In row-major images a channel's pixels lie side by side, just as a packed panel
would have them: with stride 1 nothing is packed but the weight, and a tile of 14 x 2 vectors reads the image where it
lies (`pointwise_images`). A tile's two vectors are two units of 16 pixels, wherever they are, of two images where one
has an odd number of units. With a stride the used pixels of two units are packed when they are first needed, and used
while they are in the cache (`pointwise_kernels`).

The gradient of the input is the same product with the weight turned round; with a stride its sums are spread over
whole rows of the target, zeros between and all, so that each line is written once. The gradient of the weight turns
the images only (`pointwise_outer`). All loops ask for the next images, and for what they write next, while they work on
these: a stride's rows and a tile's are too far apart for a processor to foresee.

Cost: 2*N*O*C*P operations; input and output pass through memory once. Parallel over blocks of images, over output
channels where those do not suffice. float32 and float64 on the CPU, no padding, no groups.
Measured error in float32: see `MEASURED_ERROR` in tests/kernels/conv_cases.py.

Reference: Zhang, Lo and Lu, "High performance depthwise and pointwise convolutions on mobile devices", 2020; Goto and
van de Geijn, "Anatomy of high-performance matrix multiplication", 2008 (the tile).
"""

from __future__ import annotations

import numpy as np
import torch

from reference.kernels import memory, parallel
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.gemm_pack import pack_weight_compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, columns, row_cuts
from reference.kernels.operands import array, in_place, supports, zeros
from reference.kernels.convolution.pointwise_kernels import pixel_products_compiled
from reference.kernels.convolution.pointwise_images import image_products_compiled
from reference.kernels.convolution.pointwise_outer import add_parts_compiled, pixel_outer_products_compiled
from reference.kernels.convolution.pointwise_plan import PIXELS_TOGETHER, pixels, products
from reference.kernels.scratch import borrowed, borrowed_by_parts

ONE_TAP = np.zeros(1, np.int64)


def forward(input, weight, bias, geometry: Geometry):
    start = zeros(weight.shape[0], weight.dtype) if bias is None else in_place(bias)
    return _products(input, weight, (weight.shape[1], 1), start, None, geometry.stride, (1, 1))


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    channels = weight.shape[1]
    start = zeros(channels, weight.dtype)
    return _products(grad, weight, (1, channels), start, tuple(size), (1, 1), geometry.stride)


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    (images, channels, *size), rows = input.shape, grad.shape[1]
    gradient, target = memory.result((rows, channels, 1, 1), grad.dtype)
    if not images:
        return gradient.zero_()
    source, upstream, width = array(input), array(grad), columns(grad.element_size())
    seen = pixels(tuple(size), geometry.stride, grad.element_size())
    padded, parts = -(-channels // width) * width, parallel.parts(images, grad.numel() * channels)
    some = max(1, min(-(-images // parts), PIXELS_TOGETHER // seen.count))
    in_rows = some * seen.count * (padded + width + HEIGHTS[0])
    with borrowed(parts * rows * padded, target.dtype) as flat:
        totals = flat[: parts * rows * padded].reshape(parts, rows, padded)
        with borrowed_by_parts(parts, in_rows + (HEIGHTS[0] + 3) * width, target.dtype) as scratch:
            parallel.run(
                pixel_outer_products_compiled, parts, images,
                upstream.reshape(-1), rows, source.reshape(-1), images, channels, size[0] * size[1], seen.units,
                seen.firsts, seen.pieces, seen.count, geometry.stride[1], row_cuts(rows), totals, some, scratch,
            )  # fmt: skip
        parallel.run(
            add_parts_compiled, parallel.parts(rows, totals.size), rows, totals, target.reshape(rows, channels)
        )
    return gradient


def _products(operand, weight, steps, start, result, stride, spread_stride) -> torch.Tensor:
    """The weight, `steps` apart in (rows, sum), times what `stride` uses of the operand (N, C, H, W), as a tensor
    (N, R, *result), of as many pixels as are used if that is None, where the sums stand `spread_stride` apart."""
    source, weight, like = in_place(operand), in_place(weight), memory.NONE[operand.dtype]
    made = products(
        operand.shape, start.shape[0], result, stride, spread_stride, like.itemsize, torch.get_num_threads()
    )  # fmt: skip
    target, counts = memory.empty(made.shape, operand.dtype), made.counts
    places = (
        (source.data_ptr(), counts[0]), (target.data_ptr(), counts[1]), (start.data_ptr(), counts[2]),
        (weight.data_ptr(), counts[3]),
    )  # fmt: skip
    if made.as_they_lie:
        with borrowed_by_parts(made.parts, made.room, like.dtype) as packed:
            parallel.run_at(image_products_compiled, made.parts, made.units, like, places, packed, steps, *made.loops)
        return target
    channels, panels = operand.shape[1], len(made.cuts) - 1
    with borrowed(counts[3] + columns(like.itemsize), like.dtype) as a:
        parallel.run(
            pack_weight_compiled, parallel.parts(panels, 16 * counts[3]), panels,
            a, array(weight).reshape(-1), *steps, 1, channels, channels, ONE_TAP, made.cuts, False,
        )  # fmt: skip
        with borrowed_by_parts(made.parts, made.room, like.dtype) as scratch:
            parallel.run_at(pixel_products_compiled, made.parts, made.units, like, places[:3], a, scratch, *made.loops)
    return target


def takes(weight_shape: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether the kernel has one tap, and there is no padding and one group."""
    return weight_shape[2:] == (1, 1) and not any(geometry.padding) and geometry.groups == 1


POINTWISE = Algorithm("pointwise", forward, input_grad, weight_grad, supports, takes)
