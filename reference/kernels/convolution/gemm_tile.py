"""The register tile of a packed matrix product, and the product of whole packed panels made of it.

    C[r, x] = start[r] or C[r, x], plus the sum over k of  A[k, r] * B[k, x]

A tile holds R rows times W = 2 vectors of C in registers while k runs, so that one load of B and one number of A
feed many multiply-adds: 14 x 2 vectors take 28 of AVX-512's 32 registers and 16 loads per 28 multiply-adds; 6 x 2
vectors take 12 of the 16 registers of AVX2 and SSE.

Packed formats, all flat arrays:

    A (rows x K): rows in panels of `row_cuts`; the panel of rows r0 to r0 + R starts at r0*K, and holds for every
        k its R numbers side by side: number (r, k) lies at r0*K + k*R + (r - r0).
    B (K x columns): columns in panels of `columns(itemsize)` = W; the panel of columns x0 to x0 + W starts at
        x0*K, and holds for every k its W numbers side by side: number (k, x) lies at x0*K + k*W + (x - x0). The
        last panel has all its W columns, whatever the spare ones hold.

Each tile is written twice: in numpy, which says what it means and runs under `NUMBA_DISABLE_JIT=1`, and as LLVM
vectors, which is what runs otherwise.

Reference: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008; Van Zee and van de
Geijn, "BLIS: a framework for rapidly instantiating BLAS functionality", 2015 (packed panels, register tile).
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

VECTORS = 2  # per row of a tile
# Rows of the tiles, tallest first: the tallest fills the registers, three are the colours of a first layer, the others
# end a matrix without waste.
HEIGHTS = (14, 8, 4, 3, 1) if VECTOR_BYTES == 64 else (6, 4, 3, 2, 1)
# What a tile of each height costs per k, in multiply-adds: short ones wait for their loads and for themselves.
_COSTS = {14: 28, 8: 16.5, 6: 12, 4: 9, 3: 7, 2: 6, 1: 4}


def columns(itemsize: int) -> int:
    """W, the columns of a tile for numbers of so many bytes."""
    return VECTORS * VECTOR_BYTES // itemsize


@lru_cache(maxsize=256)
def row_cuts(rows: int) -> np.ndarray:
    """Where the panels of `rows` rows start, and at last `rows` itself: int64, every step one of `HEIGHTS`."""
    best = [(0.0, 0)]  # (cost, height of the last panel) of the first so many rows
    for count in range(1, rows + 1):
        best.append(min((best[count - height][0] + _COSTS[height], height) for height in HEIGHTS if height <= count))
    heights = []
    while rows:
        heights.append(best[rows][1])
        rows -= heights[-1]
    return np.cumsum([0, *sorted(heights, reverse=True)])


def _plain_tile(rows: int):
    def tile(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add):
        half = columns(c.itemsize) // VECTORS
        total = np.zeros((rows, half * VECTORS), c.dtype)
        for run in range(first, first + count):
            from_a, from_b, k = a_at + rows * runs[run, 0], b_at + half * VECTORS * runs[run, 1], runs[run, 2]
            left = a[from_a : from_a + k * rows].reshape(k, rows)
            total += left.T @ b[from_b : from_b + k * half * VECTORS].reshape(k, half * VECTORS)  # (rows, W)
        for r in range(rows):
            for v in range(VECTORS):
                at = c_at + r * c_step + v * c_gap
                before = c[at : at + half] if add else start[start_at + r]
                c[at : at + half] = before + total[r, v * half : (v + 1) * half]

    return tile


def _compiled_tile(rows: int):
    @intrinsic
    def tile(typingctx, c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add = args
            c, a, b, runs, start = (v.pointer(signature.args[i], args[i]) for i in (0, 4, 6, 8, 11))

            def number(value):
                return context.get_constant(types.intp, value)

            def run(index, totals):
                at = builder.mul(index, number(3))
                from_a, from_b, k = (builder.load(v.address(runs, at, number(i))) for i in range(3))
                from_a = builder.add(a_at, builder.mul(from_a, number(rows)))
                from_b = builder.add(b_at, builder.mul(from_b, number(VECTORS * v.lanes)))

                def step(t, totals):
                    row_a = builder.add(from_a, builder.mul(t, number(rows)))
                    row_b = builder.add(from_b, builder.mul(t, number(VECTORS * v.lanes)))
                    right = [v.load(b, row_b, number(x * v.lanes)) for x in range(VECTORS)]
                    results = []
                    for r in range(rows):
                        left = v.splat(a, row_a, number(r))
                        results += [v.multiply_add(totals[r * VECTORS + x], left, right[x]) for x in range(VECTORS)]
                    return results

                return v.loop(number(0), k, number(1), totals, step)

            places = []
            for r in range(rows):
                row = builder.add(c_at, builder.mul(c_step, number(r)))
                places += [builder.add(row, builder.mul(c_gap, number(x))) for x in range(VECTORS)]
            starts = initial(v, c, places, rows, start, start_at, add, number)
            totals = v.loop(first, builder.add(first, count), number(1), starts, run)
            for total, place in zip(totals, places):
                v.store(total, c, place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(c, n, n, n, a, n, b, n, runs, n, n, start, n, types.boolean), codegen

    return tile


def initial(v, c, places, rows, start, start_at, add, number):
    """The totals of a tile before its loop: C where `add` says so, each row's start otherwise."""
    builder = v.builder
    adding, fresh = builder.append_basic_block("adding"), builder.append_basic_block("fresh")
    begin = builder.append_basic_block("begin")
    builder.cbranch(add, adding, fresh)
    builder.position_at_end(adding)
    old = [v.load(c, place) for place in places]
    builder.branch(begin)
    builder.position_at_end(fresh)
    for place in places:
        v.prefetch(c, place, write=True)  # fetched while the sum runs, not when it is stored
    new = [v.splat(start, start_at, number(r)) for r in range(rows)]
    builder.branch(begin)
    builder.position_at_end(begin)
    starts = []
    for x in range(rows * VECTORS):
        phi = builder.phi(v.type)
        phi.add_incoming(old[x], adding)
        phi.add_incoming(new[x // VECTORS], fresh)
        starts.append(phi)
    return starts


_tile = _plain_tile if numba.config.DISABLE_JIT else _compiled_tile
_tile_0, _tile_1, _tile_2, _tile_3, _tile_4 = (_tile(rows) for rows in HEIGHTS)


def tile(rows, c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add):
    """One panel of A times one panel of B.

    Args:
        rows: R, one of `HEIGHTS`, the height of A's panel.
        c: flat; row r's first vector lies at c_at + r*c_step, its second `c_gap` numbers (the number of lanes,
            where the row is one piece) further on.
        a, a_at: where the numbers of A start, K x R. b, b_at: where those of B start, K x W.
        runs, first, count: (runs, 3) int64, of which `count` from `first` on make up the sum; each is where it
            starts in A and in B, in rows of R and W numbers, and its length.
        start, start_at: what each row starts from, where `add` is False; where it is True, C is added to.
    """
    if rows == HEIGHTS[0]:
        _tile_0(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add)
    elif rows == HEIGHTS[1]:
        _tile_1(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add)
    elif rows == HEIGHTS[2]:
        _tile_2(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add)
    elif rows == HEIGHTS[3]:
        _tile_3(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add)
    else:
        _tile_4(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add)


tile_compiled = compiled(tile, inline="always")


def panel_product(c, c_at, c_step, a, a_at, cuts, b, b_at, count, k, add):
    """C (+)= A @ B for packed A and B, from one compiled kernel to be called by others.

    C is written in whole vectors: its rows need room for `columns` * W numbers. Keep `k` so small that a panel of
    A stays in the first-level cache (K <= 400 in float32) and B's panels in the second (count * W * K numbers).

    Args:
        c: flat; number (r, x) lies at c_at + r*c_step + x.
        a, a_at: packed A (rows x K), see the file's head. cuts: `row_cuts(rows)`.
        b, b_at: packed B (K x count*W). count: how many panels of W columns.
        k: K. add: whether C is added to, or overwritten.
    """
    width = VECTORS * VECTOR_BYTES // c.itemsize
    zeros = np.zeros(cuts[1] - cuts[0], c.dtype)
    runs = np.array([[0, 0, k]])
    for panel in range(cuts.shape[0] - 1):
        r, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
        for p in range(count):
            at = c_at + r * c_step + p * width
            tile_compiled(
                rows, c, at, width // VECTORS, c_step, a, a_at + r * k, b, b_at + p * width * k, runs, 0, 1,
                zeros, 0, add,
            )  # fmt: skip


panel_product_compiled = compiled(panel_product)
