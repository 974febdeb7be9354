"""Convolution by Winograd's F(4x4, 3x3): sixteen outputs of a 3x3 filter for 36 multiplications in place of 144.

    y = A^T [ sum over c of (G g_c G^T) * (B^T d_c B) ] A

takes the 6x6 pixels d that a tile sees to its 4x4 outputs y, number by number between two transforms
(`winograd_transforms` has the matrices). The sum over c, for many tiles and output channels at once, is 36 matrix
products. The gradient for the input is the same with the filters turned round; that for the weight is the adjoint,

    G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.

A block of tiles, so many that its transformed pixels stay in a core's second-level cache, is transformed 16 tiles
at a time (the vector's lanes), multiplied with the packed tiles of `gemm_tile` for a panel of output channels, and
that panel transformed back. For the weight's gradient the lanes are channels, and the sums of all blocks stay in
memory until the end. Parallel over blocks; over output channels where tiles are few.

Made for 3x3 filters of stride 1, dilation 1 and one group, with any padding, in float32 and float64 on the CPU.
Cost: 36*N*O*C*ceil(OH/4)*ceil(OW/4) multiply-adds and some 300 operations per tile and channel for the transforms of
either side, so it pays off from about 16 channels; 36*O*C numbers for the filters, 36*(C + 14) per tile of a block.

Error: a transform mixes the numbers of a tile, so an output's error is not in proportion to its own products but
to the largest of the tile's. In float32 it was at most 0.96 (forward), 1.7 (input gradient) and 0.5 (weight gradient)
times sqrt(terms) * eps/2 * the largest sum of absolute products in the channel, from 16 summed channels or windows / 16
up; 3.4, 2.7, 1.2 from 3 up; 9.5, 5.1, 2.9 for one or two. In proportion to each output's own products, with padding 1,
at least 8 channels and 64 windows: 2.7, 2.7, 1.9.

Infinity and NaN would spread over a tile, and large numbers may overflow in a transform only: a product with a result
that is not finite is done again by `direct`, at the cost of both, so they reach the numbers that they reach in a sum.

Reference: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, sections 4.1 and 4.3.
"""

from __future__ import annotations

import numpy as np
import torch

from reference.kernels import direct, memory, parallel
from reference.kernels.conv_algorithm import Algorithm
from reference.kernels.conv_geometry import Geometry
from reference.kernels.operands import arrays, supports
from reference.kernels.gemm_tile import HEIGHTS, columns, row_cuts
from reference.kernels.scratch import borrowed, borrowed_by_parts
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.winograd_kernels import (
    multiply_images_compiled,
    multiply_tiles_compiled,
    transform_gradients_compiled,
    transform_weights_compiled,
)
from reference.kernels.winograd_transforms import POINTS, TAPS, TILE

# What a block's transformed pixels may take: about half of a core's second-level cache.
CACHE_BYTES = 450 * 1024
# What a block's transformed pixels and gradients may take, or as much as the sums that they are added to.
GRAD_CACHE_BYTES = 1500 * 1024
# Up to so many tiles per thread, transformed filters are better made where they are used than kept.
FEW_TILES = 64
# What the transform of a filter costs, in the multiply-adds that `parallel` counts.
FILTER_OPERATIONS = 200


def forward(input, weight, bias, geometry: Geometry):
    out_channels, channels = weight.shape[:2]
    size = geometry.output_size(tuple(input.shape[2:]), (TAPS, TAPS))
    output = memory.empty((input.shape[0], out_channels, *size), input.dtype)
    start = input.new_zeros(out_channels) if bias is None else bias
    corner = geometry.padding[0], geometry.padding[2]
    if _products(input, weight, (channels * TAPS**2, TAPS**2), False, start, corner, output):
        return output
    return direct.forward(input, weight, bias, geometry)


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    channels = weight.shape[1]
    total = memory.empty((grad.shape[0], channels, *size), grad.dtype)
    # A pixel is seen by the windows that end at it and those that start at it: the same sum with the filter
    # turned round and the padding exchanged for what the filter's extent leaves of it.
    corner = TAPS - 1 - geometry.padding[0], TAPS - 1 - geometry.padding[2]
    if _products(grad, weight, (TAPS**2, channels * TAPS**2), True, grad.new_zeros(channels), corner, total):
        return total
    return direct.input_grad(grad, weight, geometry, size)


def _products(source, weight, steps, flipped: bool, start, corner, target) -> bool:
    """Write `target`; False where a number of it is not finite.

    Args:
        source: (N, C, H, W). weight: any shape of filters. steps: numbers between its filters of neighbouring target
            and source channels. flipped: whether the filters are turned by 180 degrees.
        start: (O,), what each target channel starts from. corner: (top, left) padding. target: (N, O, OH, OW).
    """
    if target.numel() == 0:
        return True
    (images, channels), (rows, *size) = source.shape[:2], target.shape[1:]
    source, weight, start, flat = arrays(source, weight, start, target)
    lanes, width, cuts = VECTOR_BYTES // source.itemsize, columns(source.itemsize), row_cuts(rows)
    tiles = tuple(-(-side // TILE) for side in size)
    count, panels = images * tiles[0] * tiles[1], len(cuts) - 1
    operations = count * channels * rows * POINTS
    threads = parallel.parts(operations, operations)
    packed_once = count > FEW_TILES * threads
    if packed_once:
        block = _block(images, tiles, width, CACHE_BYTES // (POINTS * channels * source.itemsize), threads)
    else:
        block = _block(images, tiles, width, -(-count // (threads * width)) * width, 1)
    blocks = -(-images // block[0]) * -(-tiles[0] // block[1])
    # Where there are fewer blocks than threads, several of these share a block, each with channels of its own.
    chunks = 1 if packed_once else max(1, min(panels, threads // blocks))
    most = -(-block[0] * block[1] * tiles[1] // width)
    parts = parallel.parts(blocks * chunks, operations)
    checks = np.zeros((parts, lanes), source.dtype)
    values = POINTS * (most * width * (channels + HEIGHTS[0]) + 2 * lanes) + lanes
    planes = 2 * block[0] * (block[1] + 1) * TILE * (tiles[1] + 1) * TILE + 4 * lanes
    panel = POINTS * (HEIGHTS[0] * channels + lanes)
    filters = (weight.reshape(-1), steps, channels, flipped, cuts)

    with borrowed(POINTS * (rows * channels + panels * lanes) if packed_once else 0, source.dtype) as packed:

        if packed_once:
            parallel.run(
                transform_weights_compiled, parallel.parts(panels, rows * channels * FILTER_OPERATIONS), panels,
                *filters, packed, 0,
            )  # fmt: skip
        with borrowed_by_parts(parts, values + panel + planes, source.dtype) as scratch:
            parallel.run(
                multiply_images_compiled, parts, blocks * chunks,
                source.reshape(-1), source.shape, corner, flat.reshape(-1), (rows, *size), weight.reshape(-1), steps,
                flipped, cuts, packed, packed_once, start, block, most, chunks, scratch, (values, panel), checks,
            )  # fmt: skip
    return not checks.any()


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    (images, out_channels, *size), channels = grad.shape, input.shape[1]
    gradient = grad.new_zeros(out_channels, channels, TAPS, TAPS)
    if grad.numel() == 0:
        return gradient
    grads, source, flat = arrays(grad, input, gradient)
    lanes, width, cuts = VECTOR_BYTES // source.itemsize, columns(source.itemsize), row_cuts(out_channels)
    tiles = tuple(-(-side // TILE) for side in size)
    wide = -(-channels // width) * width
    operations = images * tiles[0] * tiles[1] * channels * out_channels * POINTS
    threads = parallel.parts(operations, operations)
    # Every block reads and writes all sums, so a block's tiles should be worth that.
    total = POINTS * (out_channels * wide + lanes)
    fitting = max(GRAD_CACHE_BYTES, total * source.itemsize) // (POINTS * (wide + out_channels) * source.itemsize)
    block = _block(images, tiles, 1, fitting, threads)
    most = block[0] * block[1] * tiles[1]
    blocks = -(-images // block[0]) * -(-tiles[0] // block[1])
    parts = parallel.parts(blocks, operations)
    values = POINTS * (most * (wide + out_channels) + (len(cuts) + 1) * lanes)
    planes = (lanes + HEIGHTS[0]) * ((block[1] + 1) * TILE * (tiles[1] + 1) * TILE + lanes) + lanes
    corner = geometry.padding[0], geometry.padding[2]

    with borrowed(parts * total, source.dtype) as totals:
        totals = totals.reshape(parts, total)
        with borrowed_by_parts(parts, values + planes, source.dtype) as scratch:
            parallel.run(
                multiply_tiles_compiled, parts, blocks,
                source.reshape(-1), source.shape, corner, grads.reshape(-1), (out_channels, *size), cuts, block, most,
                scratch, values, totals,
            )  # fmt: skip
        operations = out_channels * channels * FILTER_OPERATIONS
        parallel.run(
            transform_gradients_compiled, parallel.parts(out_channels, operations), out_channels,
            totals, flat.reshape(-1), out_channels, channels,
        )  # fmt: skip
    if not torch.isfinite(gradient).all():
        return direct.weight_grad(grad, input, geometry, kernel_size)
    return gradient


def _block(images: int, tiles: tuple[int, int], least: int, fitting: int, threads: int) -> tuple[int, int]:
    """Images, or rows of tiles of one image, of a block: about `fitting` tiles, no fewer than `least` unless that
    leaves a thread without work; blocks for all threads alike."""
    count = images * tiles[0] * tiles[1]
    blocks = -(-count // max(least, fitting // least * least))
    wanted = -(-count // (-(-blocks // threads) * threads))
    if tiles[0] * tiles[1] > wanted:
        return 1, min(tiles[0], -(-wanted // tiles[1]))
    return min(images, -(-wanted // (tiles[0] * tiles[1]))), tiles[0]


def takes(weight_shape: tuple[int, ...], geometry: Geometry) -> bool:
    one = geometry.stride == geometry.dilation == (1, 1) and geometry.groups == 1
    return one and tuple(weight_shape[2:]) == (TAPS, TAPS)


WINOGRAD = Algorithm("winograd", forward, input_grad, weight_grad, supports, takes)
