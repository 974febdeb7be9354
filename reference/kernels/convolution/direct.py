"""Convolution without columns: every tap of the kernel is a shift of a line of pixels.

Lay the target's pixels out as one line, row after row, and let line (c, j) hold, where target pixel (y, x) stands,
the source's pixel in row y and the column that kernel column j sees from x. Then tap (i, j) sees the same line from
i rows further on, whatever the pixel, so the whole convolution is

    output[o, p] = sum over taps t = (c, i, j) of  weight[o, t] * line[p + offset[t]]

a sum of shifted lines (`direct_lines`), which vector registers do without looking at rows or columns: no lane is lost
at the end of a row, and with a width of whole vectors no load crosses a cache line. A stride only changes which
columns and rows a line holds, dilation only the offsets. The gradient of the weight is the product of every output
line with every shifted line (`direct_products`), that of the bias its product with a line of ones; the gradient of the
input is the same sum over the output's gradient, with the shifts turned round. (With a stride, every phase of the
input sees taps of its own; that sum is in `direct_kernels`.) First layers are its main use, and two of their products
go another way: with many taps forward, a vector holds output channels, not pixels (`direct_channels`); the gradient of
an input of a few channels is summed tap by tap first and shifted afterwards (`direct_taps`).

Cost: 2*N*O*C/G*KH*KW*OH*OW operations; KW/stride copies of the input are written, a KH-th of `im2col`'s columns, and
only one image's at a time, which stay in the cache. Parallel over images, and over target channels or strips of rows
where images are few. float32 and float64 on the CPU.
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
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.operands import array, in_place, supports, zeros
from reference.kernels.convolution.direct_channels import ChannelSums, channel_plan, channel_sums_compiled
from reference.kernels.convolution.direct_kernels import shifted_sums_compiled
from reference.kernels.convolution.direct_lines import line_sums_compiled
from reference.kernels.convolution.direct_lines_plan import LineSums, input_lines, output_lines, product_lines
from reference.kernels.convolution.direct_plan import plan
from reference.kernels.convolution.direct_products import line_products_compiled
from reference.kernels.convolution.direct_taps import TapSums, tap_plan, tap_sums_compiled
from reference.kernels.placed import Place
from reference.kernels.scratch import borrowed_by_parts
from reference.kernels.vectors import VECTOR_BYTES


def forward(input, weight, bias, geometry: Geometry):
    size, kernel = tuple(input.shape[2:]), tuple(weight.shape)
    shape = input.shape[0], kernel[0], *geometry.output_size(size, kernel[2:])
    channels = channel_plan(geometry, size, kernel, input.element_size())
    if channels is None:
        return _line_sums(output_lines(geometry, size, kernel), input, weight, bias, shape)
    return _channel_sums(channels, input, weight, bias, shape)


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    kernel = tuple(weight.shape)
    channels = kernel[1] * geometry.groups
    images, taps = grad.shape[0], tap_plan(geometry, tuple(grad.shape[2:]), kernel, grad.element_size())
    if taps is None and geometry.stride == (1, 1):
        return _line_sums(input_lines(geometry, size, kernel), grad, weight, None, (images, channels, *size))
    total, target = memory.result((images, channels, *size), grad.dtype)
    if taps is not None:
        _tap_sums(taps, grad, weight, target)
        return total
    layout = plan(geometry, size, kernel)
    target.fill(0)
    source, weights, start = array(grad), array(weight).take(layout.weights), np.zeros(channels, target.dtype)
    parallel.run(
        shifted_sums_compiled, parallel.parts(images, grad.numel() * layout.taps.size), images,
        source, layout.spread.phases, layout.spread.numbers, geometry.groups, weights, layout.taps, layout.first, start,
        target, layout.input.phases, layout.input.numbers,
    )  # fmt: skip
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    return weight_and_bias_grad(grad, input, geometry, kernel_size)[0]


def weight_and_bias_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    kernel = (grad.shape[1], input.shape[1] // geometry.groups, *kernel_size)
    lines = product_lines(geometry, tuple(input.shape[2:]), kernel)
    images, taps = input.shape[0], kernel[1] * kernel[2] * kernel[3]
    parts = parallel.parts(images, grad.numel() * lines.taps.size)
    gradient, target = memory.result(kernel, grad.dtype)
    grads, source = array(grad), array(input)
    totals = np.empty((parts, geometry.groups, kernel[0] // geometry.groups, lines.taps.size), grads.dtype)
    with borrowed_by_parts(parts, totals[0].size * VECTOR_BYTES // grads.itemsize, grads.dtype) as scratch:
        parallel.run(
            line_products_compiled, parts, images, grads, source, lines.lines, lines.numbers, lines.taps,
            lines.row_cuts, lines.tap_cuts, scratch, totals,
        )  # fmt: skip
    total = totals.sum(0).reshape(kernel[0], -1)
    target.reshape(kernel[0], -1)[:] = total[:, :taps]
    bias = torch.from_numpy(total[:, taps].copy()) if total.shape[1] > taps else grad.sum((0, 2, 3))
    return gradient, bias


def _channel_sums(sums: ChannelSums, source, weight, start, shape: tuple[int, int, int, int]) -> torch.Tensor:
    operands, like, units = _in_place(source, weight, start, shape), memory.NONE[source.dtype], shape[0] * sums.strips
    parts = parallel.parts(units, operands[-1].numel() * sums.taps.size)
    with borrowed_by_parts(parts, weight.numel() + VECTOR_BYTES // like.itemsize, like.dtype) as packed:
        parallel.run_at(
            channel_sums_compiled, parts, units, like, _places(*operands), packed, sums.cuts, sums.padded, sums.corner,
            sums.stride, sums.taps, sums.pixels, sums.strips,
        )  # fmt: skip
    return operands[-1]


def _tap_sums(sums: TapSums, grad, weight, target: np.ndarray) -> None:
    grads, weights = array(grad), array(weight).take(sums.weights)
    parallel.run(
        tap_sums_compiled, parallel.parts(len(grads), grads.size * sums.cuts[-1]), len(grads),
        grads, weights, sums.cuts, sums.planes, sums.strips, sums.numbers, target,
    )  # fmt: skip


def _line_sums(lines: LineSums, source, weight, start, shape: tuple[int, int, int, int]) -> torch.Tensor:
    operands, like = _in_place(source, weight, start, shape), memory.NONE[source.dtype]
    images, threads = shape[0], torch.get_num_threads()
    chunks = min(len(lines.cuts) - 1, -(-threads // max(1, images)))  # few images: also parts of their channels
    parts = parallel.parts(images * chunks, operands[-1].numel() * lines.taps.size)
    parallel.run_at(
        line_sums_compiled, parts, images * chunks, like, _places(*operands), lines.lines, lines.numbers, lines.weights,
        lines.taps, lines.cuts, chunks,
    )  # fmt: skip
    return operands[-1]


def _in_place(source, weight, start, shape: tuple[int, int, int, int]) -> tuple[torch.Tensor, ...]:
    """The operands and a result of `shape`, all of them where their addresses lead to."""
    start = zeros(shape[1], source.dtype) if start is None else in_place(start)
    return in_place(source), in_place(weight), start, memory.empty(shape, source.dtype)


def _places(source, weight, start, target) -> tuple[Place, ...]:
    return (
        (source.data_ptr(), *source.shape), (weight.data_ptr(), weight.numel()), (start.data_ptr(), start.numel()),
        (target.data_ptr(), *target.shape),
    )  # fmt: skip


DIRECT = Algorithm(
    "direct", forward, input_grad, weight_grad, supports, weight_and_bias_grad=weight_and_bias_grad
)  # fmt: skip
