"""The compiled loop of `winograd_strided` for output and input gradient: blocks of tiles, there and back."""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd_kernels import (
    block_of_compiled,
    fill_planes_compiled,
    place_tiles_compiled,
)
from reference.kernels.convolution.winograd_strided_products import point_products_compiled, transform_filters_compiled
from reference.kernels.convolution.winograd_strided_tiles import (
    ask_to_read,
    ask_to_write,
    gather_output,
    gather_pixels,
    spread_input,
    spread_seen,
)
from reference.kernels.convolution.winograd_strided_transforms import POINTS
from reference.kernels.convolution.winograd_tiles import PIECE, copy_rows


def multiply_images(
    meetings, backward, sides, source, shape, corner, target, target_shape, ahead, tiles, weight, steps, cuts, packed,
    packed_once, start, block, most, chunks, scratch, room, checks, part, first, end,
):  # fmt: skip
    """Write the output, or the input's gradient, of some blocks of tiles.

    Args:
        meetings: see `point_products`. backward: whether the target is the input's gradient.
        sides: (source rows from tile to tile, source rows that a tile sees, target rows of a tile).
        source: flat. shape: (N, C, H, W). corner: rows and columns by which the first tile starts before it.
        target: flat, written. target_shape: (O, OH, OW). ahead: the same for the target.
        tiles: (rows, columns) of tiles in an image.
        weight, steps, cuts: see `transform_filters`. packed: all of it where `packed_once`; otherwise each panel is
            packed when its turn comes. start: what each target channel starts from.
        block: (images, rows of tiles). most: panels of tiles in a block. chunks: parts of a block's target channels.
        scratch: (parts, numbers), to work in: transformed patches; products; a packed panel; padded images and ragged
            targets. room: the numbers of the first three.
        checks: (parts, lanes), become NaN where a result is not finite.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width = 2 * lanes
    step, seen_rows, side = sides
    images, channels, height, pixels = shape
    out_channels, out_height, out_width = target_shape
    whole = ahead[0] == 0 == ahead[1] and out_height == tiles[0] * side and out_width == tiles[1] * side
    pitch, out_pitch = tiles[1] * step + PIECE, out_width if whole else tiles[1] * side
    seen, made = np.empty(most * width, np.int64), np.empty(most * width, np.int64)
    value_step, panels = most * width * channels + lanes, cuts.shape[0] - 1
    gap = POINTS * lanes  # all points of a vector side by side, where they are transformed back
    values, products = scratch[part, : room[0]], scratch[part, room[0] : room[0] + room[1]]
    behind = room[0] + room[1] + room[2]
    own, planes = scratch[part, behind - room[2] : behind], scratch[part, behind:]
    sums = block[0] * (block[1] * step + seen_rows - step) * pitch + 2 * lanes
    check = checks[part]
    for unit in range(first, end):
        n0, n1, y0, y1 = block_of_compiled(unit // chunks, images, tiles, block)
        chunk = unit % chunks
        rows, out_rows = (y1 - y0) * step + seen_rows - step, (y1 - y0) * side
        t0, t1 = max(0, y0 * side - ahead[0]), min(out_height, y1 * side - ahead[0])
        of_block, image_step = (n1 - n0, y1 - y0, tiles[1]), out_rows * out_pitch
        first_tile = 0
        if whole:
            first_tile = (n0 * out_channels * out_height + y0 * side) * out_width
            image_step = out_channels * out_height * out_width
        count = place_tiles_compiled(seen, of_block, 0, (rows * pitch, step * pitch, step), lanes)
        place_tiles_compiled(made, of_block, first_tile, (image_step, side * out_pitch, side), lanes)
        vectors = -(-count // lanes)
        planes[: (n1 - n0) * rows * pitch + lanes] = 0
        for c in range(channels):
            for n in range(n0, n1):
                ask_to_read(
                    source, ((n * channels + c + 1) * height + y0 * step - corner[0]) * pixels, rows * pixels
                )
                fill_planes_compiled(
                    planes, (n - n0) * rows * pitch, source, (n * channels + c) * height * pixels, (height, pixels),
                    y0 * step - corner[0], corner[1], rows, pitch,
                )  # fmt: skip
            for v in range(vectors):
                at = (v // 2 * channels + c) * width + v % 2 * lanes
                if backward:
                    spread_seen(values, at, value_step, planes, seen, v * lanes, 0, pitch)
                else:
                    spread_input(values, at, value_step, planes, seen, v * lanes, 0, pitch)
        for panel in range(panels * chunk // chunks, panels * (chunk + 1) // chunks):
            r, high = cuts[panel], cuts[panel + 1] - cuts[panel]
            a_at, a_step = r * channels + panel * lanes, cuts[panels] * channels + panels * lanes
            if not packed_once:
                a_at, a_step = 0, high * channels + lanes
                transform_filters_compiled(
                    weight, steps, channels, backward, cuts, own, a_step, panel, panel, panel + 1
                )
            point_products_compiled(
                meetings, products, 0, lanes, gap, 2 * most * gap, packed if packed_once else own, a_at, a_step, cuts,
                panel, panel + 1, values, 0, value_step, -(-vectors // 2), channels, False,
            )  # fmt: skip
            for o in range(r, r + high):
                for n in range(n0, n1):
                    ask_to_write(
                        target, ((n * out_channels + o + 1) * out_height + t0) * out_width, (t1 - t0) * out_width
                    )
                out, origin, channel = (target, o * out_height * out_width, o) if whole else (planes, sums, o)
                for v in range(vectors):
                    at = ((o - r) * 2 * most + v) * gap
                    if backward:
                        gather_pixels(
                            products, at, lanes, out, made, v * lanes, origin, out_pitch, start, channel, check
                        )
                    else:
                        gather_output(
                            products, at, lanes, out, made, v * lanes, origin, out_pitch, start, channel, check
                        )
                if not whole:
                    for n in range(n0, n1):
                        from_row = (n - n0) * out_rows + t0 - y0 * side + ahead[0]
                        copy_rows(
                            target, ((n * out_channels + o) * out_height + t0) * out_width, out_width,
                            planes, sums + from_row * out_pitch + ahead[1], out_pitch, t1 - t0, out_width,
                        )  # fmt: skip


multiply_images_compiled = compiled(multiply_images)
