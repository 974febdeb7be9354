"""The transforms of `winograd_strided` on vector registers: one lane per tile, or one per channel.

As in `winograd_tiles`, a `spread` reads a patch at each of the lanes' places and writes its points, a `gather` reads
points and writes a patch per lane. 81 vectors are more than a processor has registers, so rows are transformed when
they are read and before they are written, and each number waits in memory once, between rows and columns.

    spread_input       9x9 pixels to 81 points
    spread_seen        5x5 gradients of outputs to 81 points, for the input's gradient
    spread_grad        4x4 gradients of outputs to 81 points, for the weight's gradient
    spread_weight      3x3 weights to 36 points; spread_flipped: of the filter turned by 180 degrees
    gather_output      81 points to 4x4 outputs
    gather_pixels      81 points to the gradients of 8x8 pixels
    gather_weight      36 points to the gradients of 3x3 weights

A channel of an image is about a page of memory, beyond which no processor looks by itself: `ask_to_read` and
`ask_to_write` fetch the next one's while this one is transformed.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.vectors import VECTOR_BYTES, Vectors
from reference.kernels.convolution.winograd_strided_transforms import (
    FILTER_SIDE,
    PATCH,
    SEEN,
    SIDE,
    STEP,
    TAPS,
    TILE,
    input_line,
    output_grad_line,
    output_line,
    pixel_line,
    seen_line,
    weight_grad_line,
    weight_line,
)
from reference.kernels.convolution.winograd_tiles import PIECE, piece_bases, Lanes, load_piece, store_piece

LINE_BYTES = 64  # what a processor fetches at once


def _rows_first(line, rows) -> list[list]:
    """`line` applied to rows, one after the other as they come, then to the columns of what comes out."""
    wide = [line(row) for row in rows]
    return [list(row) for row in zip(*[line(list(column)) for column in zip(*wide)])]


def _plain_spread(line, side: int, flipped: bool = False):
    def spread(out, out_at, out_step, source, places, places_at, origin, pitch):
        lanes = VECTOR_BYTES // out.itemsize
        at = origin + places[places_at : places_at + lanes]
        rows = [[source[at + i * pitch + j] for j in range(side)] for i in range(side)]
        if flipped:
            rows = [row[::-1] for row in rows[::-1]]
        for e, point in enumerate(sum(_rows_first(line, rows), [])):
            out[out_at + e * out_step : out_at + e * out_step + lanes] = point

    return spread


def _plain_gather(line, points: int, side: int):
    def gather(source, at, step, out, places, places_at, origin, pitch, start, start_at, checks):
        lanes = VECTOR_BYTES // out.itemsize
        first = at + step * np.arange(points * points).reshape(points, points)
        columns = [line([source[i : i + lanes] for i in column]) for column in first.T]  # (points, side) vectors
        rows = [line([column[i] for column in columns]) for i in range(side)]
        with np.errstate(all="ignore"):
            checks[:lanes] += 0 * sum(sum(rows, []))
        for i in range(side):
            for j in range(side):
                out[origin + places[places_at : places_at + lanes] + i * pitch + j] = rows[i][j] + start[start_at]

    return gather


def _starts(side: int) -> list[int]:
    """Where the pieces of a row start; 3x3 numbers are one row of nine, none read or written past the ninth."""
    return [0, 4, 5] if side == TAPS else [*range(0, side, PIECE)]


def _rows_of_patches(v: Vectors, bases: list, pitch, side: int, number):
    """The rows of every lane's patch, each of them read when it is asked for."""
    if side == TAPS:
        first, second, last = (load_piece(v, bases, number(start)) for start in _starts(side))
        flat = [Lanes(v, value) for value in [*first, *second, last[-1]]]
        yield from (flat[row : row + TAPS] for row in range(0, TAPS * TAPS, TAPS))
        return
    for row in range(side):
        numbers = []
        for start in _starts(side):
            numbers += load_piece(v, bases, v.builder.add(v.builder.mul(pitch, number(row)), number(start)))
        yield [Lanes(v, value) for value in numbers[:side]]


def _compiled_spread(line, side: int, flipped: bool = False):
    @intrinsic
    def spread(typingctx, out, out_at, out_step, source, places, places_at, origin, pitch):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, out_at, out_step, source, places, places_at, origin, pitch = args
            out, source, places = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 4))

            def number(value):
                return context.get_constant(types.intp, value)

            rows = _rows_of_patches(v, piece_bases(v, source, places, places_at, origin, number), pitch, side, number)
            if flipped:
                rows = [row[::-1] for row in [*rows][::-1]]
            for e, point in enumerate(sum(_rows_first(line, rows), [])):
                v.store(point.value, out, out_at, builder.mul(out_step, number(e)))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, source, places, n, n, n), codegen

    return spread


def _compiled_gather(line, points: int, side: int):
    @intrinsic
    def gather(typingctx, source, at, step, out, places, places_at, origin, pitch, start, start_at, checks):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            source, at, step, out, places, places_at, origin, pitch, start, start_at, checks = args
            source, out, places, start, checks = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 4, 8, 10))

            def number(value):
                return context.get_constant(types.intp, value)

            def point(row, column):
                return Lanes(v, v.load(source, at, builder.mul(step, number(row * points + column))))

            columns = [line([point(row, column) for row in range(points)]) for column in range(points)]
            begin = Lanes(v, v.splat(start, start_at))
            bases = piece_bases(v, out, places, places_at, origin, number)
            total, values = Lanes(v, v.zeros()), []
            for i in range(side):
                row = [number + begin for number in line([column[i] for column in columns])]
                for value in row:
                    total = total + value
                values += [value.value for value in row]
                if side != TAPS or len(values) == TAPS * TAPS:
                    for first in _starts(side):
                        offset = builder.add(builder.mul(pitch, number(i if side != TAPS else 0)), number(first))
                        store_piece(v, values[first : first + PIECE], bases, offset)
                    values = []
            check = Lanes(v, v.load(checks, number(0))) + 0.0 * total
            v.store(check.value, checks, number(0))
            return context.get_dummy_value()

        n = types.intp
        return types.void(source, n, n, out, places, n, n, n, start, n, checks), codegen

    return gather


def _plain_ask(write: bool):
    def ask(data, at, count):
        pass

    return ask


def _compiled_ask(write: bool):
    @intrinsic
    def ask(typingctx, data, at, count):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            data, at, count = v.pointer(signature.args[0], args[0]), args[1], args[2]
            line = context.get_constant(types.intp, LINE_BYTES // v.align)

            def one(i, _):
                v.prefetch(data, at, i, write=write)
                return []

            v.loop(context.get_constant(types.intp, 0), count, line, [], one)
            return context.get_dummy_value()

        return types.void(data, types.intp, types.intp), codegen

    return ask


_spread = _plain_spread if numba.config.DISABLE_JIT else _compiled_spread
_gather = _plain_gather if numba.config.DISABLE_JIT else _compiled_gather
_ask = _plain_ask if numba.config.DISABLE_JIT else _compiled_ask

# spread(out, out_at, out_step, source, places, places_at, origin, pitch): point e of lane l goes to
#   out[out_at + e*out_step + l]; its patch's number (i, j) is source[origin + places[places_at + l] + i*pitch + j].
# gather(source, at, step, out, places, places_at, origin, pitch, start, start_at, checks): the reverse, and
#   start[start_at] is added to each number; checks, a vector, becomes NaN in the lanes with a number not finite.
# ask_to_read, ask_to_write(data, at, count): fetch so many numbers that are needed soon; addresses outside do no harm.
# Patches of 3x3 are nine numbers side by side: their pitch is 3.
spread_input = _spread(input_line, PATCH)
spread_seen = _spread(seen_line, SEEN)
spread_grad = _spread(output_grad_line, TILE)
spread_weight = _spread(weight_line, TAPS)
spread_flipped = _spread(weight_line, TAPS, True)
gather_output = _gather(output_line, SIDE, TILE)
gather_pixels = _gather(pixel_line, SIDE, STEP)
gather_weight = _gather(weight_grad_line, FILTER_SIDE, TAPS)
ask_to_read, ask_to_write = _ask(False), _ask(True)
