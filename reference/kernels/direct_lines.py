"""The compiled loops of `direct`: sums and products of lines of pixels, straight from and to the images.

The target's pixels are one line, row after row. What a tap sees of that line is a line as well, once the source is
laid out so: for every column of the kernel a copy of the image in which each target pixel's column stands where the
target pixel does, inside its zeros. A tap's row is then a shift by whole rows, and vectors run over the ends of rows
without losing a lane. Two tiles do all the arithmetic:

    sums_tile:     out[r, x] = start[r] + sum over taps t of  weight[t, r] * source[offset[t] + x]
    products_tile: total[r, t] += sum over x of  grad[r, x] * source[offset[t] + x]

Both keep their results in vector registers while the sum runs. Each is written in numpy, which says what it means and
runs under `NUMBA_DISABLE_JIT=1`, and as LLVM vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

# Target channels of a `sums_tile`, two vectors of each: the tallest leaves registers for the operands.
HEIGHTS = (8, 6, 4, 3, 2, 1) if VECTOR_BYTES == 64 else (6, 4, 3, 2, 1)


def _plain_sums_tile(rows: int):
    def sums_tile(out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at):
        count = min(count, 2 * VECTOR_BYTES // out.itemsize)
        for r in range(rows):
            total = np.full(count, start[start_at + r], out.dtype)
            for t, offset in enumerate(taps):
                at = source_at + offset
                total += weights[weight_at + t * rows + r] * source[at : at + count]
            out[out_at + r * out_step : out_at + r * out_step + count] = total

    return sums_tile


def _compiled_sums_tile(rows: int):
    @intrinsic
    def sums_tile(
        typingctx, out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at
    ):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out_at, out_step, count, source_at, weight_at, start_at = (args[i] for i in (1, 2, 3, 5, 8, 10))
            taps_count = builder.extract_value(builder.extract_value(args[6], 5), 0)
            out, source, taps, weights, start = (v.pointer(signature.args[i], args[i]) for i in (0, 4, 6, 7, 9))

            def number(value):
                return context.get_constant(types.intp, value)

            lanes = number(v.lanes)
            rows_at = [builder.add(out_at, builder.mul(out_step, number(r))) for r in range(rows)]

            def tap(t, totals):
                offset = builder.load(v.address(taps, t))
                weight_here = builder.add(weight_at, builder.mul(t, number(rows)))
                seen = [v.load(source, source_at, offset), v.load(source, source_at, offset, lanes)]
                results = []
                for r in range(rows):
                    weight = v.splat(weights, weight_here, number(r))
                    results += [v.multiply_add(totals[2 * r + i], weight, seen[i]) for i in range(2)]
                return results

            starts = [v.splat(start, start_at, number(r)) for r in range(rows) for _ in range(2)]
            totals = v.loop(number(0), taps_count, number(1), starts, tap)
            with builder.if_else(builder.icmp_signed(">=", count, number(2 * v.lanes))) as (whole, otherwise):
                with whole:
                    for r, row in enumerate(rows_at):
                        v.store(totals[2 * r], out, row)
                        v.store(totals[2 * r + 1], out, row, lanes)
                with otherwise:
                    masks = v.lanes_in(number(0), count), v.lanes_in(number(0), builder.sub(count, lanes))
                    for r, row in enumerate(rows_at):
                        v.masked_store(masks[0], totals[2 * r], out, row)
                        v.masked_store(masks[1], totals[2 * r + 1], out, row, lanes)
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, n, source, n, taps, weights, n, start, n), codegen

    return sums_tile


def _plain_products_tile(rows: int, taps: int):
    def products_tile(total, total_at, total_step, grad, grad_at, grad_step, count, source, source_at, offsets, first):
        lanes = VECTOR_BYTES // grad.itemsize
        for r in range(rows):
            row = grad[grad_at + r * grad_step :][:count]
            for t in range(taps):
                products = row * source[source_at + offsets[first + t] :][:count]
                at = total_at + r * total_step + t * lanes
                for i in range(0, count, lanes):
                    some = products[i : i + lanes]
                    total[at : at + len(some)] += some

    return products_tile


def _compiled_products_tile(rows: int, taps: int):
    @intrinsic
    def products_tile(
        typingctx, total, total_at, total_step, grad, grad_at, grad_step, count, source, source_at, offsets, first
    ):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            total_at, total_step, grad_at, grad_step, count, source_at, first = (
                args[i] for i in (1, 2, 4, 5, 6, 8, 10)
            )
            total, grad, source, offsets = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 7, 9))

            def number(value):
                return context.get_constant(types.intp, value)

            grad_rows = [builder.add(grad_at, builder.mul(grad_step, number(r))) for r in range(rows)]
            total_rows = [builder.add(total_at, builder.mul(total_step, number(r))) for r in range(rows)]
            seen_rows = [
                builder.add(source_at, builder.load(v.address(offsets, first, number(t)))) for t in range(taps)
            ]
            lanes = number(v.lanes)
            rest = builder.srem(count, lanes)
            whole, mask = builder.sub(count, rest), v.lanes_in(number(0), rest)

            def add(totals, load, i):
                seen, results = [load(source, row, i) for row in seen_rows], []
                for r in range(rows):
                    upstream = load(grad, grad_rows[r], i)
                    results += [v.multiply_add(totals[r * taps + t], upstream, seen[t]) for t in range(taps)]
                return results

            totals = [v.load(total, row, number(t * v.lanes)) for row in total_rows for t in range(taps)]
            totals = v.loop(number(0), whole, lanes, totals, lambda i, running: add(running, v.load, i))
            # The rest is less than a vector: one more round, or none.
            totals = v.loop(
                whole, count, lanes, totals,
                lambda i, running: add(running, lambda *place: v.masked_load(mask, *place), i),
            )  # fmt: skip
            for r, row in enumerate(total_rows):
                for t in range(taps):
                    v.store(totals[r * taps + t], total, row, number(t * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(total, n, n, grad, n, n, n, source, n, offsets, n), codegen

    return products_tile


def _plain_copy(out, out_at, source, source_at, count):
    out[out_at : out_at + count] = source[source_at : source_at + count]


@intrinsic
def _compiled_copy(typingctx, out, out_at, source, source_at, count):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 2))
        out_at, source_at, count = (args[i] for i in (1, 3, 4))
        if VECTOR_BYTES < 64:
            to, place = v.address(out, out_at), v.address(source, source_at)
            cgutils.raw_memcpy(builder, to, place, count, v.align)
            return context.get_dummy_value()
        lanes = context.get_constant(types.intp, v.lanes)
        rest = builder.srem(count, lanes)
        whole, mask = builder.sub(count, rest), v.lanes_in(context.get_constant(types.intp, 0), rest)

        def vector(i, _):
            v.store(v.load(source, source_at, i), out, out_at, i)
            return []

        v.loop(context.get_constant(types.intp, 0), whole, lanes, [], vector)
        v.masked_store(mask, v.masked_load(mask, source, source_at, whole), out, out_at, whole)
        return context.get_dummy_value()

    return types.void(out, types.intp, source, types.intp, types.intp), codegen


copy = _plain_copy if numba.config.DISABLE_JIT else _compiled_copy
_sums_tile = _plain_sums_tile if numba.config.DISABLE_JIT else _compiled_sums_tile
_products_tile = _plain_products_tile if numba.config.DISABLE_JIT else _compiled_products_tile
_sums_8, _sums_6, _sums_4, _sums_3, _sums_2, _sums_1 = (_sums_tile(rows) for rows in (8, 6, 4, 3, 2, 1))
_products_4_6, _products_2_6, _products_1_6 = (_products_tile(rows, 6) for rows in (4, 2, 1))
_products_4_3, _products_2_3, _products_1_3 = (_products_tile(rows, 3) for rows in (4, 2, 1))
_products_4_1, _products_2_1, _products_1_1 = (_products_tile(rows, 1) for rows in (4, 2, 1))


def _fill_lines(source, n, lines, numbers, planes):
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
                    copy(planes, cell + left, pixels, pixel + right, count - left - right)
                for x in range(cell, cell + left):
                    for q in range(row_end - row_first):
                        planes[x + q * cols] = 0
                for x in range(cell + cols - right, cell + cols):
                    for q in range(row_end - row_first):
                        planes[x + q * cols] = 0
                continue
            for q in range(row_first, row_end):
                pixel = ((n * channels + c) * height + q * stride_h + up) * width + first * stride_w + across
                cell = (c * lines.shape[0] + i) * plane + q * cols + first
                if stride_w == 1:
                    if end > first:
                        copy(planes, cell, pixels, pixel, end - first)
                else:
                    for x in range(end - first):
                        planes[cell + x] = pixels[pixel + x * stride_w]


_fill_lines_compiled = compiled(_fill_lines)


def _new_planes(count, like):
    """Zeros that start on a vector's boundary, with a tile's width more than `count`."""
    lanes = VECTOR_BYTES // like.itemsize
    planes = np.zeros(count + 3 * lanes, like.dtype)
    return planes[-planes.ctypes.data % VECTOR_BYTES // like.itemsize :]


_new_planes_compiled = compiled(_new_planes)


def line_sums(source, lines, numbers, weights, taps, cuts, start, target, chunks, first, end):
    """Write target images: each pixel is a sum over taps of weights times what they see in the source.

    Args:
        source: (N, C, H, W). lines, numbers: how its lines are laid out, see `direct_lines_plan.Lines`.
        weights: (G*R*K,) per group and panel of its R target channels, tap by tap.
        taps: (K,) where each tap starts in a group's lines. cuts: where the panels of R start, and R.
        start: (G*R,) what each target channel starts from.
        target: (N, G*R, TH, TW), all of it written.
        chunks: parts of the target channels. first, end: the units of work to do, image * chunks + part.
    """
    width = 2 * VECTOR_BYTES // source.itemsize
    rows, parts = cuts[-1], cuts.shape[0] - 1
    groups, pixels = start.shape[0] // rows, target.shape[2] * target.shape[3]
    per_group = source.shape[1] // groups * lines.shape[0] * numbers[5]
    planes = _new_planes_compiled(groups * per_group, source)
    flat, filled = target.reshape(-1), -1
    for unit in range(first, end):
        n, chunk = unit // chunks, unit % chunks
        if n != filled:
            _fill_lines_compiled(source, n, lines, numbers, planes)
            filled = n
        for g in range(groups):
            for panel in range(parts * chunk // chunks, parts * (chunk + 1) // chunks):
                size, o = cuts[panel + 1] - cuts[panel], g * rows + cuts[panel]
                w, to = o * taps.shape[0], (n * start.shape[0] + o) * pixels
                for x in range(0, pixels, width):
                    at, left = g * per_group + x, pixels - x
                    if size == 8:
                        _sums_8(flat, to + x, pixels, left, planes, at, taps, weights, w, start, o)
                    elif size == 6:
                        _sums_6(flat, to + x, pixels, left, planes, at, taps, weights, w, start, o)
                    elif size == 4:
                        _sums_4(flat, to + x, pixels, left, planes, at, taps, weights, w, start, o)
                    elif size == 3:
                        _sums_3(flat, to + x, pixels, left, planes, at, taps, weights, w, start, o)
                    elif size == 2:
                        _sums_2(flat, to + x, pixels, left, planes, at, taps, weights, w, start, o)
                    else:
                        _sums_1(flat, to + x, pixels, left, planes, at, taps, weights, w, start, o)


def line_products(grad, source, lines, numbers, taps, totals, part, first, end):
    """Add to `totals[part]` the products of every output pixel with what every tap sees of it.

    Args:
        grad: (N, O, OH, OW). source, lines, numbers, taps: as in `line_sums`.
        totals: (parts, G, O/G, K, lanes), one partial sum per vector lane; the caller adds the lanes.
        first, end: the images to do.
    """
    _, groups, channels, count, lanes = totals.shape
    pixels, step = grad.shape[2] * grad.shape[3], count * lanes
    per_group = source.shape[1] // groups * lines.shape[0] * numbers[5]
    planes = _new_planes_compiled(groups * per_group, source)
    flat, grads = totals[part].reshape(-1), grad.reshape(-1)
    for n in range(first, end):
        _fill_lines_compiled(source, n, lines, numbers, planes)
        for g in range(groups):
            at, r = g * per_group, 0
            while r < channels:
                rows = 4 if channels - r >= 4 else 2 if channels - r >= 2 else 1
                o = g * channels + r
                row, t = (n * groups * channels + o) * pixels, 0
                while t < count:
                    size, to = 6 if count - t >= 6 else 3 if count - t >= 3 else 1, (o * count + t) * lanes
                    if rows == 4 and size == 6:
                        _products_4_6(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif rows == 4 and size == 3:
                        _products_4_3(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif rows == 4:
                        _products_4_1(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif rows == 2 and size == 6:
                        _products_2_6(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif rows == 2 and size == 3:
                        _products_2_3(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif rows == 2:
                        _products_2_1(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif size == 6:
                        _products_1_6(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    elif size == 3:
                        _products_1_3(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    else:
                        _products_1_1(flat, to, step, grads, row, pixels, pixels, planes, at, taps, t)
                    t += size
                r += rows


line_sums_compiled = compiled(line_sums)
line_products_compiled = compiled(line_products)
