"""Convolution as a matrix product whose columns are never in memory as a whole: implicit GEMM.

    output[o, (n, y, x)] = sum over k = (c, i, j) of  weight[o, k] * seen[k, (n, y, x)]

is the product of `im2col`, but `seen` is packed a block at a time, into panels that stay in the cache until every
output channel has used them. All arithmetic is done by the register tile of `gemm_tile`. What makes up the lanes of
a vector register, and so the columns of a panel, is chosen by shape:

    pixels (`gemm_pixels`): any batch, and kernels of one tap, whose panels are pieces of the image as they lie.
    images (`gemm_images`): full batches. Each pixel has just the taps that are inside the image; strides, dilation
        and small images cost nothing; the images are turned on the way in and out.

The input's gradient is the same product with the roles of the channels exchanged: a pixel gathers from the outputs
that saw it, so that nothing is ever added to memory twice. The weight's gradient is `gemm_outer`.

Cost: 2*N*O*C/G*KH*KW*OH*OW operations, less those on padding where lanes are images; input and output pass through
memory once. Parallel over images and rows of them, over output channels where those do not suffice.
float32 and float64 on the CPU.
Measured error in float32: at most 1.4 (forward, input gradient), 1.1 (weight gradient) times
sqrt(terms) * eps/2 * the sum of the absolute products.

Reference: Chetlur et al., "cuDNN: efficient primitives for deep learning", 2014, section 3 (implicit GEMM); Goto and
van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
"""

from __future__ import annotations

import torch

from reference.kernels import memory, parallel
from reference.kernels.convolution import gemm_images_plan, gemm_pixels_plan
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.operands import arrays, supports
from reference.kernels.convolution.gemm_images import products_by_image_compiled
from reference.kernels.convolution.gemm_outer import finish_compiled, outer_products_compiled
from reference.kernels.convolution.gemm_pack import pack_weight_compiled
from reference.kernels.convolution.gemm_pixels import gathered_products_compiled
from reference.kernels.convolution.gemm_tile import columns, row_cuts
from reference.kernels.scratch import borrowed, borrowed_by_parts

# Of images and gradients turned at a time by the weight's gradient: what two levels of cache hold between them.
TURNED_BYTES = 1536 * 1024


def forward(input, weight, bias, geometry: Geometry):
    kernel, size = tuple(weight.shape), tuple(input.shape[2:])
    output = memory.empty((input.shape[0], kernel[0], *geometry.output_size(size, kernel[2:])), input.dtype)
    start = input.new_zeros(kernel[0]) if bias is None else bias
    source, weight, start, target = arrays(input, weight, start, output)
    taps = kernel[2] * kernel[3]
    steps = (kernel[0] // geometry.groups, kernel[1] * taps, taps)
    shape = (geometry, size, kernel, input.shape[0], torch.get_num_threads(), input.element_size())
    if lanes_are_images(input.shape[0], taps, input.element_size()):
        _by_image(gemm_images_plan.forward_plan(*shape), source, weight, steps, start, target, geometry.groups)
    else:
        _by_pixel(gemm_pixels_plan.forward_plan(*shape), source, weight, steps, start, target, geometry.groups)
    return output


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    kernel, channels = tuple(weight.shape), weight.shape[1] * geometry.groups
    taps = kernel[2] * kernel[3]
    steps = (kernel[1], taps, kernel[1] * taps)
    shape = (geometry, size, kernel, grad.shape[0], torch.get_num_threads(), grad.element_size())
    if lanes_are_images(grad.shape[0], taps, grad.element_size()):
        total = memory.empty((grad.shape[0], channels, *size), grad.dtype)
        source, weight, start, target = arrays(grad, weight, grad.new_zeros(channels), total)
        _by_image(gemm_images_plan.backward_plan(*shape), source, weight, steps, start, target, geometry.groups)
        return total
    gathers = gemm_pixels_plan.backward_plan(*shape)
    every_pixel = sum(gather.target[4] * gather.target[5] for gather in gathers) == size[0] * size[1]
    total = memory.empty((grad.shape[0], channels, *size), grad.dtype)
    if not every_pixel:
        total.zero_()
    source, weight, start, target = arrays(grad, weight, grad.new_zeros(channels), total)
    for gather in gathers:
        _by_pixel(gather, source, weight, steps, start, target, geometry.groups)
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    (images, channels), (out_channels, *out_size) = input.shape[:2], grad.shape[1:]
    groups, width = geometry.groups, columns(grad.element_size())
    per_group, out_per_group = channels // groups, out_channels // groups
    gradient = grad.new_empty(out_channels, per_group, *kernel_size)
    if not images:
        return gradient.zero_()
    grads, source, target = arrays(grad, input, gradient)
    count, panels = per_group * kernel_size[0] * kernel_size[1], -(-out_per_group // width)
    # Each thread its output channels, with the images turned by each, if that is less than to add up their sums.
    by_channel = panels > 1 and (images == 1 or input.numel() < 2 * gradient.numel())
    items = panels if by_channel else images
    parts = parallel.parts(items, grad.numel() * count)
    sums, copies = groups * panels * width * count, 1 if by_channel else parts
    in_panels = -(-panels // parts) if by_channel else panels
    turned = in_panels * width * out_size[0] * out_size[1] + per_group * input.shape[2] * input.shape[3] + width
    block = max(1, min(images, TURNED_BYTES // (turned * grad.element_size())))

    with borrowed(copies * sums, grads.dtype) as total:
        with borrowed_by_parts(parts, block * turned + width, grads.dtype) as scratch:
            parallel.run(
                outer_products_compiled, parts, items,
                grads.reshape(-1), grads.shape[1:], source.reshape(-1), source.shape[1:], groups, kernel_size,
                geometry.stride, (geometry.padding[0], geometry.padding[2]), geometry.dilation, row_cuts(per_group),
                total[: copies * sums].reshape(copies, sums), scratch, block, images, by_channel,
            )  # fmt: skip
        parallel.run(
            finish_compiled, parallel.parts(groups * panels, copies * sums), groups * panels,
            total, copies, sums, target.reshape(-1), out_per_group, count,
        )  # fmt: skip
    return gradient


def lanes_are_images(images: int, taps: int, itemsize: int) -> bool:
    """Whether a batch fills panels well enough with one column per image, and its taps are worth turning it."""
    width = columns(itemsize)
    return taps > 1 and 4 * images >= 3 * width * -(-images // width)


def _by_pixel(gather: gemm_pixels_plan.Gather, source, weight, steps, start, target, groups: int) -> None:
    if gather.line:
        source, target = (images.reshape(*images.shape[:2], 1, -1) for images in (source, target))
    rows, channels = steps[0], source.shape[1] // groups
    cuts, count = row_cuts(rows), channels * gather.taps.size
    blocks = gather.blocks(target.shape[0])
    operations = target.shape[0] * gather.target[4] * gather.target[5] * groups * rows * count
    threads = parallel.parts(operations, operations)
    chunks = min(len(cuts) - 1, -(-threads // max(1, blocks)))  # of the target's channels, if blocks do not suffice
    parts = parallel.parts(blocks * chunks, operations)

    with borrowed(groups * rows * count + columns(weight.itemsize), weight.dtype) as a:
        _pack(False, a, weight, steps, channels, channels, gather.weights, groups)
        with borrowed_by_parts(parts, gather.scratch, source.dtype) as scratch:
            parallel.run(
                gathered_products_compiled, parts, blocks * chunks,
                source.reshape(-1), source.shape, target.reshape(-1), target.shape[1:], groups, a, cuts, start,
                gather.target, gather.phases, gather.seen, gather.plane, gather.taps, gather.block, gather.channels,
                chunks, scratch,
            )  # fmt: skip


def _by_image(plan: gemm_images_plan.ImagesPlan, source, weight, steps, start, target, groups: int) -> None:
    channels, taps = source.shape[1] // groups, plan.weights.size
    blocks = plan.blocks(source.shape[0], source.itemsize)
    parts = parallel.parts(blocks, target.size * channels * taps)
    with borrowed(weight.size + columns(weight.itemsize), weight.dtype) as a:
        _pack(True, a, weight, steps, channels, plan.channels, plan.weights, groups)
        with borrowed_by_parts(parts, plan.scratch, source.dtype) as scratch:
            parallel.run(
                products_by_image_compiled, parts, blocks,
                source.reshape(-1), source.shape, target.reshape(-1), target.shape[1:], groups, a, row_cuts(steps[0]),
                start, plan.rows, plan.row_items, plan.cols, plan.col_items, taps, plan.kernel_width, plan.block_rows,
                plan.channels, scratch,
            )  # fmt: skip


def _pack(by_tap: bool, a, weight, steps, channels: int, at_once: int, taps, groups: int) -> None:
    """Pack the weight, for `at_once` of the summed channels at a time.

    steps: (target channels per group, numbers between them, numbers between summed channels) of the weight.
    """
    (rows, row_step, channel_step), cuts = steps, row_cuts(steps[0])
    # A number moved takes about as long as sixteen multiply-adds.
    parallel.run(
        pack_weight_compiled, parallel.parts(len(cuts) - 1, 16 * weight.size), len(cuts) - 1,
        a, weight.reshape(-1), row_step, channel_step, groups, channels, at_once, taps, cuts, by_tap,
    )  # fmt: skip


GEMM = Algorithm("gemm", forward, input_grad, weight_grad, supports)
