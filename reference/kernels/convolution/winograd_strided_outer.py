"""The compiled loops of `winograd_strided` for the weight's gradient: sums over tiles of gradient times pixel.

    G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G

A block of tiles at a time, all threads transform its pixels, which they all need, then each its own output channels:
their gradients are transformed, multiplied with the pixels, and the sums transformed back with the last block. The
sums of a filter's point run over all the points that it meets, up to sixteen, so there are 36 of them.
"""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd_kernels import block_of_compiled, fill_planes_compiled
from reference.kernels.convolution.winograd_strided_products import point_products_compiled
from reference.kernels.convolution.winograd_strided_tiles import ask_to_read, gather_weight, spread_grad, spread_input
from reference.kernels.convolution.winograd_strided_transforms import FILTER_POINTS, STEP, TAPS, TILE


def spread_pixels(source, shape, corner, tiles, block, index, values, step, scratch, part, first, end):
    """Transform the pixels of a block of tiles to B's panels, whose lanes are channels and whose K are tiles.

    Args:
        source: flat. shape: (N, C, H, W). corner: (top, left), its padding. tiles: (rows, columns) of an image.
        block: (images, rows of tiles). index: which block.
        values: flat, written. step: its numbers per point.
        scratch: (parts, numbers): padded images of a vector's channels.
        first, end: the units of work, image of the block * vectors of channels + vector.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width = 2 * lanes
    planes = scratch[part]
    images, channels, height, pixels = shape
    n0, n1, y0, y1 = block_of_compiled(index, images, tiles, block)
    count, rows, pitch = (y1 - y0) * tiles[1], (y1 - y0) * STEP + 1, tiles[1] * STEP + TILE
    plane, vectors = rows * pitch + lanes, -(-channels // lanes)
    places = np.empty(lanes, np.int64)
    planes[: lanes * plane] = 0
    for unit in range(first, end):
        n, c = n0 + unit // vectors, unit % vectors * lanes
        for lane in range(lanes):
            places[lane] = min(lane, channels - 1 - c) * plane
        for lane in range(min(lanes, channels - c)):
            ask_to_read(
                source, ((n * channels + c + lane + 2) * height + y0 * STEP - corner[0]) * pixels, rows * pixels
            )
            fill_planes_compiled(
                planes, lane * plane, source, (n * channels + c + lane) * height * pixels, (height, pixels),
                y0 * STEP - corner[0], corner[1], rows, pitch,
            )  # fmt: skip
        at = (c // width * (n1 - n0) * count + (n - n0) * count) * width + c % width
        for y in range(y1 - y0):
            for x in range(tiles[1]):
                spread_input(values, at, step, planes, places, 0, (y * pitch + x) * STEP, pitch)
                at += width


spread_pixels_compiled = compiled(spread_pixels)


def multiply_gradients(
    meetings, grad, shape, tiles, block, index, alone, last, cuts, groups, values, value_step, wide, scratch, room,
    totals, target, channels, checks, part, first, end,
):  # fmt: skip
    """Add a block's products to the sums of some output channels; after the last, write their filters' gradients.

    Args:
        meetings: see `point_products`. grad: flat. shape: (N, O, OH, OW). tiles, block, index: see `spread_pixels`.
        alone, last: whether the block is the only one, whether it is the last. cuts: `row_cuts(O)`.
        groups: units into which the panels of output channels are divided.
        values, value_step: what `spread_pixels` wrote. wide: channels in whole panels.
        scratch: (parts, numbers): transformed gradients, `room` numbers; padded images.
        totals: flat, the sums of every group, or of every part where the block is `alone`.
        target: flat (O, channels, 3, 3). checks: (parts, lanes), become NaN where a result is not finite.
        first, end: the groups.
    """
    lanes = VECTOR_BYTES // grad.itemsize
    width = 2 * lanes
    grads, planes, check = scratch[part, :room], scratch[part, room:], checks[part]
    images, out_channels, height, pixels = shape
    n0, n1, y0, y1 = block_of_compiled(index, images, tiles, block)
    count, pitch, panels = (y1 - y0) * tiles[1], tiles[1] * TILE, cuts.shape[0] - 1
    k = (n1 - n0) * count
    whole = height == tiles[0] * TILE and pixels == pitch
    plane = (y1 - y0) * TILE * pitch + lanes
    step, row_pitch = (height * pixels, pixels) if whole else (plane, pitch)
    places = np.empty((1 + HEIGHTS[0] // lanes) * lanes, np.int64)
    zeros = np.zeros(1, grad.dtype)
    if not whole:
        planes[: HEIGHTS[0] * plane] = 0
    for group in range(first, end):
        panel_0, panel_1 = panels * group // groups, panels * (group + 1) // groups
        high = cuts[panel_1] - cuts[panel_0]
        grad_step, total_step = high * k + (panel_1 - panel_0) * lanes, high * wide + lanes
        for panel in range(panel_0, panel_1):
            rows = cuts[panel + 1] - cuts[panel]
            at = (cuts[panel] - cuts[panel_0]) * k + (panel - panel_0) * lanes
            for r in range(places.shape[0]):
                places[r] = min(r, rows - 1) * step
            for n in range(n0, n1):
                image = (n * out_channels + cuts[panel]) * height * pixels
                ask_to_read(grad, image + out_channels * height * pixels, rows * height * pixels)
                if not whole:
                    for r in range(rows):
                        fill_planes_compiled(
                            planes, r * plane, grad, image + r * height * pixels, (height, pixels), y0 * TILE, 0,
                            (y1 - y0) * TILE, pitch,
                        )  # fmt: skip
                # A vector of the last rows also writes where the next tile's first numbers will come to lie.
                for y in range(y1 - y0):
                    for x in range(tiles[1]):
                        for r in range(0, rows, lanes):
                            if whole:
                                origin = image + ((y0 + y) * row_pitch + x) * TILE
                                spread_grad(grads, at + r, grad_step, grad, places, r, origin, row_pitch)
                            else:
                                origin = (y * row_pitch + x) * TILE
                                spread_grad(grads, at + r, grad_step, planes, places, r, origin, row_pitch)
                        at += rows
        if alone:
            total_at = totals.shape[0] // checks.shape[0] * part
        else:
            total_at = FILTER_POINTS * (cuts[panel_0] * wide + group * lanes)
        point_products_compiled(
            meetings, totals, total_at, total_step, lanes, wide, grads, 0, grad_step, cuts, panel_0, panel_1,
            values, 0, value_step, wide // width, k, index > 0,
        )  # fmt: skip
        if last:
            for o in range(cuts[panel_0], cuts[panel_1]):
                for c in range(0, channels, lanes):
                    for lane in range(lanes):  # the spare ones write the last channel once more
                        places[lane] = min(c + lane, channels - 1) * TAPS * TAPS
                    gather_weight(
                        totals, total_at + (o - cuts[panel_0]) * wide + c, total_step, target, places, 0,
                        o * channels * TAPS * TAPS, TAPS, zeros, 0, check,
                    )  # fmt: skip


multiply_gradients_compiled = compiled(multiply_gradients)
