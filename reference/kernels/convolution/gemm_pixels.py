"""The compiled loops of `gemm`: blocks of windows are packed, multiplied while they are in the cache, written once."""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import fill_panel_compiled, fill_planes_compiled, move
from reference.kernels.convolution.gemm_tile import HEIGHTS, tile_compiled
from reference.kernels.vectors import VECTOR_BYTES


def _block_of(index, images, rows, block):
    """The images n0 to n1 and rows y0 to y1 of block `index`."""
    per_image = -(-rows // block[1])
    n0, y0 = index // per_image * block[0], index % per_image * block[1]
    return n0, min(images, n0 + block[0]), y0, min(rows, y0 + block[1])


_block_compiled = compiled(_block_of)


def _pieces(width, lanes, images, rows, cols, image_step, pitch, pieces, at, seen):
    """Cut the windows of a block into pieces that lie side by side in the planes and fit a vector and a panel.

    Args:
        images, rows, cols: of the block. image_step, pitch: numbers between images and rows of the planes.
        pieces: (panels,), written: how many. at, seen: (panels, W), written: where in the panel, in the planes.
    """
    run, runs = (rows * cols, 1) if pitch == cols else (cols, rows)
    pieces[:] = 0
    column = 0
    for n in range(images):
        for r in range(runs):
            x = 0
            while x < run:
                panel, inside = divmod(column, width)
                at[panel, pieces[panel]] = inside
                seen[panel, pieces[panel]] = n * image_step + r * pitch + x
                pieces[panel] += 1
                length = min(lanes, run - x, width - inside)
                x += length
                column += length


def _places(target, image_size, shape, n0, n1, y0, y1, places):
    """Where in the target each of a block's pixels lies, in its first channel."""
    row_0, row_step, column_0, column_step, _, cols = target
    column = 0
    for n in range(n0, n1):
        for y in range(y0, y1):
            row = n * image_size + (row_0 + y * row_step) * shape[1] + column_0
            for q in range(cols):
                places[column] = row + q * column_step
                column += 1
    return column


_pieces_compiled, _places_compiled = compiled(_pieces), compiled(_places)


def gathered_products(
    source, shape, target, target_shape, groups, a, cuts, start, cells, phases, seen, plane, taps, block, at_once,
    chunks, scratch, part, first, end,
):  # fmt: skip
    """Write target pixels of one phase: a packed weight times the panels of what they see.

    Args:
        source: flat. shape: (N, channels, H, W). target: flat, written. target_shape: (channels, H, W).
        groups: G. a: per group the packed weight (channels of the target x K). cuts: its panels, `row_cuts`.
        start: what each target channel starts from.
        cells, phases, seen, plane, taps, block, at_once: see `gemm_pixels_plan.Gather`.
        chunks: parts of a block's target channels. scratch: `gemm_pixels_plan.Gather.scratch` numbers for each part.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes = VECTOR_BYTES // source.itemsize
    width = 2 * lanes
    images, channels, height, pixels_w = shape
    per_group, rows_a = channels // groups, cuts[-1]
    count, size = per_group * taps.shape[0], target_shape[1] * target_shape[2]
    most = -(-block[0] * block[1] * cells[5] // width)
    in_panels = most * width * at_once * taps.shape[0] + lanes
    panels, planes = scratch[part, :in_panels], scratch[part, in_panels:]
    image_step = at_once * plane
    pieces = np.empty(most, np.int64)
    at, places_seen = np.empty((most, width), np.int64), np.empty((most, width), np.int64)
    places = np.empty(most * width, np.int64)
    runs = np.zeros((1, 3), np.int64)
    sums = np.empty(HEIGHTS[0] * width, source.dtype)
    for unit in range(first, end):
        n0, n1, y0, y1 = _block_compiled(unit // chunks, images, cells[4], block)
        chunk, parts = unit % chunks, cuts.shape[0] - 1
        row_first, row_end = parts * chunk // chunks, parts * (chunk + 1) // chunks
        _pieces_compiled(width, lanes, n1 - n0, y1 - y0, cells[5], image_step, seen[5], pieces, at, places_seen)
        used = _places_compiled(cells, target_shape[0] * size, target_shape[1:], n0, n1, y0, y1, places)
        for g in range(groups):
            for c0 in range(0, per_group, at_once):
                some = min(at_once, per_group - c0)
                k = some * taps.shape[0]
                runs[0, 2] = k
                origin = ((n0 * channels + g * per_group + c0) * height) * pixels_w
                fill_planes_compiled(
                    planes, image_step, plane, source, origin, channels * height * pixels_w,
                    (some, height, pixels_w), phases, seen, y0, n1 - n0,
                )  # fmt: skip
                for p in range(-(-used // width)):
                    fill_panel_compiled(
                        panels, p * width * k, planes, some, plane, taps, pieces[p], at[p], places_seen[p]
                    )
                for panel in range(row_first, row_end):
                    r, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
                    a_at = g * rows_a * count + r * count + c0 * taps.shape[0] * rows
                    channel = g * rows_a + r
                    for p in range(-(-used // width)):
                        x, mid = p * width, p * width + lanes
                        left = mid <= used and places[mid - 1] - places[x] == lanes - 1
                        right = mid + lanes <= used and places[mid + lanes - 1] - places[mid] == lanes - 1
                        if left and right:
                            tile_compiled(
                                rows, target, places[x] + channel * size, places[mid] - places[x], size,
                                a, a_at, panels, x * k, runs, 0, 1, start, channel, c0 > 0,
                            )  # fmt: skip
                        else:
                            last = min(used, x + width) - x
                            if c0 > 0:
                                for i in range(rows):
                                    for j in range(last):
                                        sums[i * width + j] = target[places[x + j] + (channel + i) * size]
                            tile_compiled(
                                rows, sums, 0, lanes, width, a, a_at, panels, x * k, runs, 0, 1, start, channel, c0 > 0
                            )
                            for i in range(rows):
                                row = (channel + i) * size
                                if left:
                                    move(target, places[x] + row, sums, i * width)
                                elif right:
                                    move(target, places[mid] + row, sums, i * width + lanes)
                                for j in range(lanes if left else 0, min(last, lanes) if right else last):
                                    target[places[x + j] + row] = sums[i * width + j]


gathered_products_compiled = compiled(gathered_products)
