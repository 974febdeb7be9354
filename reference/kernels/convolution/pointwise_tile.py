"""The register tile of `pointwise`: packed weights times pixels where they lie, and what else it needs of vectors.

    C[r, x] = start[r] + sum over k of  A[k, r] * B[k, x]

As in `gemm_tile` a tile holds R rows times two vectors of C in registers while k runs. But here the two vectors are
two units of pixels, wherever each lies: the end of one image and the start of the next make a whole tile. And B is
read at any distance between its rows: a channel's pixels lie side by side as a panel would have them, so that the
image is its own panel.

Each is written in numpy, which says what it means and runs under `NUMBA_DISABLE_JIT=1`, and as LLVM vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS
from reference.kernels.vectors import VECTOR_BYTES, Vectors


def _plain_tile(rows: int):
    def tile(
        c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
        soon_step, next_at, next_step,
    ):  # fmt: skip
        lanes = VECTOR_BYTES // c.itemsize
        left = a[a_at : a_at + count * rows].reshape(count, rows)
        for x in range(VECTORS):
            right = b[b_at + x * b_gap + np.arange(count)[:, None] * b_step + np.arange(lanes)]  # (K, lanes)
            total = start[start_at : start_at + rows, None] + left.T @ right
            for r in range(rows):
                at = c_at + r * c_step + x * c_gap
                c[at : at + lanes] = total[r]

    return tile


def _compiled_tile(rows: int):
    @intrinsic
    def tile(
        typingctx, c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at,
        soon_gap, soon_step, next_at, next_step,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            c_at, c_gap, c_step, a_at, b_at, b_gap, b_step, count, start_at = (
                args[i] for i in (1, 2, 3, 5, 7, 8, 9, 10, 12)
            )
            soon_at, soon_gap, soon_step, next_at, next_step = args[14:]
            c, a, b, start, soon = (v.pointer(signature.args[i], args[i]) for i in (0, 4, 6, 11, 13))

            def number(value):
                return context.get_constant(types.intp, value)

            def step(k, totals):
                row_a = builder.add(a_at, builder.mul(k, number(rows)))
                row_b = builder.add(b_at, builder.mul(k, b_step))
                right = [v.load(b, row_b), v.load(b, row_b, b_gap)]
                row_soon = builder.add(soon_at, builder.mul(k, soon_step))
                v.prefetch(soon, row_soon)
                v.prefetch(soon, row_soon, soon_gap)
                v.prefetch(c, next_at, builder.mul(k, next_step), write=True)
                results = []
                for r in range(rows):
                    left = v.splat(a, row_a, number(r))
                    results += [v.multiply_add(totals[r * VECTORS + x], left, right[x]) for x in range(VECTORS)]
                return results

            places = []
            for r in range(rows):
                row = builder.add(c_at, builder.mul(c_step, number(r)))
                places += [row, builder.add(row, c_gap)]
            starts = [v.splat(start, start_at, number(r)) for r in range(rows) for _ in range(VECTORS)]
            totals = v.loop(number(0), count, number(1), starts, step)
            for total, place in zip(totals, places):
                v.store(total, c, place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(c, n, n, n, a, n, b, n, n, n, n, start, n, soon, n, n, n, n, n), codegen

    return tile


_tile = _plain_tile if numba.config.DISABLE_JIT else _compiled_tile
_tile_0, _tile_1, _tile_2, _tile_3, _tile_4 = (_tile(rows) for rows in HEIGHTS)


def tile(
    rows, c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
    soon_step, next_at, next_step,
):  # fmt: skip
    """One panel of A times two vectors of each row of B.

    Args:
        rows: R, one of `HEIGHTS`.
        c: flat; row r's first vector is written from c_at + r*c_step on, its second c_gap further on.
        a, a_at: flat, and where the panel starts; number (k, r) lies k*R + r further on.
        b, b_at: flat; row k's first vector lies at b_at + k*b_step, its second b_gap further on.
        count: K. start, start_at: what each row starts from.
        soon: flat; step k asks for its numbers at soon_at + k*soon_step and `soon_gap` further on, to be read.
        next_at, next_step: step k asks for the number of C at next_at + k*next_step, to be written.
    """
    if rows == HEIGHTS[0]:
        _tile_0(
            c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
            soon_step, next_at, next_step,
        )  # fmt: skip
    elif rows == HEIGHTS[1]:
        _tile_1(
            c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
            soon_step, next_at, next_step,
        )  # fmt: skip
    elif rows == HEIGHTS[2]:
        _tile_2(
            c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
            soon_step, next_at, next_step,
        )  # fmt: skip
    elif rows == HEIGHTS[3]:
        _tile_3(
            c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
            soon_step, next_at, next_step,
        )  # fmt: skip
    else:
        _tile_4(
            c, c_at, c_gap, c_step, a, a_at, b, b_at, b_gap, b_step, count, start, start_at, soon, soon_at, soon_gap,
            soon_step, next_at, next_step,
        )  # fmt: skip


tile_compiled = compiled(tile, inline="always")


def _plain_spread(out, out_at, source, source_at, bits):
    for lane in range(VECTOR_BYTES // out.itemsize):
        seen = bits >> lane & 1
        out[out_at + lane] = source[source_at] if seen else 0
        source_at += seen


def _compiled_spread(read):
    """A vector that `read(v, source, source_at, bits)` takes from the source, written."""

    @intrinsic
    def spread(typingctx, out, out_at, source, source_at, bits):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, source = (v.pointer(signature.args[i], args[i]) for i in (0, 2))
            v.store(read(v, source, args[3], args[4]), out, args[1])
            return context.get_dummy_value()

        return types.void(out, types.intp, source, types.intp, types.intp), codegen

    return spread


def _some(v, source, source_at, bits):
    return v.spread_load(bits, source, source_at)


def _every_other(v, source, source_at, bits):
    zeros, order = v.zeros(), [x for lane in range(-(-v.lanes // 2)) for x in (lane, v.lanes)][: v.lanes]
    mask = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), order)
    spread = v.builder.shuffle_vector(v.load(source, source_at), zeros, mask)
    return v.builder.select(v.lanes_of(bits), spread, zeros)


# A vector whose lanes are the next numbers of the source where `bits` has ones, and zero elsewhere. The second is for
# ones at lanes 0, 2, 4, ... up to some lane, or none, and faster; it reads a whole vector of the source.
_plain = numba.config.DISABLE_JIT
spread = _plain_spread if _plain else _compiled_spread(_some)
spread_every_other = _plain_spread if _plain else _compiled_spread(_every_other)
