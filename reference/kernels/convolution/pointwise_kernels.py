"""The compiled loop of `pointwise` for the output and the gradient of the input."""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import move, move_even
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS
from reference.kernels.convolution.pointwise_plan import EVERY_OTHER
from reference.kernels.convolution.pointwise_images import next_panel
from reference.kernels.convolution.pointwise_tile import spread, spread_every_other, tile_compiled
from reference.kernels.prefetch import LINE_BYTES, fetch_to_write
from reference.kernels.vectors import VECTOR_BYTES


def gather(out, out_at, out_step, source, source_at, plane, channels, step, pieces, count):
    """Lay out what pieces of rows hold of some channels: numbers `step` apart, side by side.

    A piece is written as a whole vector: what it spills has to be written later, by a piece further on or by the next
    channel, or by nobody.

    Args:
        out, out_at, out_step: written, where the first channel starts, and numbers between channels.
        source, source_at, plane: flat, likewise.
        channels: how many. pieces: (count or more, 3) int64, where in `out`, where in the source, and the length.
    """
    lanes = VECTOR_BYTES // out.itemsize
    for k in range(channels):
        row, pixels = out_at + k * out_step, source_at + k * plane
        last = source.shape[0] - pixels - step * (lanes - 1) - 1  # of the places where a whole vector can be read
        for p in range(count):
            to, place = row + pieces[p, 0], pieces[p, 1]
            if step == 2 and place <= last:
                move_even(out, to, source, pixels + place)
            elif step == 1 and place <= last:
                move(out, to, source, pixels + place)
            else:
                for x in range(pieces[p, 2]):
                    out[to + x] = source[pixels + place + x * step]


def _spread_planes(target, target_at, image_step, size, rows, images, sums, pitch, count, starts, vectors):
    """Write planes of `size` numbers, some rows of some images: sums where pixels are used, zeros elsewhere."""
    lanes = VECTOR_BYTES // target.itemsize
    for n in range(images):
        for i in range(rows):
            to, seen = target_at + n * image_step + i * size, i * pitch + n * count
            if size >= lanes:
                for x in range(starts.shape[0]):
                    at, bits = to + starts[x], vectors[x, 1]
                    if vectors[x, 2] <= EVERY_OTHER:
                        spread_every_other(target, at, sums, seen + vectors[x, 0], bits)
                    else:
                        spread(target, at, sums, seen + vectors[x, 0], bits)
            else:
                for x in range(size):
                    target[to + x] = 0
                    if vectors[0, 1] >> x & 1:
                        target[to + x] = sums[seen]
                        seen += 1


gather_compiled, _spread_planes_compiled = compiled(gather), compiled(_spread_planes)


def pixel_products(
    source, target, start, a, scratch, images, channels, plane, target_plane, cuts, places, pieces, step, packs,
    spreads, starts, vectors, count, block, chunks, part, first, end,
):  # fmt: skip
    """Write target images: a packed weight times the pixels that are used of each source image.

    Args:
        source: flat (N, channels, plane). target: flat (N, R, target_plane), all of it written.
        start: what each row starts from. a, cuts: the packed weight and where its panels of the R rows start.
        scratch: (parts, numbers): a block's panels if it packs, HEIGHTS[0] rows of its sums if it spreads.
        places: (tiles, 7), see `pointwise_plan.places`. pieces, count: see `pointwise_plan.Pixels`.
        step: columns between used pixels of the source.
        packs: whether units are packed, or read where they lie.
        spreads: whether sums are spread over the target as `starts` and `vectors` say, or are the target.
        block: images at a time. chunks: parts of the R rows.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width, panels, per_block = VECTORS * lanes, cuts.shape[0] - 1, pieces.shape[0]
    panel_step = width * channels + lanes  # a vector is spilled at a panel's end
    in_panels = places.shape[0] * panel_step if packs else 0
    packed, sums = scratch[part, :in_panels], scratch[part, in_panels:]
    pitch = block * count + lanes
    b, c = packed if packs else source, sums if spreads else target
    b_step, c_step = width if packs else plane, pitch if spreads else target_plane
    laid_out = np.empty((block * per_block if packs else 0, 3), np.int64)
    for pair in range(places.shape[0] if packs else 0):
        for i in range(places[pair, 4], places[pair, 6]):
            n, p = divmod(i, per_block)
            half = lanes if i >= places[pair, 5] else 0
            laid_out[i, 0] = pair * panel_step + half + pieces[p, 0]
            laid_out[i, 1], laid_out[i, 2] = n * channels * plane + pieces[p, 1], pieces[p, 2]
    for item in range(first, end):
        n0, chunk = item // chunks * block, item % chunks
        row_first, row_end = panels * chunk // chunks, panels * (chunk + 1) // chunks
        some, image = min(block, images - n0), n0 * channels * plane
        units, following = some * -(-count // lanes), image + some * channels * plane
        pairs, soon_at = -(-units // VECTORS), following
        share = -(-some * channels * plane // (pairs * (row_end - row_first)))  # of the next block, for each tile
        if packs:
            gather_compiled(
                packed, 0, width, source, image, plane, channels, step, laid_out, some * per_block
            )  # fmt: skip
        for panel in range(row_first, row_end):
            r, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
            r_next, rows_next = next_panel(cuts, panel, row_first, row_end, some)
            if spreads:
                for n in range(some):
                    for x in range(0, rows * target_plane, LINE_BYTES // target.itemsize):
                        fetch_to_write(target, ((n0 + n) * cuts[-1] + r) * target_plane + x)
            for pair in range(pairs):
                n, unit, n_gap, gap = places[pair, 0], places[pair, 1], places[pair, 2], places[pair, 3]
                if VECTORS * pair + 1 == units:  # the right one belongs to an image that is not there
                    n_gap, gap = 0, 0
                if packs:
                    b_at, b_gap = pair * panel_step, lanes if n_gap or gap else 0
                    piece = places[pair, 4] + panel - row_first
                    soon_at, soon_gap, soon_step = following, 0, 0
                    if piece < places[pair, 6]:
                        soon_at, soon_gap, soon_step = following + laid_out[piece, 1], lanes, plane
                else:
                    b_at, b_gap = image + n * channels * plane + unit, n_gap * channels * plane + gap
                    soon_at, soon_gap, soon_step = soon_at + share, 0, -(-share // channels)
                if spreads:
                    c_at, c_gap = n * count + unit, n_gap * count + gap
                    next_at, next_step = c_at, 0
                else:
                    c_at = ((n0 + n) * cuts[-1] + r) * target_plane + unit
                    c_gap = n_gap * cuts[-1] * target_plane + gap
                    next_at = ((n0 + n) * cuts[-1] + r_next) * target_plane + unit * rows_next
                    next_step = -(-rows_next * width // channels)
                tile_compiled(
                    rows, c, c_at, c_gap, c_step, a, r * channels, b, b_at, b_gap, b_step, channels, start, r,
                    source, soon_at, soon_gap, soon_step, next_at, next_step,
                )  # fmt: skip
            if spreads:
                _spread_planes_compiled(
                    target, (n0 * cuts[-1] + r) * target_plane, cuts[-1] * target_plane, target_plane, rows, some, sums,
                    pitch, count, starts, vectors,
                )  # fmt: skip


pixel_products_compiled = compiled(pixel_products)
