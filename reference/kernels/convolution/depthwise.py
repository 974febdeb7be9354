"""Depthwise 3x3 convolution with stride 1: every channel by itself, its rows in registers.

With one channel per group there is no sum over channels that a matrix product could speed up:

    output[c, y, x] = bias[c] + sum over i, j of  weight[c, i, j] * input[c, y + i - top, x + j - left]

is nine multiply-adds per pixel that is read and written, so what counts is to touch memory once. A vector of columns
moves down the image; each row is loaded once per kernel column, without a padded copy, and serves the three output
rows that see it. Rows of up to half a vector go two at a time; where they are shorter and the result is as large as
the image, vectors run from channel to channel (`depthwise_runs`). The gradient of the input is the same sum with the
kernel turned by half a turn and the padding 2 - top, 2 - left; the gradient of the weight keeps its nine sums in
registers.

Cost: 18*N*C*OH*OW operations; the input and the output are each moved once. Parallel over channels and images.
float32 and float64 on the CPU.
Measured error in float32: see `MEASURED_ERROR` in tests/kernels/conv_cases.py.

Reference: Zhang, Lo and Lu, "High performance depthwise and pointwise convolutions on mobile devices", 2020.
"""

from __future__ import annotations

import numpy as np
import torch

from reference.kernels import memory, parallel
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.depthwise_kernels import channel_products_compiled, channel_sums_compiled, rows_together
from reference.kernels.convolution.depthwise_runs import IMAGES, TAPS, run, run_products_compiled, run_sums_compiled
from reference.kernels.operands import array, in_place, supports, zeros
from reference.kernels.convolution.direct_kernels import add_lanes_compiled
from reference.kernels.scratch import borrowed
from reference.kernels.vectors import VECTOR_BYTES

OPERATIONS = 20  # what a pixel costs: its nine multiply-adds wait for memory as long again


def forward(input, weight, bias, geometry: Geometry):
    top, _, left, _ = geometry.padding
    size = geometry.output_size(tuple(input.shape[2:]), (3, 3))
    if _in_runs((top, left), tuple(input.shape[2:]), size, input.element_size()):
        return _run_sums(input, weight, bias, False)
    output, target = memory.result((*input.shape[:2], *size), input.dtype)
    _sums(input, array(weight).reshape(-1), bias, (top, left), target)
    return output


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    top, _, left, _ = geometry.padding
    if _in_runs((top, left), tuple(grad.shape[2:]), size, grad.element_size()):
        return _run_sums(grad, weight, None, True)
    total, target = memory.result((*grad.shape[:2], *size), grad.dtype)
    turned = np.ascontiguousarray(array(weight)[:, :, ::-1, ::-1]).reshape(-1)
    _sums(grad, turned, None, (2 - top, 2 - left), target)
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    top, _, left, _ = geometry.padding
    (images, channels, *size), lanes = grad.shape, VECTOR_BYTES // grad.element_size()
    gradient, target = memory.result((channels, 1, *kernel_size), grad.dtype)
    parts = parallel.parts(images, OPERATIONS * grad.numel())
    if images and _in_runs((top, left), tuple(input.shape[2:]), tuple(size), grad.element_size()):
        grad, input = in_place(grad), in_place(input)
        with borrowed(parts * channels * TAPS * lanes, target.dtype) as flat:
            totals = flat[: parts * channels * TAPS * lanes]
            places = (
                (grad.data_ptr(), grad.numel()), (input.data_ptr(), grad.numel()), (totals.ctypes.data, totals.size)
            )  # fmt: skip
            parallel.run_at(
                run_products_compiled, parts, images, memory.NONE[grad.dtype], places, tuple(grad.shape),
                run(channels, tuple(size), grad.element_size()),
            )  # fmt: skip
            add_lanes_compiled(totals.reshape(parts, -1, lanes), target.reshape(-1))
        return gradient
    source, upstream = array(input), array(grad)
    together = rows_together(size[1], input.shape[3], grad.element_size())
    totals = np.zeros((parts, channels, TAPS, lanes), upstream.dtype)
    parallel.run(channel_products_compiled, parts, len(source), upstream, source, (top, left), together, totals)
    add_lanes_compiled(totals.reshape(parts, -1, lanes), target.reshape(-1))
    return gradient


def _in_runs(corner: tuple[int, int], size: tuple[int, int], result: tuple[int, int], itemsize: int) -> bool:
    """Whether `depthwise_runs` is made for it, and faster: rows of less than half a vector, planes of a vector."""
    lanes = VECTOR_BYTES // itemsize
    return corner == (1, 1) and size == result and 2 * size[1] < lanes <= size[0] * size[1]


def _run_sums(source, weight, start, turned: bool) -> torch.Tensor:
    source, weight, total = in_place(source), in_place(weight), memory.empty(tuple(source.shape), source.dtype)
    images, channels, *size = shape = tuple(source.shape)
    start = zeros(channels, source.dtype) if start is None else in_place(start)
    chunks = -(-torch.get_num_threads() // max(1, -(-images // IMAGES)))  # few images: also parts of their vectors
    units, count = -(-images // IMAGES) * chunks, source.numel()
    parallel.run_at(
        run_sums_compiled, parallel.parts(units, OPERATIONS * count), units, memory.NONE[source.dtype],
        ((weight.data_ptr(), channels * TAPS), (start.data_ptr(), channels), (total.data_ptr(), count),
         (source.data_ptr(), count)),
        shape, run(channels, tuple(size), source.element_size()), turned, chunks,
    )  # fmt: skip
    return total


def _sums(source, weights, start, corner: tuple[int, int], target: np.ndarray) -> None:
    start = np.zeros(target.shape[1], target.dtype) if start is None else array(start)
    channels = target.shape[0] * target.shape[1]
    together = rows_together(target.shape[3], source.shape[3], target.itemsize)
    parts = parallel.parts(channels, OPERATIONS * target.size)
    parallel.run(channel_sums_compiled, parts, channels, array(source), weights, start, corner, together, target)


def takes(weight_shape: tuple[int, ...], geometry: Geometry) -> bool:
    """Whether there is one 3x3 kernel per input channel, and no stride or dilation."""
    plain = geometry.stride == (1, 1) == geometry.dilation
    return plain and weight_shape == (geometry.groups, 1, 3, 3) and geometry.groups > 1


DEPTHWISE = Algorithm("depthwise", forward, input_grad, weight_grad, supports, takes)
