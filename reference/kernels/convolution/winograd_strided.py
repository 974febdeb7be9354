"""Convolution of 3x3 filters in steps of two by Winograd: 81 products for sixteen outputs in place of 144.

    y = A^T [ sum over c of (G g_c G^T) * (B^T d_c B) ] A

takes the 9x9 pixels d that a tile of 4x4 outputs sees to its outputs, as `winograd` does for a stride of one, with
the matrices of `winograd_strided_transforms`: the stride parts the pixels into even and odd ones, of which the even
meet a filter of two taps, F(4, 2), and the odd one of one tap. The input's gradient is the same over 5x5 gradients of
outputs for 8x8 pixels; the weight's gradient is the adjoint.

The sums over c, for many tiles and target channels at once, are 81 matrix products with 36 matrices of filters: the
odd points of a filter are one number, not four. A block of tiles is transformed 16 at a time (the vector's lanes), and
multiplied with one panel of target channels, point by point, before that is transformed back, so that what passes
between the stages stays in a core's caches. Parallel over blocks; over target channels where tiles are few.

Made for 3x3 filters of stride 2, dilation 1 and one group, with any padding, in float32 and float64 on the CPU.
Cost: 81*N*O*C*ceil(OH/4)*ceil(OW/4) multiply-adds; some 1,000 instructions per 16 tiles and channel for the transforms
of either side; 36*O*C numbers for the filters, 81*(C + 14) per tile of a block.

Why these tiles: F(2, 2) in place of F(4, 2) takes 100 products for sixteen outputs, and so does F(4, 2) with one sum
for all four phases, whose one-tap filters are then filled up to two. F(3, 2) takes 87, but 110 on images of 16 or 8
outputs and 196 on 4, which threes do not divide.

Error in float32: at most 2.9 (forward), 9.5 (input gradient), 2.4 (weight gradient) times sqrt(terms) * eps/2 * the sum
of the absolute products, over 300 shapes of at least 8 channels and 64 windows with padding 1. As in `winograd` it is
in proportion to the largest sum of a tile; a pixel that one window sees only is small beside its tile.
A product with a result that is not finite is done again by `direct`, as in `winograd`.

Reference: see `winograd_strided_transforms`; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from __future__ import annotations

import numpy as np
import torch

from reference.kernels import memory, parallel
from reference.kernels.convolution import direct
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.gemm_tile import HEIGHTS, columns, row_cuts
from reference.kernels.operands import arrays, supports
from reference.kernels.scratch import borrowed, borrowed_by_parts
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd import tile_block
from reference.kernels.convolution.winograd_strided_kernels import multiply_images_compiled
from reference.kernels.convolution.winograd_strided_outer import multiply_gradients_compiled, spread_pixels_compiled
from reference.kernels.convolution.winograd_strided_products import transform_filters_compiled
from reference.kernels.convolution.winograd_strided_transforms import (
    FILTER_POINTS,
    MEETINGS,
    PATCH,
    POINTS,
    SEEN,
    STEP,
    TAPS,
    TILE,
)

# What a block's transformed patches and the products of one panel of channels may take: a core's second-level cache.
CACHE_BYTES = 900 * 1024
# Of the weight's gradient: tiles of a block, and what the transformed gradients of a group of channels may take.
GRAD_TILES, GRAD_BYTES = 64, 700 * 1024
# For up to two blocks of so many tiles per thread, transformed filters are better made where they are used than kept.
FEW_TILES = 32
# What the transform of a filter costs, in the multiply-adds that `parallel` counts.
FILTER_OPERATIONS = 250
# (source rows from tile to tile, source rows that a tile sees, target rows of a tile)
OUTPUT, PIXELS = (STEP, PATCH, TILE), (TILE, SEEN, STEP)
# Meetings of (a filter's point, a patch's point): their products are the patch's points, which nothing adds to.
_MEETINGS = np.stack([MEETINGS[:, 1], MEETINGS[:, 0], MEETINGS[:, 0], np.zeros(POINTS, np.int64)], -1)
# The same of (a gradient's point, a pixels' point): the products of one filter's points are one sum.
_ADDS = np.diff(MEETINGS[:, 1], prepend=-1) == 0
_OUTER_MEETINGS = np.stack([MEETINGS[:, 0], MEETINGS[:, 0], MEETINGS[:, 1], _ADDS], -1)


def forward(input, weight, bias, geometry: Geometry):
    out_channels, channels = weight.shape[:2]
    size = geometry.output_size(tuple(input.shape[2:]), (TAPS, TAPS))
    output = memory.empty((input.shape[0], out_channels, *size), input.dtype)
    start = input.new_zeros(out_channels) if bias is None else bias
    corner = geometry.padding[0], geometry.padding[2]
    if _products(False, input, weight, (channels * TAPS**2, TAPS**2), start, corner, (0, 0), output):
        return output
    return direct.forward(input, weight, bias, geometry)


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    channels = weight.shape[1]
    total = memory.empty((grad.shape[0], channels, *size), grad.dtype)
    # A tile's first pixel lies under the middle of the windows that begin the tile's gradients: pixel 0 does so with
    # an odd padding, the one before it with an even one.
    corner = [-((padding - 1) // 2) for padding in (geometry.padding[0], geometry.padding[2])]
    ahead = [(padding + 1) % 2 for padding in (geometry.padding[0], geometry.padding[2])]
    start, steps = grad.new_zeros(channels), (TAPS**2, channels * TAPS**2)
    if _products(True, grad, weight, steps, start, tuple(corner), tuple(ahead), total):
        return total
    return direct.input_grad(grad, weight, geometry, size)


def _products(backward: bool, source, weight, steps, start, corner, ahead, target) -> bool:
    """Write `target`; False where a number of it is not finite.

    Args:
        backward: whether the target is the gradient of the input.
        source: (N, C, H, W). weight: any shape of filters. steps: numbers between its filters of neighbouring target
            and source channels.
        start: (O,), what each target channel starts from. corner, ahead: rows and columns by which the first tile
            starts before the source and before the target. target: (N, O, OH, OW).
    """
    if target.numel() == 0:
        return True
    sides = PIXELS if backward else OUTPUT
    (images, channels), (rows, *size) = source.shape[:2], target.shape[1:]
    source, weight, start, flat = arrays(source, weight, start, target)
    itemsize = source.itemsize
    lanes, width, cuts = VECTOR_BYTES // itemsize, columns(itemsize), row_cuts(rows)
    tiles = tuple(-(-(side + before) // sides[2]) for side, before in zip(size, ahead))
    count, panels = images * tiles[0] * tiles[1], len(cuts) - 1
    operations = count * channels * rows * POINTS
    threads = parallel.parts(operations, operations)
    per_tile = POINTS * (channels + HEIGHTS[0]) * itemsize
    packed_once = count > 2 * FEW_TILES * threads
    if packed_once:
        block = tile_block(images, tiles, width, CACHE_BYTES // per_tile, threads)
    else:
        several = count > FEW_TILES * threads  # blocks for every thread
        fitting = min(FEW_TILES, -(-count // (threads * width)) * width)
        block = tile_block(images, tiles, width, fitting, threads if several else 1)
    blocks = -(-images // block[0]) * -(-tiles[0] // block[1])
    # Where there are fewer blocks than threads, several of these share a block, each with channels of its own.
    chunks = 1 if packed_once else max(1, min(panels, threads // blocks))
    most = -(-block[0] * block[1] * tiles[1] // width)
    parts = parallel.parts(blocks * chunks, operations)
    checks = np.zeros((parts, lanes), source.dtype)
    room = (
        POINTS * (most * width * channels + lanes) + lanes,
        POINTS * int(cuts[1]) * most * width,
        0 if packed_once else FILTER_POINTS * (int(cuts[1]) * channels + lanes) + lanes,
    )
    planes = block[0] * (block[1] * sides[0] + TAPS) * (tiles[1] * sides[0] + TILE) + 4 * lanes
    ragged = block[0] * block[1] * tiles[1] * sides[2] ** 2
    step = rows * channels + panels * lanes

    with borrowed(FILTER_POINTS * step + lanes if packed_once else 0, source.dtype) as packed:
        if packed_once:
            parallel.run(
                transform_filters_compiled, parallel.parts(panels, rows * channels * FILTER_OPERATIONS), panels,
                weight.reshape(-1), steps, channels, backward, cuts, packed, step, 0,
            )  # fmt: skip
        with borrowed_by_parts(parts, sum(room) + planes + ragged, source.dtype) as scratch:
            parallel.run(
                multiply_images_compiled, parts, blocks * chunks,
                _MEETINGS, backward, sides, source.reshape(-1), source.shape, corner, flat.reshape(-1), (rows, *size),
                ahead, tiles, weight.reshape(-1), steps, cuts, packed, packed_once, start, block, most, chunks,
                scratch, room, checks,
            )  # fmt: skip
    return not checks.any()


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    (images, out_channels, *size), channels = grad.shape, input.shape[1]
    gradient = memory.empty((out_channels, channels, TAPS, TAPS), grad.dtype)
    if grad.numel() == 0:
        return gradient.zero_()
    grads, source, flat = arrays(grad, input, gradient)
    itemsize = source.itemsize
    lanes, width, cuts = VECTOR_BYTES // itemsize, columns(itemsize), row_cuts(out_channels)
    tiles, wide, panels = tuple(-(-side // TILE) for side in size), -(-channels // width) * width, len(cuts) - 1
    operations = images * tiles[0] * tiles[1] * channels * out_channels * POINTS
    threads = parallel.parts(operations, operations)
    block = tile_block(images, tiles, 1, GRAD_TILES, 1)
    most, blocks = block[0] * block[1] * tiles[1], -(-images // block[0]) * -(-tiles[0] // block[1])
    # Groups of output channels, as many for every thread.
    fitting = max(1, GRAD_BYTES // (POINTS * int(cuts[1]) * most * itemsize))
    groups = min(panels, -(-panels // (fitting * threads)) * threads)
    highest = max(int(cuts[panels * (i + 1) // groups] - cuts[panels * i // groups]) for i in range(groups))
    most_panels = -(-panels // groups)
    value_step = most * wide + lanes
    total = FILTER_POINTS * (highest * wide + lanes)
    totals = FILTER_POINTS * (out_channels * wide + groups * lanes) if blocks > 1 else threads * total
    room = POINTS * (highest * most + most_panels * lanes) + lanes
    planes = max(lanes, HEIGHTS[0]) * ((block[1] * STEP + 1) * (tiles[1] * STEP + TILE) + lanes)
    corner, checks = (geometry.padding[0], geometry.padding[2]), np.zeros((threads, lanes), source.dtype)

    with (
        borrowed(POINTS * value_step, source.dtype) as values,
        borrowed(totals, source.dtype) as sums,
        borrowed_by_parts(threads, max(planes, room + planes), source.dtype) as scratch,
    ):
        for index in range(blocks):
            some = min(block[0], images - index // -(-tiles[0] // block[1]) * block[0])  # images
            units = some * -(-channels // lanes)
            parallel.run(
                spread_pixels_compiled, min(threads, units), units,
                source.reshape(-1), source.shape, corner, tiles, block, index, values, value_step, scratch,
            )  # fmt: skip
            parallel.run(
                multiply_gradients_compiled, min(threads, groups), groups,
                _OUTER_MEETINGS, grads.reshape(-1), grads.shape, tiles, block, index, blocks == 1,
                index == blocks - 1, cuts, groups, values, value_step, wide, scratch, room, sums[:totals],
                flat.reshape(-1), channels, checks,
            )  # fmt: skip
    if checks.any():
        return direct.weight_grad(grad, input, geometry, kernel_size)
    return gradient


def takes(weight_shape: tuple[int, ...], geometry: Geometry) -> bool:
    two = geometry.stride == (2, 2) and geometry.dilation == (1, 1) and geometry.groups == 1
    return two and tuple(weight_shape[2:]) == (TAPS, TAPS)


WINOGRAD_STRIDED = Algorithm("winograd_strided", forward, input_grad, weight_grad, supports, takes)
