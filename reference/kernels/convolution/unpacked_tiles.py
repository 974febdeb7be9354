"""The two vector operations of `unpacked`: lay rows of an image out, and sum lines under weights as they lie.

    lay_rows: out[y, x] = source[y, x*step] for low <= x < high, zero for the other cells
    row_sums: out[r, x] = start[r] + sum over taps t of  weight[r, t] * source[offset[t] + x]

The first writes whole vectors, in an order in which what a row spills into the next is written again by it; its masks
hide what lies outside the image. The second reads every row of weights from its own place, one number at a time that
goes to all lanes: eight rows over two vectors of pixels are ten loads for sixteen multiply-adds, so nothing has to be
packed. Each is written in numpy, which says what it means and runs under `NUMBA_DISABLE_JIT=1`, and as LLVM vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reference.kernels.vectors import VECTOR_BYTES, Vectors

# Sums that a tile keeps in registers: enough chains of multiply-adds for two of them at a time, each four steps long.
SUMS = 16 if VECTOR_BYTES == 64 else 8
# So many numbers ahead of its sum a row of weights is asked for: at a number a tap, some hundred nanoseconds.
AHEAD = 96


def _plain_lay_rows(step: int):
    def lay_rows(out, out_at, out_pitch, count, source, source_at, source_pitch, rows, low, high):
        lanes = VECTOR_BYTES // out.itemsize
        width = -(-count // lanes) * lanes
        for y in range(rows):
            line = np.zeros(width, out.dtype)
            at = source_at + y * source_pitch
            if low < high:
                line[low:high] = source[at + low * step : at + (high - 1) * step + 1 : step]
            out[out_at + y * out_pitch : out_at + y * out_pitch + width] = line

    return lay_rows


def _compiled_lay_rows(step: int):
    @intrinsic
    def lay_rows(typingctx, out, out_at, out_pitch, count, source, source_at, source_pitch, rows, low, high):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, out_at, out_pitch, count, source, source_at, source_pitch, rows, low, high = args
            out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 4))

            def number(value):
                return context.get_constant(types.intp, value)

            even = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), list(range(0, 2 * v.lanes, 2)))
            blocks = builder.sdiv(builder.add(count, number(v.lanes - 1)), number(v.lanes))

            def block(index, _):
                # From the last block of columns to the first: what it spills is where the others still write.
                x = builder.mul(builder.sub(builder.sub(blocks, number(1)), index), number(v.lanes))
                first = builder.mul(builder.sub(low, x), number(step))
                end = builder.add(builder.mul(builder.sub(builder.sub(high, x), number(1)), number(step)), number(1))
                after = [builder.sub(place, number(v.lanes)) for place in (first, end)]
                masks = v.lanes_in(first, end), v.lanes_in(*after)
                column, to = builder.add(source_at, builder.mul(x, number(step))), builder.add(out_at, x)

                def row(y, _):
                    at = builder.add(column, builder.mul(y, source_pitch))
                    seen = v.masked_load(masks[0], source, at)
                    if step == 2:
                        seen = builder.shuffle_vector(seen, v.masked_load(masks[1], source, at, number(v.lanes)), even)
                    v.store(seen, out, to, builder.mul(y, out_pitch))
                    return []

                v.loop(number(0), rows, number(1), [], row)
                return []

            v.loop(number(0), blocks, number(1), [], block)
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, n, source, n, n, n, n, n), codegen

    return lay_rows


def _plain_row_sums(vectors: int):
    def row_sums(
        out, out_at, out_step, count, source, source_at, gap, taps, weights, weight_at, weight_step, rows, start,
        start_at,
    ):  # fmt: skip
        lanes = VECTOR_BYTES // out.itemsize
        count = min(count, vectors * lanes)
        for r in range(min(rows, SUMS // vectors)):
            total = np.full(vectors * lanes, start[start_at + r], out.dtype)
            for t, offset in enumerate(taps):
                for x in range(vectors):
                    at = source_at + offset + x * gap
                    seen = source[at : at + lanes]
                    total[x * lanes : x * lanes + len(seen)] += weights[weight_at + r * weight_step + t] * seen
            out[out_at + r * out_step : out_at + r * out_step + count] = total[:count]

    return row_sums


def _compiled_row_sums(vectors: int):
    height = SUMS // vectors

    @intrinsic
    def row_sums(
        typingctx, out, out_at, out_step, count, source, source_at, gap, taps, weights, weight_at, weight_step, rows,
        start, start_at,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out_at, out_step, count, source_at, gap, weight_at, weight_step, rows, start_at = (
                args[i] for i in (1, 2, 3, 5, 6, 9, 10, 11, 13)
            )
            taps_count = builder.extract_value(builder.extract_value(args[7], 5), 0)
            out, source, taps, weights, start = (v.pointer(signature.args[i], args[i]) for i in (0, 4, 7, 8, 12))

            def number(value):
                return context.get_constant(types.intp, value)

            # Rows that are not there do the last one once more: one tile serves any number of them.
            last = builder.sub(rows, number(1))
            row = [
                builder.select(builder.icmp_signed("<", number(r), last), number(r), last) for r in range(height)
            ]
            weights_at = [builder.add(weight_at, builder.mul(r, weight_step)) for r in row]
            ahead_at = builder.add(weight_at, number(AHEAD))

            def tap(t, totals):
                offset = builder.load(v.address(taps, t))
                turn = builder.mul(builder.and_(t, number(height - 1)), weight_step)  # the rows take turns
                v.prefetch(weights, ahead_at, turn, t)
                seen = [v.load(source, source_at, offset, builder.mul(gap, number(x))) for x in range(vectors)]
                results = []
                for r in range(height):
                    weight = v.splat(weights, weights_at[r], t)
                    results += [v.multiply_add(totals[r * vectors + x], weight, seen[x]) for x in range(vectors)]
                return results

            starts = [v.splat(start, start_at, r) for r in row for _ in range(vectors)]
            totals = v.loop(number(0), taps_count, number(1), starts, tap)
            places = [builder.add(out_at, builder.mul(r, out_step)) for r in row]
            with builder.if_else(builder.icmp_signed(">=", count, number(vectors * v.lanes))) as (whole, otherwise):
                with whole:
                    for i, total in enumerate(totals):
                        v.store(total, out, places[i // vectors], number(i % vectors * v.lanes))
                with otherwise:
                    masks = [v.lanes_in(number(0), builder.sub(count, number(x * v.lanes))) for x in range(vectors)]
                    for i, total in enumerate(totals):
                        x = i % vectors
                        v.masked_store(masks[x], total, out, places[i // vectors], number(x * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, n, source, n, n, taps, weights, n, n, n, start, n), codegen

    return row_sums


_lay_rows = _plain_lay_rows if numba.config.DISABLE_JIT else _compiled_lay_rows
_row_sums = _plain_row_sums if numba.config.DISABLE_JIT else _compiled_row_sums

# lay_rows(out, out_at, out_pitch, count, source, source_at, source_pitch, rows, low, high): `count` cells of each row,
#   and up to a vector more; cell x sees source[source_at + y*source_pitch + x*step], if low <= x < high.
# row_sums(out, out_at, out_step, count, source, source_at, gap, taps, weights, weight_at, weight_step, rows, start,
#   start_at): of SUMS / vectors rows, or fewer, and as many vectors of pixels, of which `count` pixels are written; a
#   vector's pixels lie `gap` numbers behind those of the vector before.
lay_every, lay_even = _lay_rows(1), _lay_rows(2)
sums_of_one_vector, sums_of_two_vectors = _row_sums(1), _row_sums(2)
