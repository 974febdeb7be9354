"""The compiled loops of `unpacked`: a group's lines of pixels are laid out once, and every tile of sums reads them."""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.unpacked_tiles import SUMS, lay_even, lay_every, sums_of_one_vector, sums_of_two_vectors
from reference.kernels.prefetch import LINE_BYTES, fetch, fetch_to_write
from reference.kernels.vectors import VECTOR_BYTES


def lay_lines(source, size, lines, numbers, planes, first, end):
    """Lay out channels first to end, counted through all images, the first of them at the start of `planes`.

    Args:
        source: flat, the images. size: (H, W). lines, numbers: see `unpacked_plan.Plan`. planes: flat, written; where
            rows lie apart all zero before.
    """
    stride, source_pitch, pitch, line, step, apart = numbers
    for channel in range(first, end):
        for i in range(lines.shape[0]):
            at, seen = (channel - first) * step + i * line, channel * size[0] * size[1] + lines[i, 1]
            to, rows, cells, low, high = at + lines[i, 0], lines[i, 2], lines[i, 3], lines[i, 4], lines[i, 5]
            if not apart:
                planes[at:to] = 0
                planes[to + rows * pitch : at + line] = 0
            if stride == 1:
                lay_every(planes, to, pitch, cells, source, seen, source_pitch, rows, low, high)
            elif stride == 2:
                lay_even(planes, to, pitch, cells, source, seen, source_pitch, rows, low, high)
            else:
                for y in range(rows):
                    planes[to + y * pitch : to + y * pitch + cells] = 0
                    for x in range(low, high):
                        planes[to + y * pitch + x] = source[seen + y * source_pitch + x * stride]
        if not apart:
            planes[(channel - first) * step + lines.shape[0] * line : (channel - first + 1) * step] = 0


lay_lines_compiled = compiled(lay_lines)


def sum_lines(
    weight, start, target, source, scratch, room, size, lines, numbers, taps, channels, shape, groups, blocks, part,
    first, end,
):  # fmt: skip
    """Write tiles first to end of the output, counted through (image, group, output channels, pixels).

    Args:
        weight: flat, (O, K). start: (O,), what each output channel starts from. target: flat, written. source: flat.
        scratch: (parts, room), to lay a group's lines out in; or nothing, and they are laid out in new memory.
        room: numbers of a group's lines; 0 where the source's own channels are the lines.
        size, lines, numbers, taps, channels, shape, groups, blocks: see `unpacked_plan.Plan`.
    """
    out_channels, pixels, columns = shape
    lanes, per_group, count = VECTOR_BYTES // target.itemsize, out_channels // groups, taps.shape[0]
    vectors = 1 if pixels <= lanes else 2
    tall, width, cache_line = SUMS // vectors, vectors * lanes, LINE_BYTES // target.itemsize
    panels = -(-per_group // tall)
    pitch, apart = numbers[2], numbers[5]
    gap = pitch if apart and columns < width else lanes
    planes, laid_out, origin = source, -1, 0
    if room:
        planes = scratch[part] if scratch.shape[0] else np.empty(room, target.dtype)
        if apart:
            planes[:room] = 0
    for unit in range(first, end):
        # Groups are counted through all images. All panels of weights pass by the same pixels, then by the next.
        panel, block, group = unit % panels, unit // panels % blocks, unit // (blocks * panels)
        if group != laid_out:
            if room:
                lay_lines_compiled(source, size, lines, numbers, planes, group * channels, (group + 1) * channels)
            else:
                origin = group * channels * pixels
            laid_out = group
        x = max(0, min(block * width, pixels - width))  # the last starts early, and does some pixels again
        row, rows = group % groups * per_group + panel * tall, min(tall, per_group - panel * tall)
        to = (group // groups * out_channels + row) * pixels + x
        seen = origin + x // columns * pitch + x % columns
        if (group + 1) * panels * blocks < end:  # what is laid out next, a share with every tile, and what is written now
            turn, read = unit % (panels * blocks), channels * size[0] * size[1]
            for ahead in range(read * turn // (panels * blocks), read * (turn + 1) // (panels * blocks), cache_line):
                fetch(source, (group + 1) * read + ahead)
            for r in range(rows):
                fetch_to_write(target, to + r * pixels)
                fetch_to_write(target, to + r * pixels + lanes)
        if vectors == 1:
            sums_of_one_vector(
                target, to, pixels, pixels - x, planes, seen, gap, taps, weight, row * count, count, rows, start, row
            )
        else:
            sums_of_two_vectors(
                target, to, pixels, pixels - x, planes, seen, gap, taps, weight, row * count, count, rows, start, row
            )


sum_lines_compiled = compiled(sum_lines)
