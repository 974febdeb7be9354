"""Convolution by Winograd's F(4x4, 3x3) and F(2x2, 5x5), which take 36 multiplications per tile and channel:
sixteen outputs of a 3x3 filter for these in place of 144, four of a 5x5 filter in place of 100.

    y = A^T [ sum over c of (G g_c G^T) * (B^T d_c B) ] A

takes the 6x6 pixels d that a tile sees to its outputs y, number by number between two transforms
(`winograd_transforms` has the matrices). The sum over c, for many tiles and output channels at once, is 36 matrix
products. The gradient for the input is the same with the filters turned round; that for the weight is the adjoint,

    G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.

A block of tiles, so many that its transformed pixels stay in a core's second-level cache, is transformed, multiplied
with the packed tiles of `gemm_tile` for a panel of output channels, and that panel transformed back. What a vector's
lanes are is chosen by shape:

    images (`winograd_images`): batches that fill vectors. Images are turned in registers, once on their way in and
        once on their way out; between these, transforms are additions of whole vectors, without a shuffle.
    tiles (`winograd_kernels`): few images, or rows of many tiles with many channels. Every patch is fetched for itself.
    channels (`winograd_sums`): the weight's gradient, turned like the first.

Parallel over blocks; over output channels where tiles are few.

Made for 3x3 and 5x5 filters of stride 1, dilation 1 and one group, with any padding, in float32 and float64 on the CPU.
Cost: 36*O*C multiply-adds per tile and, per tile and channel, some 170 operations on the way in, 150 (3x3) or 60
(5x5) on the way out, and four shuffles per vector of numbers turned, so it pays off from about 16 channels. Memory:
36*O*C numbers for the filters, 36*(C + 14) per tile of a block.

Error: a transform mixes the numbers of a tile, so an output's error is not in proportion to its own products but
to the largest of the tile's. In float32, with padding that keeps the size, at least 8 channels and 64 windows, it was at
most 1.2, 1.4, 1.1 (forward, input gradient, weight gradient; 3x3) and 0.5, 0.6, 1.7 (5x5) times
sqrt(terms) * eps/2 * the largest sum of absolute products in the channel; 9.5, 5.1, 2.9 for one or two channels of 3x3.
In proportion to each output's own products: 2.9, 3.0, 1.9 (3x3) and 1.2, 1.6, 3.9 (5x5).

Infinity and NaN would spread over a tile, and large numbers may overflow in a transform only: a product with a result
that is not finite is done again by `direct`, at the cost of both, so they reach the numbers that they reach in a sum.

Reference: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, sections 4.1 and 4.3.
"""

from __future__ import annotations

import numpy as np

from reference.kernels import memory, parallel
from reference.kernels.convolution import direct
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.operands import arrays, supports
from reference.kernels.convolution.gemm_tile import HEIGHTS, columns, row_cuts
from reference.kernels.scratch import borrowed, borrowed_by_parts
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd_images import multiply_turned_compiled
from reference.kernels.convolution.winograd_kernels import multiply_images_compiled, transform_weights_compiled
from reference.kernels.convolution.winograd_sums import multiply_tiles_compiled, transform_gradients_compiled
from reference.kernels.convolution.winograd_transforms import PATCH, POINTS, TILES

# What a block's transformed pixels may take: about half of a core's second-level cache.
CACHE_BYTES = 450 * 1024
# What they may take where lanes are images, and what a row of tiles may: blocks there have whole rows.
TURNED_BYTES, ROW_BYTES = 700 * 1024, 1300 * 1024
# What a block's transformed pixels and gradients may take, or as much as the sums that they are added to.
GRAD_CACHE_BYTES = 1500 * 1024
# Up to so many tiles per thread, transformed filters are better made where they are used than kept; so many panels of
# filters are then used at a time where lanes are images, so that a block's pixels are read that much less often.
FEW_TILES = 64
PANELS_AT_ONCE = 2
# Where threads share the output channels, what each may hold of the last-level cache: transformed pixels of all tiles,
# or the sums of the output channels that it does at a time.
SHARE_BYTES = 5 << 20
# What the transform of a filter costs, in the multiply-adds that `parallel` counts.
FILTER_OPERATIONS = 200


def forward(input, weight, bias, geometry: Geometry):
    out_channels, channels, *kernel_size = weight.shape
    taps = kernel_size[0]
    size = geometry.output_size(tuple(input.shape[2:]), tuple(kernel_size))
    output = memory.empty((input.shape[0], out_channels, *size), input.dtype)
    start = input.new_zeros(out_channels) if bias is None else bias
    corner = geometry.padding[0], geometry.padding[2]
    if _products(input, weight, (channels * taps**2, taps**2), False, start, corner, output):
        return output
    return direct.forward(input, weight, bias, geometry)


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    channels, taps = weight.shape[1:3]
    total = memory.empty((grad.shape[0], channels, *size), grad.dtype)
    # A pixel is seen by the windows that end at it and those that start at it: the same sum with the filter
    # turned round and the padding exchanged for what the filter's extent leaves of it.
    corner = taps - 1 - geometry.padding[0], taps - 1 - geometry.padding[2]
    if _products(grad, weight, (taps**2, channels * taps**2), True, grad.new_zeros(channels), corner, total):
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
    (images, channels), (rows, *size), tile = source.shape[:2], target.shape[1:], TILES[weight.shape[2]]
    source, weight, start, flat = arrays(source, weight, start, target)
    lanes, width, cuts = VECTOR_BYTES // source.itemsize, columns(source.itemsize), row_cuts(rows)
    tiles = tuple(-(-side // tile) for side in size)
    count, panels = images * tiles[0] * tiles[1], len(cuts) - 1
    operations = count * channels * rows * POINTS
    threads = parallel.parts(operations, operations)
    turned = lanes_are_images(images, tiles[1], channels, source.itemsize)
    much = turned and POINTS * channels * count * source.itemsize > SHARE_BYTES
    packed_once = count > FEW_TILES * threads or much
    # Vectors of images with a vector of every tile, or images with their tiles.
    items, least, item_bytes = (-(-images // lanes), 2, VECTOR_BYTES) if turned else (images, width, source.itemsize)
    if packed_once:
        fitting = (TURNED_BYTES if turned else CACHE_BYTES) // (POINTS * channels * item_bytes)
        block = tile_block(items, tiles, least, fitting, threads)
    elif turned:
        block = items, tiles[0]
    else:
        block = tile_block(images, tiles, width, -(-count // (threads * width)) * width, 1)
    blocks = -(-items // block[0]) * -(-tiles[0] // block[1])
    # Where there are fewer blocks than threads, several of these share a block, each with channels of its own.
    chunks = 1 if packed_once else max(1, min(panels, threads // blocks))
    most = -(-block[0] * block[1] * tiles[1] // least)
    parts = parallel.parts(blocks * chunks, operations)
    checks = np.zeros((parts, lanes), source.dtype)
    at_once = PANELS_AT_ONCE if turned and not packed_once else 1
    values = POINTS * (most * width * (channels + HEIGHTS[0] * at_once) + 2 * lanes) + lanes
    cells = (block[1] * tile + PATCH - tile) * (tiles[1] * tile + PATCH - tile)
    planes = (cells + 1) * lanes if turned else block[0] * (cells + block[1] * tile * tiles[1] * tile) + 4 * lanes
    panel = POINTS * at_once * (HEIGHTS[0] * channels + lanes)
    filters = (weight.reshape(-1), steps, channels, tile, flipped, cuts)

    with borrowed(POINTS * (rows * channels + panels * lanes) if packed_once else 0, source.dtype) as packed:

        if packed_once:
            parallel.run(
                transform_weights_compiled, parallel.parts(panels, rows * channels * FILTER_OPERATIONS), panels,
                *filters, packed, 0,
            )  # fmt: skip
        with borrowed_by_parts(parts, values + panel + planes, source.dtype) as scratch:
            parallel.run(
                multiply_turned_compiled if turned else multiply_images_compiled, parts, blocks * chunks,
                source.reshape(-1), source.shape, corner, flat.reshape(-1), (rows, *size), tile, weight.reshape(-1),
                steps, flipped, cuts, packed, packed_once, *([at_once] if turned else []), start, block, most, chunks,
                scratch, (values, panel), checks,
            )  # fmt: skip
    return not checks.any()


def lanes_are_images(images: int, tiles: int, channels: int, itemsize: int) -> bool:
    """Whether a batch fills vectors with one lane per image, and a row of tiles of so many images is no large block."""
    lanes = VECTOR_BYTES // itemsize
    row = POINTS * channels * tiles * VECTOR_BYTES
    return 4 * images >= 3 * lanes * -(-images // lanes) and row <= ROW_BYTES


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    (images, out_channels, *size), channels, tile = grad.shape, input.shape[1], TILES[kernel_size[0]]
    gradient = memory.empty((out_channels, channels, *kernel_size), grad.dtype)
    if grad.numel() == 0:
        return gradient.zero_()
    grads, source, flat = arrays(grad, input, gradient)
    lanes = VECTOR_BYTES // source.itemsize
    tiles = tuple(-(-side // tile) for side in size)
    count, wide = images * tiles[0] * tiles[1], -(-channels // lanes) * lanes
    operations = count * channels * out_channels * POINTS
    threads = parallel.parts(operations, operations)
    by_channel = threads > 1 and count < out_channels and out_channels >= threads * lanes
    at_once = min(-(-out_channels // (threads * lanes)), max(1, SHARE_BYTES // (POINTS * wide * VECTOR_BYTES))) * lanes
    at_once = at_once if by_channel else 0
    # Every block reads and writes all sums, so a block's tiles should be worth that.
    rows = -(-(at_once or out_channels) // lanes) * lanes
    total = POINTS * (rows * wide + lanes)
    fitting = max(GRAD_CACHE_BYTES, total * source.itemsize) // (POINTS * (wide + rows) * source.itemsize)
    block = (images, tiles[0]) if by_channel else tile_block(images, tiles, 1, fitting, threads)
    most = block[0] * block[1] * tiles[1]
    blocks = -(-images // block[0]) * -(-tiles[0] // block[1])
    units = -(-out_channels // at_once) if by_channel else blocks
    parts = parallel.parts(units, operations)
    values = POINTS * (most * (wide + rows) + 2 * lanes)
    planes = ((block[1] * tile + PATCH - tile) * (tiles[1] * tile + PATCH - tile) + 1) * lanes
    corner = geometry.padding[0], geometry.padding[2]
    last_parts = parts if by_channel else parallel.parts(out_channels, out_channels * channels * FILTER_OPERATIONS)
    checks = np.zeros((last_parts, lanes), source.dtype)

    with borrowed_by_parts(parts, total, grads.dtype) as totals:
        with borrowed_by_parts(parts, values + planes, source.dtype) as scratch:
            parallel.run(
                multiply_tiles_compiled, parts, units,
                source.reshape(-1), source.shape, corner, grads.reshape(-1), (out_channels, *size), tile,
                block, most, at_once, scratch, values, totals, flat.reshape(-1), checks,
            )  # fmt: skip
        if not by_channel:
            parallel.run(
                transform_gradients_compiled, last_parts, out_channels,
                totals, flat.reshape(-1), tile, out_channels, channels, 0, checks,
            )  # fmt: skip
    return direct.weight_grad(grad, input, geometry, kernel_size) if checks.any() else gradient


def tile_block(images: int, tiles: tuple[int, int], least: int, fitting: int, threads: int) -> tuple[int, int]:
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
    return one and weight_shape[2] == weight_shape[3] in TILES


WINOGRAD = Algorithm("winograd", forward, input_grad, weight_grad, supports, takes)
