"""The compiled loop of `winograd` whose vector lanes are images.

A block is some rows of tiles of 16 images, or of a few times 16. Per channel its pixels are turned into planes, which
stay in the first-level cache, and the tiles of these transformed to points; the points of a block's channels stay in
the second-level cache while panel after panel of target channels is multiplied, transformed back into planes, and
turned back. In memory the images are read once, or half as often again where a block has one row of tiles, and the
results written once, whole cache lines at a time.
"""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, tile_compiled
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd_kernels import block_of_compiled, transform_weights_compiled
from reference.kernels.convolution.winograd_planes import (
    gather_sums_2,
    gather_sums_4,
    place_compiled,
    spread_pixels,
    turn_in_compiled,
    turn_out_compiled,
)
from reference.kernels.convolution.winograd_transforms import PATCH, POINTS


def multiply_turned(
    source, shape, corner, target, target_shape, tile, weight, steps, flipped, cuts, packed, packed_once, at_once,
    start, block, most, chunks, scratch, room, checks, part, first, end,
):  # fmt: skip
    """Write the output of some blocks of tiles.

    Args:
        source: flat. shape: (N, C, H, W). corner: (top, left), its padding.
        target: flat, written. target_shape: (O, OH, OW). tile: outputs along a tile's side.
        weight, steps, flipped, cuts: see `transform_weights`. packed: all panels of it where `packed_once`; otherwise
            `at_once` of them are packed when their turn comes. start: what each target channel starts from.
        block: (vectors of images, rows of tiles). most: pairs of vectors of tiles in a block. chunks: parts of a
            block's target channels.
        scratch: (parts, numbers), to work in: transformed pixels and products; packed panels; a channel's planes.
            room: the numbers of the first two.
        checks: (parts, lanes), become NaN where an output is not finite.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width = 2 * lanes
    images, channels, height, pixels = shape
    out_channels, out_height, out_width = target_shape
    tiles = (-(-out_height // tile), -(-out_width // tile))
    groups, panels = -(-images // lanes), cuts.shape[0] - 1
    pitch, out_pitch = tiles[1] * tile + PATCH - tile, tiles[1] * tile
    value_step = most * width * channels + lanes
    product_step = most * width * HEIGHTS[0] * at_once + lanes
    products = POINTS * value_step
    values, planes, check = scratch[part, : room[0]], scratch[part, room[0] + room[1] :], checks[part]
    panel_packed = packed if packed_once else scratch[part, room[0] : room[0] + room[1]]
    seen = np.empty(max(1, min(height, block[1] * tile + PATCH - tile) * pixels), np.int64)
    made = np.empty(block[1] * tile * out_width, np.int64)
    zeros = np.zeros(HEIGHTS[0], source.dtype)
    runs = np.zeros((1, 3), np.int64)
    runs[0, 2] = channels
    held = -1
    for unit in range(first, end):
        g0, g1, y0, y1 = block_of_compiled(unit // chunks, groups, tiles, block)
        chunk = unit % chunks
        if unit // chunks != held:
            held = unit // chunks
            rows, row = (y1 - y0) * tile + PATCH - tile, y0 * tile - corner[0]
            r0, r1 = max(row, 0), min(row + rows, height)
            place_compiled(seen, r1 - r0, pixels, r0 - row, corner[1], rows, pitch, lanes)
            planes[: rows * pitch * lanes] = 0
            for g in range(g0, g1):
                some, vector = min(lanes, images - g * lanes), (g - g0) * (y1 - y0) * tiles[1]
                for c in range(channels):
                    turn_in_compiled(
                        planes, seen, max(0, r1 - r0) * pixels, source,
                        ((g * lanes * channels + c) * height + r0) * pixels, channels * height * pixels, some,
                    )  # fmt: skip
                    v = vector
                    for y in range(y1 - y0):
                        for x in range(tiles[1]):
                            at = (v // 2 * channels + c) * width + v % 2 * lanes
                            spread_pixels(
                                values, at, value_step, planes, (y * pitch + x) * tile * lanes, pitch * lanes
                            )
                            v += 1
        vectors = (g1 - g0) * (y1 - y0) * tiles[1]
        out_rows = min(y1 * tile, out_height) - y0 * tile
        place_compiled(made, out_rows, out_width, 0, 0, (y1 - y0) * tile, out_pitch, lanes)
        spare = (y1 - y0) * tile * out_pitch * lanes
        last = panels * (chunk + 1) // chunks
        for panel_0 in range(panels * chunk // chunks, last, at_once):
            panel_1, origin = min(last, panel_0 + at_once), 0 if packed_once else panel_0
            if not packed_once:
                transform_weights_compiled(
                    weight, steps, channels, tile, flipped, cuts, panel_packed, panel_0, panel_0, panel_1
                )
            for e in range(POINTS):
                for panel in range(panel_0, panel_1):
                    r, high = cuts[panel], cuts[panel + 1] - cuts[panel]
                    a_at = POINTS * ((r - cuts[origin]) * channels + (panel - origin) * lanes)
                    a_at += e * (channels * high + lanes)
                    c_at = products + e * product_step + (r - cuts[panel_0]) * most * width
                    for p in range(-(-vectors // 2)):
                        tile_compiled(
                            high, values, c_at + p * width, lanes, most * width,
                            panel_packed, a_at, values, e * value_step + p * channels * width, runs, 0, 1, zeros, 0,
                            False,
                        )  # fmt: skip
            for o in range(cuts[panel_0], cuts[panel_1]):
                at = products + (o - cuts[panel_0]) * most * width
                for g in range(g0, g1):
                    for y in range(y1 - y0):
                        for x in range(tiles[1]):
                            to = (y * out_pitch + x) * tile * lanes
                            if tile == 4:
                                gather_sums_4(
                                    values, at, product_step, planes, to, out_pitch * lanes, start, o, check
                                )
                            else:
                                gather_sums_2(
                                    values, at, product_step, planes, to, out_pitch * lanes, start, o, check
                                )
                            at += lanes
                    turn_out_compiled(
                        target, ((g * lanes * out_channels + o) * out_height + y0 * tile) * out_width,
                        out_channels * out_height * out_width, min(lanes, images - g * lanes), planes, made,
                        out_rows * out_width, spare,
                    )  # fmt: skip


multiply_turned_compiled = compiled(multiply_turned)
