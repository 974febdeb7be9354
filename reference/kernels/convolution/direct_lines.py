"""The compiled loops of `direct` over lines of pixels, straight from and to the images.

The target's pixels are one line, row after row. What a tap sees of that line is a line as well, once the source is
laid out so: for every column of the kernel a copy of the image in which each target pixel's column stands where the
target pixel does, inside its zeros. A tap's row is then a shift by whole rows, and vectors run over the ends of rows
without losing a lane. `line_sums` adds the lines up (`direct_tile`), `direct_products` multiplies them.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.direct_tile import sums_tile_compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors


def _plain_copy_rows(out, out_at, out_step, source, source_at, source_step, count, rows):
    for row in range(rows):
        to, at = out_at + row * out_step, source_at + row * source_step
        out[to : to + count] = source[at : at + count]


@intrinsic
def _compiled_copy_rows(typingctx, out, out_at, out_step, source, source_at, source_step, count, rows):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 3))
        out_at, out_step, source_at, source_step, count, rows = (args[i] for i in (1, 2, 4, 5, 6, 7))
        zero, one, lanes = (context.get_constant(types.intp, number) for number in (0, 1, v.lanes))
        rest = builder.srem(count, lanes)
        whole, mask = builder.sub(count, rest), v.lanes_in(zero, rest)

        def row(r, _):
            to = builder.add(out_at, builder.mul(r, out_step))
            at = builder.add(source_at, builder.mul(r, source_step))
            if VECTOR_BYTES < 64:
                cgutils.raw_memcpy(builder, v.address(out, to), v.address(source, at), count, v.align)
                return []

            def vector(i, _):
                v.store(v.load(source, at, i), out, to, i)
                return []

            v.loop(zero, whole, lanes, [], vector)
            v.masked_store(mask, v.masked_load(mask, source, at, whole), out, to, whole)
            return []

        v.loop(zero, rows, one, [], row)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, n, source, n, n, n, n), codegen


# copy_rows: out[out_at + r*out_step + x] = source[source_at + r*source_step + x] for all x < count, r < rows
copy_rows = _plain_copy_rows if numba.config.DISABLE_JIT else _compiled_copy_rows


def fill_lines(source, n, lines, numbers, planes):
    """Lay image n of (N, C, H, W) out in its lines; cells that see no pixel are left as they are, zero."""
    stride_h, stride_w, corner, rows, cols, plane = numbers
    _, channels, height, width = source.shape
    pixels = source.reshape(-1)
    for i in range(lines.shape[0]):
        # Row q of the line is source row q*stride_h + up, its column x source column x*stride_w + across.
        up, across = lines[i, 0] + corner, lines[i, 1]
        row_first, row_end = max(0, -(up // stride_h)), min(rows, (height - 1 - up) // stride_h + 1)
        first, end = max(0, -(across // stride_w)), min(cols, (width - 1 - across) // stride_w + 1)
        whole = stride_h == stride_w == 1 and cols == width and first < end
        for c in range(channels):
            if whole:
                # All rows in one piece; what ran over the end of a row is zero again.
                cell = (c * lines.shape[0] + i) * plane + row_first * cols
                pixel = ((n * channels + c) * height + row_first + up) * width
                right, left, count = max(0, across), max(0, -across), (row_end - row_first) * cols
                if count > 0:
                    copy_rows(planes, cell + left, 0, pixels, pixel + right, 0, count - left - right, 1)
                for x in range(cell, cell + left):
                    for q in range(row_end - row_first):
                        planes[x + q * cols] = 0
                for x in range(cell + cols - right, cell + cols):
                    for q in range(row_end - row_first):
                        planes[x + q * cols] = 0
                continue
            if stride_w == 1:
                pixel = ((n * channels + c) * height + row_first * stride_h + up) * width + first + across
                cell = (c * lines.shape[0] + i) * plane + row_first * cols + first
                if end > first:
                    copy_rows(
                        planes, cell, cols, pixels, pixel, stride_h * width, end - first, row_end - row_first
                    )  # fmt: skip
                continue
            for q in range(row_first, row_end):
                pixel = ((n * channels + c) * height + q * stride_h + up) * width + first * stride_w + across
                cell = (c * lines.shape[0] + i) * plane + q * cols + first
                for x in range(end - first):
                    planes[cell + x] = pixels[pixel + x * stride_w]


fill_lines_compiled = compiled(fill_lines)


def new_planes(count, like):
    """Zeros that start on a vector's boundary, with a tile's width more than `count`."""
    lanes = VECTOR_BYTES // like.itemsize
    planes = np.zeros(count + 3 * lanes, like.dtype)
    return planes[-planes.ctypes.data % VECTOR_BYTES // like.itemsize :]


new_planes_compiled = compiled(new_planes)


def line_sums(source, weight, start, target, lines, numbers, order, taps, cuts, chunks, first, end):
    """Write target images: each pixel is a sum over taps of weights times what they see in the source.

    Args:
        source: (N, C, H, W). weight: flat, the layer's own.
        start: (G*R,) what each target channel starts from.
        target: (N, G*R, TH, TW), all of it written.
        lines, numbers: how the source's lines are laid out, see `direct_lines_plan.Lines`.
        order: (G*R*K,) the weight's numbers per group and panel of its R target channels, tap by tap.
        taps: (K,) where each tap starts in a group's lines. cuts: where the panels of R start, and R.
        chunks: parts of the target channels. first, end: the units of work to do, image * chunks + part.
    """
    width = 2 * VECTOR_BYTES // source.itemsize
    rows, parts = cuts[-1], cuts.shape[0] - 1
    groups, pixels = start.shape[0] // rows, target.shape[2] * target.shape[3]
    per_group = source.shape[1] // groups * lines.shape[0] * numbers[5]
    planes = new_planes_compiled(groups * per_group, source)
    weights = np.empty(order.shape[0], source.dtype)
    for i in range(order.shape[0]):
        weights[i] = weight[order[i]]
    flat, filled = target.reshape(-1), -1
    for unit in range(first, end):
        n, chunk = unit // chunks, unit % chunks
        if n != filled:
            fill_lines_compiled(source, n, lines, numbers, planes)
            filled = n
        for g in range(groups):
            for panel in range(parts * chunk // chunks, parts * (chunk + 1) // chunks):
                size, o = cuts[panel + 1] - cuts[panel], g * rows + cuts[panel]
                w, to = o * taps.shape[0], (n * start.shape[0] + o) * pixels
                for x in range(0, pixels, width):
                    at, left = g * per_group + x, pixels - x
                    sums_tile_compiled(
                        size, flat, to + x, pixels, left, planes, at, taps, weights, w, start, o
                    )  # fmt: skip


line_sums_compiled = compiled(line_sums)
