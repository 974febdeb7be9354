"""The transforms of `winograd` between turned planes: every pixel is a vector, its lanes 16 images or 16 channels.

An image's numbers are turned once, 16 rows x 16 numbers at a time in registers, four shuffles per vector, and laid out
inside their zeros. A tile's patch then is whole vectors: the transforms neither shuffle nor address lanes, and the
pixels that neighbouring tiles share are turned once. A tile of 4x4 outputs so takes 64 shuffles on the way in and as
many out, where those of `winograd_tiles`, whose lanes are patches that lie anywhere, take 240 and 32 with four times
as many stores; and no lane is idle however small the image is.

Written twice, in numpy for `NUMBA_DISABLE_JIT=1` and as LLVM vectors:

    turn_in        16 rows of 16 numbers to 16 vectors, each to its place
    turn_out       the reverse
    spread_pixels  B^T d B    6x6 vectors of pixels to 36 vectors
    spread_grads   A y A^T    4x4 or 2x2 vectors of gradients of outputs to 36
    gather_sums    A^T m A    36 vectors to 4x4 or 2x2 vectors of outputs
"""

from __future__ import annotations

from functools import partial

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors
from reference.kernels.convolution.winograd_tiles import Lanes, in_rows
from reference.kernels.convolution.winograd_transforms import PATCH, both_ways, input_line, output_grad_line, output_line


def _plain_turn_in(planes, places, first, source, source_at, step, rows):
    lanes = VECTOR_BYTES // planes.itemsize
    for i in range(lanes):
        row = source_at + min(i, rows - 1) * step
        planes[places[first : first + lanes] + i] = source[row : row + lanes]


def _plain_turn_out(target, target_at, step, rows, planes, places, first, spare_at):
    lanes = VECTOR_BYTES // planes.itemsize
    for i in range(rows):
        row = target_at + i * step
        target[row : row + lanes] = planes[places[first : first + lanes] + i]


def _turned(v: Vectors, vectors: list) -> list:
    """As many vectors as they have lanes: lane j of vector i becomes lane i of vector j."""
    vectors, size, indices = list(vectors), 1, ir.VectorType(ir.IntType(32), v.lanes)
    while size < v.lanes:  # exchange the off-diagonal blocks of sizes 1, 2, 4, ...
        upper = [j if not j & size else v.lanes + j - size for j in range(v.lanes)]
        lower = [j + size if not j & size else v.lanes + j for j in range(v.lanes)]
        for i in range(v.lanes):
            if not i & size:
                pair = vectors[i], vectors[i + size]
                for place, mask in ((i, upper), (i + size, lower)):
                    vectors[place] = v.builder.shuffle_vector(*pair, ir.Constant(indices, mask))
        size *= 2
    return vectors


@intrinsic
def _compiled_turn_in(typingctx, planes, places, first, source, source_at, step, rows):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        planes, places, first, source, source_at, step, rows = args
        planes, places, source = (v.pointer(signature.args[i], args[i]) for i in (0, 1, 3))

        def number(value):
            return context.get_constant(types.intp, value)

        last, vectors = builder.sub(rows, number(1)), []
        for i in range(v.lanes):
            row = builder.mul(builder.select(builder.icmp_signed("<", number(i), last), number(i), last), step)
            vectors.append(v.load(source, source_at, row))
        for j, vector in enumerate(_turned(v, vectors)):
            v.store(vector, planes, builder.load(v.address(places, first, number(j))))
        return context.get_dummy_value()

    n = types.intp
    return types.void(planes, places, n, source, n, n, n), codegen


@intrinsic
def _compiled_turn_out(typingctx, target, target_at, step, rows, planes, places, first, spare_at):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        target, target_at, step, rows, planes, places, first, spare_at = args
        target, planes, places = (v.pointer(signature.args[i], args[i]) for i in (0, 4, 5))

        def number(value):
            return context.get_constant(types.intp, value)

        vectors = [v.load(planes, builder.load(v.address(places, first, number(j)))) for j in range(v.lanes)]
        spare = v.address(planes, spare_at)
        for i, vector in enumerate(_turned(v, vectors)):
            row = v.address(target, target_at, builder.mul(step, number(i)))
            v.store(vector, builder.select(builder.icmp_signed("<", number(i), rows), row, spare), number(0))
        return context.get_dummy_value()

    n = types.intp
    return types.void(target, n, n, n, planes, places, n, n), codegen


def _plain_spread(line, side: int):
    def spread(out, out_at, out_step, planes, at, pitch):
        lanes = VECTOR_BYTES // out.itemsize
        cells = [at + i * pitch + j * lanes for i in range(side) for j in range(side)]
        points = sum(both_ways(line, in_rows([planes[cell : cell + lanes] for cell in cells], side)), [])
        for e, point in enumerate(points):
            out[out_at + e * out_step : out_at + e * out_step + lanes] = point

    return spread


def _plain_gather(line, side: int):
    def gather(source, at, step, planes, to, pitch, start, start_at, checks):
        lanes = VECTOR_BYTES // source.itemsize
        points = [source[at + e * step : at + e * step + lanes] for e in range(PATCH * PATCH)]
        for i, row in enumerate(both_ways(line, in_rows(points, PATCH))):
            for j, number in enumerate(row):
                cell = to + i * pitch + j * lanes
                planes[cell : cell + lanes] = number + start[start_at]
                with np.errstate(all="ignore"):
                    checks[:lanes] += 0 * planes[cell : cell + lanes]

    return gather


def _compiled_spread(line, side: int):
    @intrinsic
    def spread(typingctx, out, out_at, out_step, planes, at, pitch):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, out_at, out_step, planes, at, pitch = args
            out, planes = (v.pointer(signature.args[i], args[i]) for i in (0, 3))

            def number(value):
                return context.get_constant(types.intp, value)

            rows = [builder.add(at, builder.mul(pitch, number(i))) for i in range(side)]
            half = PATCH // 2
            for first in (0, half):  # 36 numbers are more than there are registers: three columns of points, then three
                patch = [[Lanes(v, v.load(planes, row, number(j * v.lanes))) for j in range(side)] for row in rows]
                lines = [line(numbers)[first : first + half] for numbers in patch]
                for j, column in enumerate(zip(*lines), first):
                    for i, point in enumerate(line(column)):
                        v.store(point.value, out, out_at, builder.mul(out_step, number(i * PATCH + j)))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, planes, n, n), codegen

    return spread


def _compiled_gather(line, side: int):
    @intrinsic
    def gather(typingctx, source, at, step, planes, to, pitch, start, start_at, checks):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            source, at, step, planes, to, pitch, start, start_at, checks = args
            source, planes, start, checks = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 6, 8))

            def number(value):
                return context.get_constant(types.intp, value)

            points = [Lanes(v, v.load(source, at, builder.mul(step, number(e)))) for e in range(PATCH * PATCH)]
            begin = Lanes(v, v.splat(start, start_at))
            patch = [[value + begin for value in row] for row in both_ways(line, in_rows(points, PATCH))]
            total = sum(sum(patch, [])[1:], patch[0][0])
            v.store((Lanes(v, v.load(checks, number(0))) + 0.0 * total).value, checks, number(0))
            for i, row in enumerate(patch):
                at = builder.add(to, builder.mul(pitch, number(i)))
                for j, value in enumerate(row):
                    v.store(value.value, planes, at, number(j * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(source, n, n, planes, n, n, start, n, checks), codegen

    return gather


_plain = numba.config.DISABLE_JIT
_turn_in = _plain_turn_in if _plain else _compiled_turn_in
_turn_out = _plain_turn_out if _plain else _compiled_turn_out
_spread, _gather = (_plain_spread, _plain_gather) if _plain else (_compiled_spread, _compiled_gather)

# _turn_in(planes, places, first, source, source_at, step, rows): for all lanes i and j,
#   planes[places[first + j] + i] = source[source_at + min(i, rows - 1)*step + j].
# _turn_out(target, target_at, step, rows, planes, places, first, spare_at): for lanes i below `rows`,
#   target[target_at + i*step + j] = planes[places[first + j] + i]; writes a vector at planes[spare_at].
# spread(out, out_at, out_step, planes, at, pitch): point e goes to out[out_at + e*out_step], a vector; the patch's
#   vector (i, j) is planes[at + i*pitch + j*lanes].
# gather(source, at, step, planes, to, pitch, start, start_at, checks): the reverse, and start[start_at] is added to
#   each number; checks, a vector, becomes NaN in the lanes with a number not finite.
spread_pixels = _spread(input_line, PATCH)
spread_grads_4, spread_grads_2 = (_spread(output_grad_line, outputs) for outputs in (4, 2))
gather_sums_4, gather_sums_2 = (_gather(partial(output_line, outputs=outputs), outputs) for outputs in (4, 2))


def place(places, rows, columns, row, column, plane_rows, pitch, lanes):
    """Write where a plane has each pixel of `rows` x `columns`: `places` becomes places[y*columns + x].

    Pixels outside the plane get the cell behind its last.

    Args:
        row, column: the cell of pixel (0, 0), which may be outside. plane_rows, pitch: the plane's cells.
    """
    for y in range(rows):
        for x in range(columns):
            inside = 0 <= y + row < plane_rows and 0 <= x + column < pitch
            places[y * columns + x] = ((y + row) * pitch + x + column if inside else plane_rows * pitch) * lanes


def turn_in(planes, places, count, source, source_at, step, rows):
    """planes[places[x] + i] = source[source_at + i*step + x] for x below `count` and lanes i below `rows`.

    Lanes behind hold anything that is finite if the numbers are, or was in `planes` before.
    """
    lanes = VECTOR_BYTES // planes.itemsize
    if count >= lanes:
        for x in range(0, count, lanes):
            x = min(x, count - lanes)  # the last step starts early, and writes some pixels again
            _turn_in(planes, places, x, source, source_at + x, step, rows)
    else:
        for i in range(rows):
            for x in range(count):
                planes[places[x] + i] = source[source_at + i * step + x]


def turn_out(target, target_at, step, rows, planes, places, count, spare_at):
    """target[target_at + i*step + x] = planes[places[x] + i] for x below `count` and lanes i below `rows`."""
    lanes = VECTOR_BYTES // planes.itemsize
    if count >= lanes:
        for x in range(0, count, lanes):
            x = min(x, count - lanes)
            _turn_out(target, target_at + x, step, rows, planes, places, x, spare_at)
    else:
        for i in range(rows):
            for x in range(count):
                target[target_at + i * step + x] = planes[places[x] + i]


place_compiled, turn_in_compiled, turn_out_compiled = compiled(place), compiled(turn_in), compiled(turn_out)
