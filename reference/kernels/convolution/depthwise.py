"""Depthwise 3x3 convolution with stride 1: every channel by itself, its rows in registers.

With one channel per group there is no sum over channels that a matrix product could speed up:

    output[c, y, x] = bias[c] + sum over i, j of  weight[c, i, j] * input[c, y + i - top, x + j - left]

is nine multiply-adds per pixel that is read and written, so what counts is to touch memory once. A vector of columns
moves down the image; each row is loaded once per kernel column, without a padded copy, and serves the three output
rows that see it. Rows of up to half a vector go two at a time. The gradient of the input is the same sum with the
kernel turned by half a turn and the padding 2 - top, 2 - left; the gradient of the weight keeps its nine sums in
registers.

Cost: 18*N*C*OH*OW operations; the input and the output are each moved once. Parallel over channels and images.
float32 and float64 on the CPU.
Measured error in float32: see `MEASURED_ERROR` in tests/kernels/conv_cases.py.

Reference: Zhang, Lo and Lu, "High performance depthwise and pointwise convolutions on mobile devices", 2020.
"""

from __future__ import annotations

import numpy as np

from reference.kernels import memory, parallel
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.depthwise_kernels import channel_products_compiled, channel_sums_compiled, rows_together
from reference.kernels.operands import array, supports
from reference.kernels.convolution.direct_kernels import add_lanes_compiled
from reference.kernels.vectors import VECTOR_BYTES

OPERATIONS = 20  # what a pixel costs: its nine multiply-adds wait for memory as long again


def forward(input, weight, bias, geometry: Geometry):
    top, _, left, _ = geometry.padding
    size = geometry.output_size(tuple(input.shape[2:]), (3, 3))
    output, target = memory.result((*input.shape[:2], *size), input.dtype)
    _sums(input, array(weight).reshape(-1), bias, (top, left), target)
    return output


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    top, _, left, _ = geometry.padding
    total, target = memory.result((*grad.shape[:2], *size), grad.dtype)
    turned = np.ascontiguousarray(array(weight)[:, :, ::-1, ::-1]).reshape(-1)
    _sums(grad, turned, None, (2 - top, 2 - left), target)
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    top, _, left, _ = geometry.padding
    gradient, target = memory.result((grad.shape[1], 1, *kernel_size), grad.dtype)
    source, upstream = array(input), array(grad)
    parts = parallel.parts(len(source), OPERATIONS * upstream.size)
    lanes = VECTOR_BYTES // grad.element_size()
    together = rows_together(grad.shape[3], input.shape[3], grad.element_size())
    totals = np.zeros((parts, grad.shape[1], 9, lanes), upstream.dtype)
    parallel.run(channel_products_compiled, parts, len(source), upstream, source, (top, left), together, totals)
    add_lanes_compiled(totals.reshape(parts, -1, lanes), target.reshape(-1))
    return gradient


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
