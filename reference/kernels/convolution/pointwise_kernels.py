"""The compiled loop of `pointwise` for the output and the gradient of the input."""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import move, move_even
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS
from reference.kernels.convolution.pointwise_plan import EVERY_OTHER
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
    source, target, start, images, channels, plane, target_plane, a, cuts, units, firsts, pieces, step, packs,
    spreads, starts, vectors, count, block, chunks, past, scratch, part, first, end,
):  # fmt: skip
    """Write target images: a packed weight times the pixels that are used of each source image.

    Args:
        source: flat (N, channels, plane). target: flat (N, R, target_plane), all of it written.
        start: what each row starts from. a, cuts: the packed weight and where its panels of the R rows start.
        units, firsts, pieces, count: see `pointwise_plan.Pixels`. step: columns between used pixels of the source.
        packs: whether units are packed, or read where they lie.
        spreads: whether sums are spread over the target as `starts` and `vectors` say, or are the target.
        block: images at a time. chunks: parts of the R rows. past: whether the target is written past the caches.
        scratch: (parts, numbers): a block's panels if it packs, HEIGHTS[0] rows of its sums if it spreads.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width, rows_all, per_image, per_block = VECTORS * lanes, cuts[-1], units.shape[0], pieces.shape[0]
    panel_step = width * channels + lanes  # a vector is spilled at a panel's end
    in_panels = (block * per_image + 1) // 2 * panel_step if packs else 0
    panels, sums = scratch[part, :in_panels], scratch[part, in_panels:]
    pitch = block * count + lanes
    b, c = panels if packs else source, sums if spreads else target
    b_step, c_step = width if packs else plane, pitch if spreads else target_plane
    laid_out = np.empty((block * per_block if packs else 0, 3), np.int64)
    if packs:
        for n in range(block):
            for u in range(per_image):
                pair, half = divmod(n * per_image + u, VECTORS)
                for p in range(firsts[u], firsts[u + 1]):
                    i = n * per_block + p
                    laid_out[i, 0] = pair * panel_step + half * lanes + pieces[p, 0]
                    laid_out[i, 1], laid_out[i, 2] = n * channels * plane + pieces[p, 1], pieces[p, 2]
    for item in range(first, end):
        n0, chunk, parts = item // chunks * block, item % chunks, cuts.shape[0] - 1
        row_first, row_end = parts * chunk // chunks, parts * (chunk + 1) // chunks
        some, image = min(block, images - n0), n0 * channels * plane
        next_block = image + block * channels * plane
        if packs:
            gather_compiled(
                panels, 0, width, source, image, plane, channels, step, laid_out, some * per_block
            )  # fmt: skip
        for panel in range(row_first, row_end):
            r, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
            if spreads:
                for n in range(some):
                    for x in range(0, rows * target_plane, LINE_BYTES // target.itemsize):
                        fetch_to_write(target, ((n0 + n) * rows_all + r) * target_plane + x)
            for pair in range((some * per_image + 1) // 2):
                left, right = 2 * pair, min(2 * pair + 1, some * per_image - 1)
                (n_left, u_left), (n_right, u_right) = divmod(left, per_image), divmod(right, per_image)
                left_seen = n_left * channels * plane + units[u_left]
                right_seen = n_right * channels * plane + units[u_right]
                # What the next block will need here is fetched while this one's first panels are computed.
                ask_at, ask_gap, ask_step = next_block + left_seen, right_seen - left_seen, plane
                b_at, b_gap = image + left_seen, right_seen - left_seen
                if packs:
                    piece = n_left * per_block + firsts[u_left] + panel - row_first
                    if piece < n_right * per_block + firsts[u_right + 1]:
                        ask_at, ask_gap = next_block + laid_out[piece, 1], lanes
                    else:
                        ask_step = 0
                    b_at, b_gap = pair * panel_step, lanes if right > left else 0
                elif pair % (row_end - row_first) != panel - row_first:  # each in its turn
                    ask_step = 0
                if spreads:
                    c_at, c_gap = n_left * count + units[u_left], n_right * count + units[u_right]
                    next_at = c_at
                else:
                    c_at = ((n0 + n_left) * rows_all + r) * target_plane + units[u_left]
                    c_gap = ((n0 + n_right) * rows_all + r) * target_plane + units[u_right]
                    # Two tiles further on in this panel, or in the next, which memory has time to fetch.
                    later, r_later = left + 2 * VECTORS, r
                    if later >= some * per_image:
                        later, r_later = min(later - some * per_image, some * per_image - 1), r + rows
                    n_later, u_later = divmod(later, per_image)
                    next_at = ((n0 + n_later) * rows_all + r_later) * target_plane + units[u_later]
                tile_compiled(
                    rows, c, c_at, c_gap - c_at, c_step, a, r * channels, b, b_at, b_gap, b_step, channels, start, r,
                    source, ask_at, ask_gap, ask_step, next_at, past,
                )  # fmt: skip
            if spreads:
                _spread_planes_compiled(
                    target, (n0 * rows_all + r) * target_plane, rows_all * target_plane, target_plane, rows, some, sums,
                    pitch, count, starts, vectors,
                )  # fmt: skip


pixel_products_compiled = compiled(pixel_products)
