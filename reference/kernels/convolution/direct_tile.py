"""The register tile of `direct`: a few target channels of 2 vectors of pixels, summed over all taps.

    out[r, x] = start[r] + sum over taps t of  weight[t, r] * source[offset[t] + x]

R rows of two vectors stay in registers while the sum runs: R + 2 loads, two more where vectors lie across two cache lines,
for 2*R multiply-adds. Written in numpy, which says what it means and runs under `NUMBA_DISABLE_JIT=1`, and as LLVM vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

# Target channels of a tile, two vectors of each: 9 for the taps of a kernel (`direct_taps`), the least for the rest.
HEIGHTS = (9, 8, 6, 4, 3, 1) if VECTOR_BYTES == 64 else (6, 5, 4, 3, 2, 1)


def _plain_sums_tile(rows: int):
    def sums_tile(
        out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
    ):  # fmt: skip
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
        typingctx, out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at,
        soon_step,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out_at, out_step, count, source_at, weight_at, start_at, soon_at, soon_step = (
                args[i] for i in (1, 2, 3, 5, 8, 10, 11, 12)
            )
            taps_count = builder.extract_value(builder.extract_value(args[6], 5), 0)
            out, source, taps, weights, start = (v.pointer(signature.args[i], args[i]) for i in (0, 4, 6, 7, 9))

            def number(value):
                return context.get_constant(types.intp, value)

            lanes = number(v.lanes)
            rows_at = [builder.add(out_at, builder.mul(out_step, number(r))) for r in range(rows)]

            def tap(t, totals):
                offset = builder.load(v.address(taps, t))
                weight_here = builder.add(weight_at, builder.mul(t, number(rows)))
                soon = builder.add(soon_at, builder.mul(t, soon_step))
                v.prefetch(out, soon, write=True)
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
        return types.void(out, n, n, n, source, n, taps, weights, n, start, n, n, n), codegen

    return sums_tile


_tile = _plain_sums_tile if numba.config.DISABLE_JIT else _compiled_sums_tile
_tile_0, _tile_1, _tile_2, _tile_3, _tile_4, _tile_5 = (_tile(rows) for rows in HEIGHTS)


def sums_tile(
    rows, out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
):  # fmt: skip
    """One tile.

    Args:
        rows: R, one of `HEIGHTS`.
        out: flat; row r is written from out_at + r*out_step on. count: numbers of a row, no more than two vectors are
            written; two are read of the source all the same.
        source, source_at: flat, where the tile's first pixel lies. taps: (K,) int64, each tap's offset from there.
        weights, weight_at: flat, K x R. start, start_at: R numbers.
        soon_at, soon_step: tap t asks for the numbers of `out` from soon_at + t*soon_step on, to be written.
    """
    if rows == HEIGHTS[0]:
        _tile_0(
            out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
        )  # fmt: skip
    elif rows == HEIGHTS[1]:
        _tile_1(
            out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
        )  # fmt: skip
    elif rows == HEIGHTS[2]:
        _tile_2(
            out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
        )  # fmt: skip
    elif rows == HEIGHTS[3]:
        _tile_3(
            out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
        )  # fmt: skip
    elif rows == HEIGHTS[4]:
        _tile_4(
            out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
        )  # fmt: skip
    else:
        _tile_5(
            out, out_at, out_step, count, source, source_at, taps, weights, weight_at, start, start_at, soon_at, soon_step
        )  # fmt: skip


sums_tile_compiled = compiled(sums_tile, inline="always")
