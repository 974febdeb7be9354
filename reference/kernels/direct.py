"""Convolution without columns: every tap of the kernel is a shift of a flat image.

Lay the padded image out as one line of pixels, row after row, `pitch` apart. The pixel that tap (i, j) sees
from output pixel p = y*pitch + x then lies at p + i*pitch + j, whatever p is, so the whole convolution is

    output[o, p] = sum over taps t = (c, i, j) of  weight[o, t] * image[p + offset[t]]

a sum of shifted lines, which vector registers do without looking at rows or columns. (At the end of each row
it also computes a few meaningless pixels, which are dropped.) Strides fit the same idea: a stride of s splits
the image into s*s interleaved images, its phases, and each tap moves over one of them by whole steps; dilation
only changes the offsets. The input's gradient is the same sum with the shifts turned round, the weight's
gradient is the product of every output line with every shifted image line.

Cost: 2*N*O*C/G*KH*KW*OH*pitch operations, pitch = OW + (KW-1)*dilation/stride; N*C*HP*WP numbers are copied, no
columns are written. Parallel over images. float32 and float64 on the CPU.
Measured error in float32: at most 1.1 (forward), 1.4 (input gradient), 1.0 (weight gradient) times
sqrt(terms) * eps/2 * the sum of the absolute products.

Reference: Zhang, Franchetti and Low, "High performance zero-memory overhead direct convolutions", 2018 (the
register tile); Vaidyanathan, "Multirate digital filters", 1990 (the phases).
"""

from __future__ import annotations

import torch

from reference.kernels import parallel
from reference.kernels.conv_algorithm import Algorithm
from reference.kernels.conv_geometry import Geometry
from reference.kernels.direct_kernels import (
    BLOCK_BYTES,
    add_lanes_compiled,
    shifted_products_compiled,
    shifted_sums_compiled,
)
from reference.kernels.direct_plan import plan
from reference.kernels.vectors import VECTOR_BYTES


def forward(input, weight, bias, geometry: Geometry):
    layout = plan(geometry, tuple(input.shape[2:]), tuple(weight.shape))
    size = geometry.output_size(tuple(input.shape[2:]), tuple(weight.shape[2:]))
    output = input.new_empty(input.shape[0], weight.shape[0], *size)
    start = input.new_zeros(weight.shape[0]) if bias is None else bias
    source, weights, start, target = _arrays(input, weight, start, output)
    weights = weights.take(layout.weights)

    def images(_, first, end):
        shifted_sums_compiled(
            source, layout.input.phases, layout.input.numbers, geometry.groups, weights,
            layout.taps, layout.first, start,
            target, layout.output.phases, layout.output.numbers, first, end,
        )  # fmt: skip

    parallel.run(images, parallel.ranges(input.shape[0], output.numel() * layout.taps.size))
    return output


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    layout = plan(geometry, size, tuple(weight.shape))
    total = grad.new_zeros(grad.shape[0], weight.shape[1] * geometry.groups, *size)
    start = grad.new_zeros(total.shape[1])
    source, weights, start, target = _arrays(grad, weight, start, total)
    weights = weights.take(layout.back_weights)

    def images(_, first, end):
        shifted_sums_compiled(
            source, layout.spread.phases, layout.spread.numbers, geometry.groups, weights,
            layout.back_taps, layout.back_first, start,
            target, layout.input.phases, layout.input.numbers, first, end,
        )  # fmt: skip

    parallel.run(images, parallel.ranges(grad.shape[0], grad.numel() * layout.taps.size))
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    out_channels, per_group = grad.shape[1], input.shape[1] // geometry.groups
    layout = plan(geometry, tuple(input.shape[2:]), (out_channels, per_group, *kernel_size))
    parts = parallel.ranges(input.shape[0], grad.numel() * layout.taps.size)
    lanes = VECTOR_BYTES // grad.element_size()
    total = grad.new_zeros(len(parts), geometry.groups, out_channels // geometry.groups, layout.taps.size, lanes)
    grads, source, totals = _arrays(grad, input, total)

    def images(part, first, end):
        shifted_products_compiled(
            grads, layout.output.phases, layout.output.numbers, source, layout.input.phases, layout.input.numbers,
            layout.taps, totals[part], first, end,
        )  # fmt: skip

    parallel.run(images, parts)
    gradient = grad.new_empty(out_channels, per_group, *kernel_size)
    add_lanes_compiled(totals.reshape(len(parts), -1, lanes), gradient.numpy().reshape(-1))
    return gradient


def _arrays(*tensors: torch.Tensor):
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def supports(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


def pays_off(input, weight, geometry: Geometry) -> bool:
    """Whether this is faster than one matrix product over `im2col`'s columns.

    It nearly always is: the columns alone cost more. Measured exceptions, for which `im2col` took a quarter to
    nine tenths of the time: kernels of one tap, whose columns are the image itself; and long sums (over 1,000
    terms) on images so small that half of a register tile is lost at the ends of rows.
    """
    (oh, ow), (kh, kw) = geometry.output_size(tuple(input.shape[2:]), tuple(weight.shape[2:])), weight.shape[2:]
    if kh == kw == 1:
        return geometry.groups > 1
    flat = oh * (ow + geometry.dilation[1] * (kw - 1) // geometry.stride[1])
    block = BLOCK_BYTES // input.element_size()
    computed = -(-flat // block) * block
    return computed < 2 * oh * ow or weight[0].numel() < 1024


DIRECT = Algorithm("direct", forward, input_grad, weight_grad, supports)
