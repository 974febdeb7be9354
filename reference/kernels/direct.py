"""Convolution without columns: every tap of the kernel is a shift of a line of pixels.

Lay the target's pixels out as one line, row after row, and let line (c, j) hold, where target pixel (y, x) stands,
the source's pixel in row y and the column that kernel column j sees from x. Then tap (i, j) sees the same line from
i rows further on, whatever the pixel, so the whole convolution is

    output[o, p] = sum over taps t = (c, i, j) of  weight[o, t] * line[p + offset[t]]

a sum of shifted lines, which vector registers do without looking at rows or columns: no lane is lost at the end of a
row, and with a width of whole vectors no load crosses a cache line. A stride only changes which columns and rows a
line holds, dilation only the offsets. The gradient of the weight is the product of every output line with every
shifted line; the gradient of the input is the same sum over the output's gradient, with the shifts turned round. (With
a stride, every phase of the input sees taps of its own; that sum is in `direct_kernels`.)

Cost: 2*N*O*C/G*KH*KW*OH*OW operations; KW/stride copies of the input are written, a KH-th of `im2col`'s columns, and
only one image's at a time, which stay in the cache. Parallel over images, and over target channels where images are
few. float32 and float64 on the CPU.
Measured error in float32: at most 1.1 (forward), 1.4 (input gradient), 1.0 (weight gradient) times
sqrt(terms) * eps/2 * the sum of the absolute products.

Reference: Cho and Brand, "MEC: memory-efficient convolution for deep neural network", 2017 (the lines); Zhang,
Franchetti and Low, "High performance zero-memory overhead direct convolutions", 2018 (the register tile);
Vaidyanathan, "Multirate digital filters", 1990 (the phases).
"""

from __future__ import annotations

import numpy as np
import torch

from reference.kernels import memory, parallel
from reference.kernels.conv_algorithm import Algorithm
from reference.kernels.conv_geometry import Geometry
from reference.kernels.operands import array, supports
from reference.kernels.direct_kernels import add_lanes_compiled, shifted_sums_compiled
from reference.kernels.direct_lines import line_products_compiled, line_sums_compiled
from reference.kernels.direct_lines_plan import LineSums, input_lines, output_lines
from reference.kernels.direct_plan import plan
from reference.kernels.vectors import VECTOR_BYTES


def forward(input, weight, bias, geometry: Geometry):
    size, kernel = tuple(input.shape[2:]), tuple(weight.shape)
    output, target = memory.result((input.shape[0], kernel[0], *geometry.output_size(size, kernel[2:])), input.dtype)
    _line_sums(output_lines(geometry, size, kernel), input, weight, bias, target)
    return output


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    kernel = tuple(weight.shape)
    channels = kernel[1] * geometry.groups
    if geometry.stride == (1, 1):
        total, target = memory.result((grad.shape[0], channels, *size), grad.dtype)
        _line_sums(input_lines(geometry, size, kernel), grad, weight, None, target)
        return total
    layout, images = plan(geometry, size, kernel), grad.shape[0]
    total, target = memory.result((images, channels, *size), grad.dtype)
    target.fill(0)
    source, weights, start = array(grad), array(weight).take(layout.weights), np.zeros(channels, target.dtype)
    parallel.run(
        shifted_sums_compiled, parallel.parts(images, grad.numel() * layout.taps.size), images,
        source, layout.spread.phases, layout.spread.numbers, geometry.groups, weights, layout.taps, layout.first, start,
        target, layout.input.phases, layout.input.numbers,
    )  # fmt: skip
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    kernel = (grad.shape[1], input.shape[1] // geometry.groups, *kernel_size)
    lines, lanes = output_lines(geometry, tuple(input.shape[2:]), kernel), VECTOR_BYTES // grad.element_size()
    images = input.shape[0]
    parts = parallel.parts(images, grad.numel() * lines.taps.size)
    gradient, target = memory.result(kernel, grad.dtype)
    grads, source = array(grad), array(input)
    totals = np.zeros((parts, geometry.groups, kernel[0] // geometry.groups, lines.taps.size, lanes), grads.dtype)
    parallel.run(
        line_products_compiled, parts, images, grads, source, lines.lines, lines.numbers, lines.taps, totals
    )  # fmt: skip
    add_lanes_compiled(totals.reshape(parts, -1, lanes), target.reshape(-1))
    return gradient


def _line_sums(lines: LineSums, source, weight, start, target: np.ndarray) -> None:
    source, weights = array(source), array(weight).take(lines.weights)
    start = np.zeros(target.shape[1], target.dtype) if start is None else array(start)
    images, threads = len(source), torch.get_num_threads()
    chunks = min(len(lines.cuts) - 1, -(-threads // max(1, images)))  # few images: also parts of their channels
    parallel.run(
        line_sums_compiled, parallel.parts(images * chunks, target.size * lines.taps.size), images * chunks,
        source, lines.lines, lines.numbers, weights, lines.taps, lines.cuts, start, target, chunks,
    )  # fmt: skip


DIRECT = Algorithm("direct", forward, input_grad, weight_grad, supports)
