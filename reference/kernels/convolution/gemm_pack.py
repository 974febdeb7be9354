"""Moves between images and the packed panels of `gemm`, a vector register at a time.

An image's pixels are first laid out in planes: the part of the image that a block of windows sees, inside its
zeros, and split by stride, so that what one tap sees from neighbouring windows lies side by side. From planes a
panel is filled with whole vectors, in rising order: where a row of windows is shorter than a vector, the vector's
spare numbers land where the next vector is written.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors


def _plain_move(out, out_at, source, source_at):
    lanes = VECTOR_BYTES // out.itemsize
    out[out_at : out_at + lanes] = source[source_at : source_at + lanes]


@intrinsic
def _compiled_move(typingctx, out, out_at, source, source_at):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 2))
        v.store(v.load(source, args[3]), out, args[1])
        return context.get_dummy_value()

    return types.void(out, types.intp, source, types.intp), codegen


def _plain_move_even(out, out_at, source, source_at):
    lanes = VECTOR_BYTES // out.itemsize
    out[out_at : out_at + lanes] = source[source_at : source_at + 2 * lanes - 1 : 2]


@intrinsic
def _compiled_move_even(typingctx, out, out_at, source, source_at):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 2))
        # The second load starts one number early, so that none past the last wanted one is read.
        low, high = v.load(source, args[3]), v.load(source, args[3], context.get_constant(types.intp, v.lanes - 1))
        wanted = [*range(0, v.lanes, 2), *range(v.lanes + 1, 2 * v.lanes, 2)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), wanted)
        v.store(builder.shuffle_vector(low, high, mask), out, args[1])
        return context.get_dummy_value()

    return types.void(out, types.intp, source, types.intp), codegen


def _plain_transpose(out, out_at, out_step, source, source_at, source_step, rows, ahead):
    lanes = VECTOR_BYTES // out.itemsize
    for j in range(lanes):  # in the order of memory, since the spare numbers of one vector are overwritten by the next
        for i in range(lanes):
            out[out_at + j * out_step + i] = source[source_at + min(i, rows - 1) * source_step + j]


@intrinsic
def _compiled_transpose(typingctx, out, out_at, out_step, source, source_at, source_step, rows, ahead):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, out_at, out_step, source, source_at, source_step, rows, ahead = args
        out, source = v.pointer(signature.args[0], out), v.pointer(signature.args[3], source)

        def number(value):
            return context.get_constant(types.intp, value)

        last = builder.sub(rows, number(1))
        vectors = []
        for i in range(v.lanes):
            row = builder.select(builder.icmp_signed("<", number(i), last), number(i), last)
            vectors.append(v.load(source, source_at, builder.mul(row, source_step)))
            v.prefetch(source, source_at, builder.mul(row, source_step), ahead)
        # Exchange the off-diagonal blocks of sizes 1, 2, 4, ... : each lane j of row i ends as lane i of row j.
        size = 1
        indices = ir.VectorType(ir.IntType(32), v.lanes)
        while size < v.lanes:
            upper = [j if not j & size else v.lanes + j - size for j in range(v.lanes)]
            lower = [j + size if not j & size else v.lanes + j for j in range(v.lanes)]
            for i in range(v.lanes):
                if not i & size:
                    a, b = vectors[i], vectors[i + size]
                    vectors[i] = builder.shuffle_vector(a, b, ir.Constant(indices, upper))
                    vectors[i + size] = builder.shuffle_vector(a, b, ir.Constant(indices, lower))
            size *= 2
        for j, vector in enumerate(vectors):
            v.store(vector, out, out_at, builder.mul(out_step, number(j)))
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, n, source, n, n, n, n), codegen


_plain = numba.config.DISABLE_JIT
# move: a vector. move_even: every other number of two vectors.
# transpose: out[j, i] = source[min(i, rows - 1), j] for all lanes i, j; asks for the numbers
# `ahead` of the source, since its rows are too many streams for a processor to foresee.
move = _plain_move if _plain else _compiled_move
move_even = _plain_move_even if _plain else _compiled_move_even
transpose = _plain_transpose if _plain else _compiled_transpose


def fill_row(planes, at, count, source, source_at, step, first, end):
    """Write `count` cells from `at`: zeros, but for cells first to end, which see pixels `step` apart.

    Writes up to a vector past the last cell. source_at: where the pixel of cell 0 would lie.
    """
    lanes = VECTOR_BYTES // planes.itemsize
    for q in range(first):
        planes[at + q] = 0
    q = first
    if step == 1:
        while q < end and source_at + q + lanes <= source.shape[0]:
            move(planes, at + q, source, source_at + q)
            q += lanes
    elif step == 2:
        while q < end and source_at + 2 * (q + lanes) - 1 <= source.shape[0]:
            move_even(planes, at + q, source, source_at + 2 * q)
            q += lanes
    while q < end:
        planes[at + q] = source[source_at + q * step]
        q += 1
    for q in range(max(first, end), count):
        planes[at + q] = 0


def cells(size, count, step, shift):
    """The range of cells q in range(count) with 0 <= q*step + shift < size; empty ranges start and end at 0."""
    first = max(0, -(shift // step))
    end = min(count, (size - 1 - shift) // step + 1)
    return (first, end) if first < end else (0, 0)


fill_row_compiled, cells_compiled = compiled(fill_row, inline="always"), compiled(cells)


def fill_planes(planes, image_step, plane_step, source, source_at, source_image, shape, phases, seen, row, images):
    """Lay out the rows of some images that a block of windows sees.

    Args:
        planes: written. image_step: numbers per image there, with all its channels. plane_step: per channel.
        source, source_at: flat (N, C, H, W) and where the first channel of the first image starts.
        source_image: numbers per image there, C*H*W.
        shape: (channels to lay out, H, W).
        phases: (P, 2) int64, rows and columns by which the phases' first cells differ.
        seen: (vertical step, horizontal step, first row, first column, rows, pitch) of the planes' cells.
        row: rows of cells that lie above the block. images: how many.
    """
    channels, height, width = shape
    step_h, step_w, row_0, column_0, rows, pitch = seen
    for n in range(images):
        for c in range(channels):
            for p in range(phases.shape[0]):
                shift, above = column_0 + phases[p, 1], row * step_h + row_0 + phases[p, 0]
                first, end = cells_compiled(width, pitch, step_w, shift)
                row_first, row_end = cells_compiled(height, rows, step_h, above)
                at = n * image_step + c * plane_step + p * rows * pitch
                pixels = source_at + n * source_image + c * height * width + above * width + shift
                for r in range(rows):
                    inside = row_first <= r < row_end
                    fill_row_compiled(
                        planes, at + r * pitch, pitch, source, pixels + r * step_h * width, step_w,
                        first if inside else 0, end if inside else 0,
                    )  # fmt: skip


def fill_panel(panel, at, planes, channels, plane_step, taps, pieces, columns, places):
    """Pack one panel of B: number (k, x) is what tap k = (channel, tap) sees from the panel's window x.

    Args:
        panel, at: written, K*W numbers and up to a vector more.
        planes: flat, with a vector to spare. plane_step: numbers per channel. taps: (T,) where each starts there.
        pieces: how many. columns: in the panel, where each piece of at most a vector starts. places: in the planes.
    """
    width, row = 2 * VECTOR_BYTES // panel.itemsize, at
    for c in range(channels):
        for t in range(taps.shape[0]):
            shift = c * plane_step + taps[t]
            for p in range(pieces):
                move(panel, row + columns[p], planes, shift + places[p])
            row += width


def fill_rows(panels, at, weight, weight_at, row_step, channels, channel_step, taps, cuts, first, end):
    """Pack panels first to end of A: number (r, (c, t)) is weight[weight_at + r*row_step + c*channel_step + taps[t]].

    Args:
        panels, at: written from `at` on. weight, weight_at: flat, read from `weight_at` on.
        row_step, channel_step: numbers between rows and summed channels of the weight. channels: that are summed.
        taps: (T,) int64, where a kernel's taps lie. cuts: `gemm_tile.row_cuts`. first, end: the panels to pack.
    """
    lanes = VECTOR_BYTES // panels.itemsize
    count, stop = channels * taps.shape[0], weight.shape[0]
    run = channel_step == taps.shape[0]
    for t in range(taps.shape[0]):
        run = run and taps[t] == t  # the sum's numbers are a run in memory
    for panel in range(first, end):
        r0, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
        source, out = weight_at + r0 * row_step, at + r0 * count
        k = 0
        if run:
            # A vector's spare numbers land in what is written later: rows from the last, the sum from its first.
            while k + 2 * lanes <= count:
                for i in range((rows - 1) // lanes * lanes, -1, -lanes):
                    at_k = source + i * row_step + k
                    transpose(panels, out + k * rows + i, rows, weight, at_k, row_step, rows - i, lanes)
                k += lanes
        for k in range(k, count):
            c, t = divmod(k, taps.shape[0])
            seen = source + c * channel_step + taps[t]
            # Rows that lie side by side are moved whole; what a vector spills is written later.
            i = 0
            while row_step == 1 and i < rows and k * rows + i + lanes <= rows * count and seen + i + lanes <= stop:
                move(panels, out + k * rows + i, weight, seen + i)
                i += lanes
            for i in range(i, rows):
                panels[out + k * rows + i] = weight[seen + i * row_step]


def fill_rows_by_tap(panels, at, weight, weight_at, row_step, channels, channel_step, taps, cuts, first, end):
    """As `fill_rows`, from `at` on, with the sum ordered k = (t, c): all channels under one tap side by side.

    `taps` holds every number below T once. Panels are turned in registers, so that a vector of the weight is read once.
    """
    lanes, count = VECTOR_BYTES // panels.itemsize, channels * taps.shape[0]
    turned = np.empty((count + lanes) * cuts[1] + lanes, panels.dtype)
    for panel in range(first, end):
        r0, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
        source, out = weight_at + r0 * row_step, at + r0 * count
        if channel_step == taps.shape[0]:  # a row's numbers lie side by side, ordered (c, t)
            _turn_compiled(turned, rows, weight, source, row_step, count)
            for t in range(taps.shape[0]):
                for c in range(channels):
                    to = out + (t * channels + c) * rows
                    _put_compiled(panels, to, turned, (c * taps.shape[0] + taps[t]) * rows, rows, out + rows * count)
        else:
            for c in range(channels):
                _turn_compiled(turned, rows, weight, source + c * channel_step, row_step, taps.shape[0])
                for t in range(taps.shape[0]):
                    to, stop = out + (t * channels + c) * rows, out + (t + 1) * channels * rows
                    _put_compiled(panels, to, turned, taps[t] * rows, rows, stop)


def _turn(turned, rows, weight, at, row_step, count):
    """turned[k*rows + i] = weight[at + i*row_step + k]; writes up to a vector more."""
    lanes = VECTOR_BYTES // turned.itemsize
    whole = count // lanes * lanes
    if at + (rows - 1) * row_step + count // lanes * lanes + lanes <= weight.shape[0]:
        whole = -(-count // lanes) * lanes  # the last vectors may be read past the row's end
    for k in range(0, whole, lanes):
        for i in range((rows - 1) // lanes * lanes, -1, -lanes):
            transpose(turned, k * rows + i, rows, weight, at + i * row_step + k, row_step, rows - i, lanes)
    for k in range(whole, count):
        for i in range(rows):
            turned[k * rows + i] = weight[at + i * row_step + k]


def _put(panels, to, turned, source, rows, stop):
    """Copy `rows` numbers; as whole vectors where what they spill is before `stop`, and still to be written."""
    lanes = VECTOR_BYTES // panels.itemsize
    if to + lanes <= stop and rows <= lanes:
        move(panels, to, turned, source)
    else:
        for i in range(rows):
            panels[to + i] = turned[source + i]


_turn_compiled, _put_compiled = compiled(_turn), compiled(_put)


def fill_transposed(panels, panel_step, grad, grad_at, channels, channel_step, count):
    """Pack channels side by side: panel o // W holds, for each of `count` pixels, W channels.

    Args:
        panels, panel_step: written; the numbers between two panels of the first pixel.
        grad, grad_at: flat, and where the first channel's first pixel lies. channel_step: between channels.
    """
    lanes = VECTOR_BYTES // panels.itemsize
    for o in range(0, channels, lanes):
        rows = min(lanes, channels - o)
        out, source = o // (2 * lanes) * panel_step + o % (2 * lanes), grad_at + o * channel_step
        for t in range(0, count, lanes):
            if count >= lanes:
                t = min(t, count - lanes)  # the last step starts early, and writes some pixels again
                transpose(panels, out + t * 2 * lanes, 2 * lanes, grad, source + t, channel_step, rows, lanes)
            else:
                for i in range(rows):
                    for x in range(count):
                        panels[out + x * 2 * lanes + i] = grad[source + i * channel_step + x]


fill_planes_compiled = compiled(fill_planes)
fill_panel_compiled = compiled(fill_panel)
fill_rows_compiled = compiled(fill_rows)
fill_rows_by_tap_compiled = compiled(fill_rows_by_tap)


def pack_weight(a, weight, row_step, channel_step, groups, channels, at_once, taps, cuts, by_tap, first, end):
    """Pack panels first to end of the weight of every group, for `at_once` of the summed channels at a time.

    Args:
        a, weight: flat. row_step, channel_step, taps, cuts: as in `fill_rows`. groups: G. channels: that are summed.
        by_tap: whether the sum is ordered as in `fill_rows_by_tap`.
    """
    rows, count = cuts[-1], taps.shape[0]
    for g in range(groups):
        for c in range(0, channels, at_once):
            some, to = min(at_once, channels - c), (g * channels + c) * count * rows
            source = g * (weight.shape[0] // groups) + c * channel_step
            if by_tap:
                fill_rows_by_tap_compiled(
                    a, to, weight, source, row_step, some, channel_step, taps, cuts, first, end
                )  # fmt: skip
            else:
                fill_rows_compiled(a, to, weight, source, row_step, some, channel_step, taps, cuts, first, end)


pack_weight_compiled = compiled(pack_weight)
fill_transposed_compiled = compiled(fill_transposed)
