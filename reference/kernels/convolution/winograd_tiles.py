"""The transforms of `winograd` on vector registers, between patches that lie anywhere in memory: one for each lane.

Two kinds of function, written twice each, in numpy for `NUMBA_DISABLE_JIT=1` and as LLVM vectors:

    spread:  read a small patch at each of the lanes' places, transform it to 36 points, write 36 vectors
    gather:  read 36 vectors, transform them to a small patch per lane, write each at its lane's place

Between memory, where the numbers of one patch lie side by side, and registers, which hold one number of every
patch, stands a transposition of 4 x 4 numbers, two shuffles per vector.

    spread_input       B^T d B    6x6 pixels
    spread_weight      G g G^T    3x3 or 5x5 weights; spread_flipped: of the filter turned by 180 degrees
    gather_output      A^T m A    4x4 or 2x2 outputs
    gather_weight      G^T u G    3x3 or 5x5 gradients of weights

And `pad_rows` lays an image out inside zeros, where tiles may be read over its border, `copy_rows` takes one out.
"""

from __future__ import annotations

from functools import partial

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reference.kernels.vectors import VECTOR_BYTES, Vectors
from reference.kernels.convolution.winograd_transforms import (
    PATCH,
    both_ways,
    input_line,
    output_line,
    weight_grad_line,
    weight_line,
)

PIECE = 4  # numbers of a patch that are read or written at once


def _pieces(side: int, in_one: bool) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """How a patch is read: (row, column of the first number, [(number in the piece, number of the patch), ...]).

    Args:
        side: numbers along its side. in_one: whether its rows follow each other in memory, nothing else behind them.
    """
    if in_one:  # one row, none read past its last number
        count = side * side
        starts = [(first, min(first, count - PIECE)) for first in range(0, count, PIECE)]
        return [(0, at, [(x - at, x) for x in range(first, min(first + PIECE, count))]) for first, at in starts]
    starts = range(0, side, PIECE)
    return [
        (row, start, [(j, row * side + start + j) for j in range(min(PIECE, side - start))])
        for row in range(side)
        for start in starts
    ]


def in_rows(numbers: list, side: int, flipped: bool = False) -> list[list]:
    numbers = numbers[::-1] if flipped else numbers
    return [numbers[i : i + side] for i in range(0, side * side, side)]


def _plain_spread(line, side: int, in_one: bool = False, flipped: bool = False):
    def spread(out, out_at, out_step, source, places, places_at, origin, pitch):
        lanes = VECTOR_BYTES // out.itemsize
        at = origin + places[places_at : places_at + lanes]
        numbers = [source[at + i * pitch + j] for i in range(side) for j in range(side)]
        points = sum(both_ways(line, in_rows(numbers, side, flipped)), [])
        for e, point in enumerate(points):
            out[out_at + e * out_step : out_at + e * out_step + lanes] = point

    return spread


def _plain_gather(line, side: int, in_one: bool = False):
    def gather(source, at, step, out, places, places_at, origin, pitch, start, start_at, checks):
        lanes = VECTOR_BYTES // out.itemsize
        points = [source[at + e * step : at + e * step + lanes] for e in range(PATCH * PATCH)]
        numbers = [number + start[start_at] for row in both_ways(line, in_rows(points, PATCH)) for number in row]
        with np.errstate(all="ignore"):
            checks[:lanes] += 0 * sum(numbers)
        for i in range(side):
            for j in range(side):
                out[origin + places[places_at : places_at + lanes] + i * pitch + j] = numbers[i * side + j]

    return gather


def _plain_copy_rows(zeros_behind: bool):
    def copy_rows(out, out_at, out_pitch, source, source_at, source_pitch, rows, count):
        spare = -count % (VECTOR_BYTES // out.itemsize) if zeros_behind else 0
        for y in range(rows):
            at, to = source_at + y * source_pitch, out_at + y * out_pitch
            out[to : to + count + spare] = np.pad(source[at : at + count], (0, spare))

    return copy_rows


def _compiled_copy_rows(zeros_behind: bool):
    @intrinsic
    def copy_rows(typingctx, out, out_at, out_pitch, source, source_at, source_pitch, rows, count):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, out_at, out_pitch, source, source_at, source_pitch, rows, count = args
            out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 3))
            zero, one, lanes = (context.get_constant(types.intp, value) for value in (0, 1, v.lanes))

            def row(y, _):
                to = builder.add(out_at, builder.mul(y, out_pitch))
                at = builder.add(source_at, builder.mul(y, source_pitch))

                def vector(x, _):
                    wanted = v.lanes_in(zero, builder.sub(count, x))
                    some = v.masked_load(wanted, source, at, x)
                    if zeros_behind:
                        v.store(some, out, to, x)
                    else:
                        v.masked_store(wanted, some, out, to, x)
                    return []

                v.loop(zero, count, lanes, [], vector)
                return []

            v.loop(zero, rows, one, [], row)
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, source, n, n, n, n), codegen

    return copy_rows


class Lanes:
    """A vector register under +, - and * with a float, which LLVM may fuse."""

    def __init__(self, v: Vectors, value):
        self.v, self.value = v, value

    def __add__(self, other):
        return Lanes(self.v, self.v.builder.fadd(self.value, other.value, flags=("contract",)))

    def __sub__(self, other):
        return Lanes(self.v, self.v.builder.fsub(self.value, other.value, flags=("contract",)))

    def __rmul__(self, factor: float):
        splat = ir.Constant(self.v.type, [factor] * self.v.lanes)
        return Lanes(self.v, self.v.builder.fmul(splat, self.value, flags=("contract",)))


def _mask(numbers):
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _transposed(v: Vectors, vectors: list) -> list:
    """Four vectors with every group of 4 x 4 numbers transposed: number j of vector i becomes i of vector j."""
    groups = range(0, v.lanes, PIECE)
    low = _mask([x for g in groups for x in (g, v.lanes + g, g + 1, v.lanes + g + 1)])
    high = _mask([x for g in groups for x in (g + 2, v.lanes + g + 2, g + 3, v.lanes + g + 3)])
    first = _mask([x for g in groups for x in (g, g + 1, v.lanes + g, v.lanes + g + 1)])
    second = _mask([x for g in groups for x in (g + 2, g + 3, v.lanes + g + 2, v.lanes + g + 3)])
    shuffle = v.builder.shuffle_vector
    results = []
    for mask in (low, high):
        left, right = (shuffle(vectors[i], vectors[i + 1], mask) for i in (0, 2))
        results += [shuffle(left, right, first), shuffle(left, right, second)]
    return results


def load_piece(v: Vectors, bases: list, offset) -> list:
    """Four vectors: number j of the piece of every lane, at its base plus `offset`."""
    builder = v.builder
    heads = [builder.gep(base, [offset]) for base in bases]
    if v.lanes < PIECE:
        vectors = []
        for j in range(PIECE):
            vector = ir.Constant(v.type, ir.Undefined)
            for lane, head in enumerate(heads):
                number = builder.load(builder.gep(head, [ir.Constant(ir.IntType(64), j)]))
                vector = builder.insert_element(vector, number, ir.Constant(ir.IntType(32), lane))
            vectors.append(vector)
        return vectors
    piece = ir.VectorType(v.element, PIECE).as_pointer()
    loads = [builder.load(builder.bitcast(head, piece), align=v.align) for head in heads]
    vectors = []
    for k in range(PIECE):  # tile 4*l + k in group l of vector k, so that transposing leaves the tiles in order
        parts, length = loads[k::PIECE], PIECE
        while len(parts) > 1:
            length *= 2
            join = _mask(list(range(length)))
            parts = [builder.shuffle_vector(*parts[i : i + 2], join) for i in range(0, len(parts), 2)]
        vectors.append(parts[0])
    return _transposed(v, vectors)


def store_piece(v: Vectors, vectors: list, bases: list, offset) -> None:
    """Write up to four vectors: number j of the piece of every lane, at its base plus `offset`."""
    builder = v.builder
    heads = [builder.gep(base, [offset]) for base in bases]
    if v.lanes < PIECE or len(vectors) < PIECE:
        for j, vector in enumerate(vectors):
            for lane, head in enumerate(heads):
                number = builder.extract_element(vector, ir.Constant(ir.IntType(32), lane))
                builder.store(number, builder.gep(head, [ir.Constant(ir.IntType(64), j)]))
        return
    piece = ir.VectorType(v.element, PIECE).as_pointer()
    for k, vector in enumerate(_transposed(v, vectors)):
        for group in range(v.lanes // PIECE):
            mask = _mask(list(range(group * PIECE, (group + 1) * PIECE)))
            part = builder.shuffle_vector(vector, vector, mask) if v.lanes > PIECE else vector
            builder.store(part, builder.bitcast(heads[group * PIECE + k], piece), align=v.align)


def piece_bases(v: Vectors, data, places, places_at, origin, number) -> list:
    """Where each lane's patch starts."""
    loads = (v.builder.load(v.address(places, places_at, number(lane))) for lane in range(v.lanes))
    return [v.address(data, origin, place) for place in loads]


def _compiled_spread(line, side: int, in_one: bool = False, flipped: bool = False):
    @intrinsic
    def spread(typingctx, out, out_at, out_step, source, places, places_at, origin, pitch):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, out_at, out_step, source, places, places_at, origin, pitch = args
            out, source, places = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 4))

            def number(value):
                return context.get_constant(types.intp, value)

            bases = piece_bases(v, source, places, places_at, origin, number)
            numbers = [None] * (side * side)
            for row, column, wanted in _pieces(side, in_one):
                offset = builder.add(builder.mul(pitch, number(row)), number(column))
                vectors = load_piece(v, bases, offset)
                for j, at in wanted:
                    numbers[at] = Lanes(v, vectors[j])
            points = sum(both_ways(line, in_rows(numbers, side, flipped)), [])
            for e, point in enumerate(points):
                v.store(point.value, out, out_at, builder.mul(out_step, number(e)))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, source, places, n, n, n), codegen

    return spread


def _compiled_gather(line, side: int, in_one: bool = False):
    @intrinsic
    def gather(typingctx, source, at, step, out, places, places_at, origin, pitch, start, start_at, checks):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            source, at, step, out, places, places_at, origin, pitch, start, start_at, checks = args
            source, out, places, start, checks = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 4, 8, 10))

            def number(value):
                return context.get_constant(types.intp, value)

            points = [
                Lanes(v, v.load(source, at, builder.mul(step, number(e)))) for e in range(PATCH * PATCH)
            ]
            begin = Lanes(v, v.splat(start, start_at))
            numbers = [value + begin for row in both_ways(line, in_rows(points, PATCH)) for value in row]
            total = numbers[0]
            for value in numbers[1:]:
                total = total + value
            check = Lanes(v, v.load(checks, number(0))) + 0.0 * total
            v.store(check.value, checks, number(0))
            bases = piece_bases(v, out, places, places_at, origin, number)
            for row, column, wanted in _pieces(side, in_one):
                offset = builder.add(builder.mul(pitch, number(row)), number(column))
                first = row * side + column
                count = PIECE if in_one else len(wanted)
                store_piece(v, [value.value for value in numbers[first : first + count]], bases, offset)
            return context.get_dummy_value()

        n = types.intp
        return types.void(source, n, n, out, places, n, n, n, start, n, checks), codegen

    return gather


_spread = _plain_spread if numba.config.DISABLE_JIT else _compiled_spread
_copy_rows = _plain_copy_rows if numba.config.DISABLE_JIT else _compiled_copy_rows
_gather = _plain_gather if numba.config.DISABLE_JIT else _compiled_gather

# spread(out, out_at, out_step, source, places, places_at, origin, pitch): point e of lane l goes to
#   out[out_at + e*out_step + l]; its patch's number (i, j) is source[origin + places[places_at + l] + i*pitch + j].
# gather(source, at, step, out, places, places_at, origin, pitch, start, start_at, checks): the reverse, and
#   start[start_at] is added to each number; checks, a vector, becomes NaN in the lanes with a number not finite.
# copy_rows(out, out_at, out_pitch, source, source_at, source_pitch, rows, count): `count` numbers of each row.
# pad_rows: the same, in rising order, and zeros up to a whole vector behind each.
# Patches of weights are their numbers side by side: their pitch is their side.
spread_input = _spread(input_line, PATCH)
spread_weight_3, spread_weight_5 = (_spread(weight_line, taps, True) for taps in (3, 5))
spread_flipped_3, spread_flipped_5 = (_spread(weight_line, taps, True, True) for taps in (3, 5))
gather_output_4, gather_output_2 = (_gather(partial(output_line, outputs=outputs), outputs) for outputs in (4, 2))
gather_weight_3, gather_weight_5 = (_gather(partial(weight_grad_line, taps=taps), taps, True) for taps in (3, 5))
copy_rows, pad_rows = _copy_rows(False), _copy_rows(True)
