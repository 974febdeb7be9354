"""The compiled loop of `winograd` whose vector lanes are tiles, for few images; and the filters' transform.

Blocks of tiles are transformed, multiplied point by point, transformed back.
"""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, tile_compiled
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd_tiles import (
    copy_rows,
    gather_output_2,
    gather_output_4,
    pad_rows,
    spread_flipped_3,
    spread_flipped_5,
    spread_input,
    spread_weight_3,
    spread_weight_5,
)
from reference.kernels.convolution.winograd_transforms import PATCH, POINTS


def fill_planes(planes, at, source, source_at, size, row, left, rows, pitch):
    """Lay `rows` rows of an image out, the first of them its row `row`, `left` cells from the start of each.

    Cells without a pixel are left as they are, or become zero.

    Args:
        source: flat, the image at source_at. size: its (height, width).
    """
    height, width = size
    first, end = max(row, 0), min(row + rows, height)
    skipped = max(0, -left)
    count = min(pitch - max(0, left), width - skipped)
    if first < end and count > 0:
        pad_rows(
            planes, at + (first - row) * pitch + max(0, left), pitch,
            source, source_at + first * width + skipped, width, end - first, count,
        )  # fmt: skip


def block_of(index, images, tiles, block):
    """The images n0 to n1 and rows of tiles y0 to y1 of block `index`."""
    per_image = -(-tiles[0] // block[1])
    n0, y0 = index // per_image * block[0], index % per_image * block[1]
    return n0, min(images, n0 + block[0]), y0, min(tiles[0], y0 + block[1])


def place_tiles(places, shape, origin, steps, lanes):
    """Where every tile of a block starts.

    Args:
        places: written, up to a whole vector: spare lanes do the last tile once more.
        shape, steps: (images, rows, columns) of tiles, and numbers from one to the next. origin: the first tile's place.

    Returns:
        How many tiles there are.
    """
    count = 0
    for n in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                places[count] = origin + n * steps[0] + y * steps[1] + x * steps[2]
                count += 1
    for spare in range(count, -(-count // lanes) * lanes):
        places[spare] = places[count - 1]
    return count


fill_planes_compiled, block_of_compiled, place_tiles_compiled = (
    compiled(function) for function in (fill_planes, block_of, place_tiles)
)


def transform_weights(weight, steps, channels, tile, flipped, cuts, packed, origin, first, end):
    """Pack G g G^T for panels first to end of the target's channels.

    A panel of R rows takes POINTS * (channels*R + lanes) numbers; its point e starts at e * (channels*R + lanes), and
    there number (r, c) lies at c*R + r, as `gemm_tile` reads it.

    Args:
        weight: flat. steps: numbers between its filters of neighbouring target and source channels.
        tile: outputs along a tile's side. flipped: whether each filter is turned by 180 degrees.
        cuts: `row_cuts` of the target's channels. packed: flat, written. origin: the panel with which it starts.
    """
    lanes = VECTOR_BYTES // weight.itemsize
    at = POINTS * ((cuts[first] - cuts[origin]) * channels + (first - origin) * lanes)
    places = np.empty((1 + HEIGHTS[0] // lanes) * lanes, np.int64)
    for panel in range(first, end):
        rows = cuts[panel + 1] - cuts[panel]
        size = channels * rows + lanes
        for r in range(places.shape[0]):
            places[r] = (cuts[panel] + min(r, rows - 1)) * steps[0]
        # A vector of the last rows also writes where the next channel's first numbers will come to lie.
        for c in range(channels):
            for r in range(0, rows, lanes):
                to, filters = at + c * rows + r, c * steps[1]
                if tile == 4 and flipped:
                    spread_flipped_3(packed, to, size, weight, places, r, filters, 3)
                elif tile == 4:
                    spread_weight_3(packed, to, size, weight, places, r, filters, 3)
                elif flipped:
                    spread_flipped_5(packed, to, size, weight, places, r, filters, 5)
                else:
                    spread_weight_5(packed, to, size, weight, places, r, filters, 5)
        at += POINTS * size


transform_weights_compiled = compiled(transform_weights)


def multiply_images(
    source, shape, corner, target, target_shape, tile, weight, steps, flipped, cuts, packed, packed_once, start, block,
    most, chunks, scratch, room, checks, part, first, end,
):  # fmt: skip
    """Write the output of some blocks of tiles.

    Args:
        source: flat. shape: (N, C, H, W). corner: (top, left), its padding.
        target: flat, written. target_shape: (O, OH, OW). tile: outputs along a tile's side.
        weight, steps, flipped, cuts: see `transform_weights`. packed: all panels of it where `packed_once`; otherwise
            each is packed when its turn comes. start: what each target channel starts from.
        block: (images, rows of tiles). most: panels of tiles in a block. chunks: parts of a block's target channels.
        scratch: (parts, numbers), to work in: transformed pixels and products; a packed panel; padded images and
            ragged outputs. room: the numbers of the first two.
        checks: (parts, lanes), become NaN where an output is not finite.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width = 2 * lanes
    images, channels, height, pixels = shape
    out_channels, out_height, out_width = target_shape
    tiles = (-(-out_height // tile), -(-out_width // tile))
    whole = out_height == tiles[0] * tile and out_width == tiles[1] * tile
    pitch, out_pitch = tiles[1] * tile + PATCH - tile, tiles[1] * tile if not whole else out_width
    seen, made = np.empty(most * width, np.int64), np.empty(most * width, np.int64)
    value_step = most * width * channels + lanes
    product_step = most * width * HEIGHTS[0] + lanes
    products = POINTS * value_step
    sums = block[0] * (block[1] * tile + PATCH - tile) * pitch + 2 * lanes
    values, planes, check = scratch[part, : room[0]], scratch[part, room[0] + room[1] :], checks[part]
    panel_packed = packed if packed_once else scratch[part, room[0] : room[0] + room[1]]
    made_in = target if whole else planes
    zeros = np.zeros(HEIGHTS[0], source.dtype)
    runs = np.zeros((1, 3), np.int64)
    runs[0, 2] = channels
    for unit in range(first, end):
        n0, n1, y0, y1 = block_of_compiled(unit // chunks, images, tiles, block)
        chunk, panels = unit % chunks, cuts.shape[0] - 1
        rows, out_rows = (y1 - y0) * tile + PATCH - tile, (y1 - y0) * tile
        of_block, image_step = (n1 - n0, y1 - y0, tiles[1]), out_rows * out_pitch
        first_tile = 0
        if whole:
            first_tile = (n0 * out_channels * out_height + y0 * tile) * out_width
            image_step = out_channels * out_height * out_width
        count = place_tiles_compiled(seen, of_block, 0, (rows * pitch, tile * pitch, tile), lanes)
        place_tiles_compiled(made, of_block, first_tile, (image_step, tile * out_pitch, tile), lanes)
        vectors = -(-count // lanes)
        planes[: (n1 - n0) * rows * pitch] = 0
        for c in range(channels):
            for n in range(n0, n1):
                fill_planes_compiled(
                    planes, (n - n0) * rows * pitch, source, (n * channels + c) * height * pixels, (height, pixels),
                    y0 * tile - corner[0], corner[1], rows, pitch,
                )  # fmt: skip
            for v in range(vectors):
                at = (v // 2 * channels + c) * width + v % 2 * lanes
                spread_input(values, at, value_step, planes, seen, v * lanes, 0, pitch)
        for panel in range(panels * chunk // chunks, panels * (chunk + 1) // chunks):
            r, height_r = cuts[panel], cuts[panel + 1] - cuts[panel]
            from_a = POINTS * (r * channels + panel * lanes)
            if not packed_once:
                from_a = 0
                transform_weights_compiled(
                    weight, steps, channels, tile, flipped, cuts, panel_packed, panel, panel, panel + 1
                )
            for e in range(POINTS):
                a_at = from_a + e * (channels * height_r + lanes)
                for p in range(-(-vectors // 2)):
                    tile_compiled(
                        height_r, values, products + e * product_step + p * width, lanes, most * width,
                        panel_packed, a_at, values, e * value_step + p * channels * width, runs, 0, 1, zeros, 0, False,
                    )  # fmt: skip
            for o in range(r, r + height_r):
                origin = o * out_height * out_width if whole else sums
                for v in range(vectors):
                    at = products + (o - r) * most * width + v * lanes
                    if tile == 4:
                        gather_output_4(
                            values, at, product_step, made_in, made, v * lanes, origin, out_pitch, start, o, check
                        )
                    else:
                        gather_output_2(
                            values, at, product_step, made_in, made, v * lanes, origin, out_pitch, start, o, check
                        )
                if not whole:
                    for n in range(n0, n1):
                        copy_rows(
                            target, ((n * out_channels + o) * out_height + y0 * tile) * out_width, out_width,
                            planes, sums + (n - n0) * out_rows * out_pitch, out_pitch,
                            min(y1 * tile, out_height) - y0 * tile, out_width,
                        )  # fmt: skip


multiply_images_compiled = compiled(multiply_images)
