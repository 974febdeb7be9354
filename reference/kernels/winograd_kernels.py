"""The compiled loops of `winograd`: blocks of tiles are transformed, multiplied point by point, transformed back."""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.gemm_tile import HEIGHTS, tile_compiled
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.winograd_tiles import (
    copy_rows,
    gather_output,
    gather_weight,
    pad_rows,
    spread_flipped,
    spread_grad,
    spread_input,
    spread_weight,
)
from reference.kernels.winograd_transforms import POINTS, TILE


def _fill_planes(planes, at, source, source_at, size, row, left, rows, pitch):
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


def _block_of(index, images, tiles, block):
    """The images n0 to n1 and rows of tiles y0 to y1 of block `index`."""
    per_image = -(-tiles[0] // block[1])
    n0, y0 = index // per_image * block[0], index % per_image * block[1]
    return n0, min(images, n0 + block[0]), y0, min(tiles[0], y0 + block[1])


_fill_planes_compiled, _block_of_compiled = compiled(_fill_planes), compiled(_block_of)


def transform_weights(weight, steps, channels, flipped, cuts, packed, origin, first, end):
    """Pack G g G^T for panels first to end of the target's channels.

    A panel of R rows takes POINTS * (channels*R + lanes) numbers; its point e starts at e * (channels*R + lanes), and
    there number (r, c) lies at c*R + r, as `gemm_tile` reads it.

    Args:
        weight: flat. steps: numbers between its filters of neighbouring target and source channels.
        flipped: whether each filter is turned by 180 degrees. cuts: `row_cuts` of the target's channels.
        packed: flat, written. origin: the panel with which it starts.
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
                if flipped:
                    spread_flipped(packed, at + c * rows + r, size, weight, places, r, c * steps[1], 3)
                else:
                    spread_weight(packed, at + c * rows + r, size, weight, places, r, c * steps[1], 3)
        at += POINTS * size


transform_weights_compiled = compiled(transform_weights)


def multiply_images(
    source, shape, corner, target, target_shape, weight, steps, flipped, cuts, packed, packed_once, start, block, most,
    chunks, scratch, room, checks, part, first, end,
):  # fmt: skip
    """Write the output of some blocks of tiles.

    Args:
        source: flat. shape: (N, C, H, W). corner: (top, left), its padding.
        target: flat, written. target_shape: (O, OH, OW).
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
    tiles = (-(-out_height // TILE), -(-out_width // TILE))
    whole = out_height == tiles[0] * TILE and out_width == tiles[1] * TILE
    pitch, out_pitch = tiles[1] * TILE + TILE, tiles[1] * TILE if not whole else out_width
    seen, made = np.empty(most * width, np.int64), np.empty(most * width, np.int64)
    value_step = most * width * channels + lanes
    product_step = most * width * HEIGHTS[0] + lanes
    products = POINTS * value_step
    sums = block[0] * (block[1] * TILE + 2) * pitch + 2 * lanes
    values, planes, check = scratch[part, : room[0]], scratch[part, room[0] + room[1] :], checks[part]
    panel_packed = packed if packed_once else scratch[part, room[0] : room[0] + room[1]]
    zeros = np.zeros(HEIGHTS[0], source.dtype)
    runs = np.zeros((1, 3), np.int64)
    runs[0, 2] = channels
    for unit in range(first, end):
        n0, n1, y0, y1 = _block_of_compiled(unit // chunks, images, tiles, block)
        chunk, panels = unit % chunks, cuts.shape[0] - 1
        rows, out_rows = (y1 - y0) * TILE + 2, (y1 - y0) * TILE
        count = 0
        for n in range(n1 - n0):
            for y in range(y1 - y0):
                for x in range(tiles[1]):
                    seen[count] = (n * rows + y * TILE) * pitch + x * TILE
                    if whole:
                        made[count] = ((n0 + n) * out_channels * out_height + (y0 + y) * TILE) * out_width + x * TILE
                    else:
                        made[count] = (n * out_rows + y * TILE) * out_pitch + x * TILE
                    count += 1
        vectors = -(-count // lanes)
        for spare in range(count, vectors * lanes):  # these lanes do the last tile once more
            seen[spare], made[spare] = seen[count - 1], made[count - 1]
        planes[: (n1 - n0) * rows * pitch] = 0
        for c in range(channels):
            for n in range(n0, n1):
                _fill_planes_compiled(
                    planes, (n - n0) * rows * pitch, source, (n * channels + c) * height * pixels, (height, pixels),
                    y0 * TILE - corner[0], corner[1], rows, pitch,
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
                    weight, steps, channels, flipped, cuts, panel_packed, panel, panel, panel + 1
                )
            for e in range(POINTS):
                a_at = from_a + e * (channels * height_r + lanes)
                for p in range(-(-vectors // 2)):
                    tile_compiled(
                        height_r, values, products + e * product_step + p * width, lanes, most * width,
                        panel_packed, a_at, values, e * value_step + p * channels * width, runs, 0, 1, zeros, 0, False,
                    )  # fmt: skip
            for o in range(r, r + height_r):
                for v in range(vectors):
                    at = products + (o - r) * most * width + v * lanes
                    if whole:
                        gather_output(
                            values, at, product_step, target, made, v * lanes, o * out_height * out_width, out_pitch,
                            start, o, check,
                        )  # fmt: skip
                    else:
                        gather_output(
                            values, at, product_step, planes, made, v * lanes, sums, out_pitch, start, o, check
                        )
                if not whole:
                    for n in range(n0, n1):
                        copy_rows(
                            target, ((n * out_channels + o) * out_height + y0 * TILE) * out_width, out_width,
                            planes, sums + (n - n0) * out_rows * out_pitch, out_pitch,
                            min(y1 * TILE, out_height) - y0 * TILE, out_width,
                        )  # fmt: skip


multiply_images_compiled = compiled(multiply_images)


def multiply_tiles(
    source, shape, corner, grad, grad_shape, cuts, block, most, scratch, room, totals, part, first, end,
):  # fmt: skip
    """Write the sums over some blocks of tiles of every transformed gradient with every transformed pixel.

    Args:
        source: flat. shape: (N, C, H, W). corner: (top, left), its padding.
        grad: flat. grad_shape: (O, OH, OW). cuts: `row_cuts(O)`.
        block: (images, rows of tiles). most: tiles in a block.
        scratch: (parts, numbers), to work in: transformed gradients and pixels, `room` numbers; padded images.
        totals: (parts, numbers), written: point e of (o, c) lies at e * (O*CW + lanes) + o*CW + c, CW being C in whole
            panels.
        first, end: the blocks.
    """
    lanes = VECTOR_BYTES // source.itemsize
    values, planes, total = scratch[part, :room], scratch[part, room:], totals[part]
    width = 2 * lanes
    images, channels, height, pixels = shape
    out_channels, out_height, out_width = grad_shape
    tiles = (-(-out_height // TILE), -(-out_width // TILE))
    whole = out_height == tiles[0] * TILE and out_width == tiles[1] * TILE
    pitch, panels = tiles[1] * TILE + TILE, cuts.shape[0] - 1
    wide = -(-channels // width) * width
    value_step, total_step = most * wide + lanes, out_channels * wide + lanes
    grad_step = most * out_channels + (panels + 1) * lanes
    grads = POINTS * value_step
    plane = (block[1] * TILE + 2) * pitch + lanes
    ragged = lanes * plane
    places = np.empty((1 + HEIGHTS[0] // lanes) * lanes, np.int64)
    zeros = np.zeros(HEIGHTS[0], source.dtype)
    runs = np.zeros((1, 3), np.int64)
    for index in range(first, end):
        n0, n1, y0, y1 = _block_of_compiled(index, images, tiles, block)
        count = (y1 - y0) * tiles[1]
        planes[: (lanes + HEIGHTS[0]) * plane] = 0
        for n in range(n0, n1):
            done = (n - n0) * count
            for c in range(0, channels, lanes):
                for lane in range(lanes):
                    places[lane] = min(lane, channels - 1 - c) * plane
                for lane in range(min(lanes, channels - c)):
                    _fill_planes_compiled(
                        planes, lane * plane, source, (n * channels + c + lane) * height * pixels, (height, pixels),
                        y0 * TILE - corner[0], corner[1], (y1 - y0) * TILE + 2, pitch,
                    )  # fmt: skip
                at = (c // width * most + done) * width + c % width
                for y in range(y1 - y0):
                    for x in range(tiles[1]):
                        origin = (y * pitch + x) * TILE
                        spread_input(values, at, value_step, planes, places, 0, origin, pitch)
                        at += width
            for panel in range(panels):
                rows = cuts[panel + 1] - cuts[panel]
                at = grads + cuts[panel] * most + panel * lanes + done * rows
                image = (n * out_channels + cuts[panel]) * out_height * out_width
                step = out_height * out_width if whole else plane
                if not whole:
                    for r in range(rows):
                        _fill_planes_compiled(
                            planes, ragged + r * plane, grad, image + r * out_height * out_width,
                            (out_height, out_width), y0 * TILE, 0, (y1 - y0) * TILE, pitch,
                        )  # fmt: skip
                for r in range(places.shape[0]):
                    places[r] = min(r, rows - 1) * step
                # A vector of the last rows also writes where the next tile's first numbers will come to lie.
                for y in range(y1 - y0):
                    for x in range(tiles[1]):
                        for r in range(0, rows, lanes):
                            if whole:
                                origin = image + ((y0 + y) * out_width + x) * TILE
                                spread_grad(values, at + r, grad_step, grad, places, r, origin, out_width)
                            else:
                                origin = ragged + (y * pitch + x) * TILE
                                spread_grad(values, at + r, grad_step, planes, places, r, origin, pitch)
                        at += rows
        runs[0, 2] = (n1 - n0) * count
        for e in range(POINTS):
            for panel in range(panels):
                r = cuts[panel]
                a_at = grads + e * grad_step + r * most + panel * lanes
                for c in range(0, wide, width):
                    tile_compiled(
                        cuts[panel + 1] - r, total, e * total_step + r * wide + c, lanes, wide,
                        values, a_at, values, e * value_step + c * most, runs, 0, 1, zeros, 0, index > first,
                    )  # fmt: skip


multiply_tiles_compiled = compiled(multiply_tiles)


def transform_gradients(totals, gradient, out_channels, channels, first, end):
    """Write the gradients of output channels first to end from `multiply_tiles`' totals of all parts."""
    lanes = VECTOR_BYTES // gradient.itemsize
    wide = -(-channels // (2 * lanes)) * 2 * lanes
    total_step = out_channels * wide + lanes
    places = np.empty(lanes, np.int64)
    zeros = np.zeros(1, gradient.dtype)
    checks, total = np.zeros(lanes, gradient.dtype), totals[0]
    for o in range(first, end):
        for part in range(1, totals.shape[0]):
            for e in range(POINTS):
                at = e * total_step + o * wide
                for c in range(at, at + wide):  # the spare lanes too, which write the last channel once more
                    total[c] += totals[part, c]
        for c in range(0, channels, lanes):
            for lane in range(lanes):
                places[lane] = min(c + lane, channels - 1) * 9
            gather_weight(
                total, o * wide + c, total_step, gradient, places, 0, o * channels * 9, 3, zeros, 0, checks
            )


transform_gradients_compiled = compiled(transform_gradients)
