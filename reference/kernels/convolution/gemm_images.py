"""The compiled loop of `gemm` whose vector lanes are images.

Every pixel of 32 images (two vectors) is one row of W numbers, so a target pixel is a sum of whole rows under just
the taps that lie inside the image: nothing is multiplied by padding, and stride and dilation cost nothing. The
images are turned into rows when a block of them is first needed, 16 x 16 numbers at a time in registers, and the
sums are turned back when they are done.
"""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import transpose
from reference.kernels.convolution.gemm_tile import tile_compiled
from reference.kernels.vectors import VECTOR_BYTES


def rows_of_images(rows, step, source, source_at, image_step, images, count, ahead):
    """rows[x*step + n] = source[n*image_step + x] for `count` pixels x of up to W images n."""
    lanes = VECTOR_BYTES // rows.itemsize
    for half in range(0, images, lanes):
        some, at = min(lanes, images - half), source_at + half * image_step
        if count >= lanes:
            for x in range(0, count, lanes):
                x = min(x, count - lanes)  # the last step starts early, and writes some pixels again
                transpose(rows, x * step + half, step, source, at + x, image_step, some, ahead)
        else:
            for n in range(some):
                for x in range(count):
                    rows[x * step + half + n] = source[at + n * image_step + x]


def images_of_rows(target, target_at, image_step, rows, step, images, count):
    """target[n*image_step + x] = rows[x*step + n] for `count` pixels x of up to W images n."""
    lanes = VECTOR_BYTES // rows.itemsize
    for half in range(0, images, lanes):
        some, at = min(lanes, images - half), target_at + half * image_step
        if some == lanes and count >= lanes:
            for x in range(0, count, lanes):
                x = min(x, count - lanes)
                transpose(target, at + x, image_step, rows, x * step + half, step, lanes, 0)
        else:
            for n in range(some):
                for x in range(count):
                    target[at + n * image_step + x] = rows[x * step + half + n]


rows_of_images_compiled, images_of_rows_compiled = compiled(rows_of_images), compiled(images_of_rows)


def _runs(rows, row_items, cols, col_items, h0, h1, source_row, source_width, kernel_width, channels, runs, first):
    """The runs of channels under taps that each pixel of a block sees; `first` (pixels + 1,) says which are whose."""
    run, pixel = 0, 0
    first[0] = 0
    for h in range(h0, h1):
        for w in range(cols.shape[0] - 1):
            for i in range(rows[h], rows[h + 1]):
                for j in range(cols[w], cols[w + 1]):
                    runs[run, 0] = (row_items[i, 1] * kernel_width + col_items[j, 1]) * channels
                    runs[run, 1] = ((row_items[i, 0] - source_row) * source_width + col_items[j, 0]) * channels
                    runs[run, 2] = col_items[j, 2] * channels
                    run += 1
            pixel += 1
            first[pixel] = run


_runs_compiled = compiled(_runs)


def products_by_image(
    source, shape, target, target_shape, groups, a, cuts, start, rows, row_items, cols, col_items, taps, kernel_width,
    block_rows, at_once, scratch, part, first, end,
):  # fmt: skip
    """Write target pixels: a packed weight times the pixels that each sees.

    Args:
        source: flat. shape: (N, channels, H, W). target: flat, written. target_shape: (channels, H, W).
        groups: G. a: per group and `at_once` channels the packed weight, its sum ordered (tap, channel).
        cuts: its panels, `gemm_tile.row_cuts`. start: what each target channel starts from.
        rows, row_items, cols, col_items, kernel_width, block_rows, at_once: see `gemm_images_plan.ImagesPlan`.
        taps: T.
        scratch: `gemm_images_plan.ImagesPlan.scratch` numbers for each part.
        first, end: the units of work, some rows of some images each.
    """
    width = 2 * VECTOR_BYTES // source.itemsize
    images, channels, height, source_width = shape
    per_group, rows_a, size = channels // groups, cuts[-1], target_shape[1] * target_shape[2]
    blocks = -(-target_shape[1] // block_rows)
    sums_step = (rows_a | 1) * width  # never a power of two, of which the cache can hold few at a time
    in_sums = block_rows * target_shape[2] * sums_step
    sums, pixels = scratch[part, :in_sums], scratch[part, in_sums:]
    firsts = np.empty(block_rows * target_shape[2] + 1, np.int64)
    runs = np.empty((block_rows * target_shape[2] * taps, 3), np.int64)
    for unit in range(first, end):
        n0, h0 = unit // blocks * width, unit % blocks * block_rows
        n1, h1 = min(images, n0 + width), min(target_shape[1], h0 + block_rows)
        seen = row_items[rows[h0] : rows[h1], 0]
        s0, s1 = (seen.min(), seen.max() + 1) if seen.shape[0] else (0, 0)
        count = (s1 - s0) * source_width
        for g in range(groups):
            for c0 in range(0, per_group, at_once):
                some = min(at_once, per_group - c0)
                for c in range(some):
                    origin = ((n0 * channels + g * per_group + c0 + c) * height + s0) * source_width
                    rows_of_images_compiled(
                        pixels[c * width :], some * width, source, origin, channels * height * source_width, n1 - n0,
                        count, height * source_width,
                    )  # fmt: skip
                _runs_compiled(
                    rows, row_items, cols, col_items, h0, h1, s0, source_width, kernel_width, some, runs, firsts
                )
                for panel in range(cuts.shape[0] - 1):
                    r, high = cuts[panel], cuts[panel + 1] - cuts[panel]
                    a_at = (g * per_group + c0) * taps * rows_a + r * some * taps
                    for pixel in range((h1 - h0) * target_shape[2]):
                        tile_compiled(
                            high, sums, pixel * sums_step + r * width, width // 2, width, a, a_at, pixels, 0,
                            runs, firsts[pixel], firsts[pixel + 1] - firsts[pixel], start, g * rows_a + r, c0 > 0,
                        )  # fmt: skip
            for r in range(rows_a):
                channel = g * rows_a + r
                at = (n0 * target_shape[0] + channel) * size + h0 * target_shape[2]
                images_of_rows_compiled(
                    target, at, target_shape[0] * size, sums[r * width :], sums_step, n1 - n0,
                    (h1 - h0) * target_shape[2],
                )  # fmt: skip


products_by_image_compiled = compiled(products_by_image)
