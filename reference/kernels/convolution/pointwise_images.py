"""The compiled loop of `pointwise` where every pixel is used: images as they lie, times a packed weight.

With few channels the multiply-adds of a tile take as long as its memory, and whatever else a tile does is seen. So
where its numbers lie is worked out once per shape (`pointwise_plan.places`), and memory is asked for in the order of
its addresses: each step of a tile asks for a share of what the next panel of rows writes, which is one piece of an
image of the result, and for a share of the next images.

An image of 225 pixels is 14 vectors and one pixel, which would cost as much as a vector. So where one or two pixels are
left, the lanes are rows of the weight for these: a panel's rows lie side by side, and one vector holds all of its sums.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import fill_rows_compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS
from reference.kernels.convolution.pointwise_tile import tile_compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

CHAINS = 4  # sums of one vector of rows at a time, so that none waits for the multiply-add before it


def _plain_row_sums(out, out_at, a, a_at, a_step, b, b_at, b_step, count):
    lanes = VECTOR_BYTES // out.itemsize
    left = a[a_at + np.arange(count)[:, None] * a_step + np.arange(lanes)]  # (K, lanes)
    out[out_at : out_at + lanes] = b[b_at + np.arange(count) * b_step] @ left


@intrinsic
def _compiled_row_sums(typingctx, out, out_at, a, a_at, a_step, b, b_at, b_step, count):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, out_at, a, a_at, a_step, b, b_at, b_step, count = args
        out, a, b = (v.pointer(signature.args[i], args[i]) for i in (0, 2, 5))

        def number(value):
            return context.get_constant(types.intp, value)

        def step(k, totals):
            results = []
            for i, total in enumerate(totals):
                term = builder.add(k, number(i))
                left = v.load(a, a_at, builder.mul(term, a_step))
                results.append(v.multiply_add(total, v.splat(b, b_at, builder.mul(term, b_step)), left))
            return results

        whole = builder.and_(count, number(-CHAINS))
        first, *others = v.loop(number(0), whole, number(CHAINS), [v.zeros()] * CHAINS, step)
        (total,) = v.loop(whole, count, number(1), [first], step)
        for other in others:
            total = builder.fadd(total, other)
        v.store(total, out, out_at)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, a, n, n, b, n, n, n), codegen


# out[r] = the sum over k of a[k*a_step + r] * b[k*b_step], for a vector's lanes r.
_row_sums = _plain_row_sums if numba.config.DISABLE_JIT else _compiled_row_sums


def _next_panel(cuts, panel, row_first, row_end, images):
    """The row where the panel after this one starts, the first of the next images after the last, and its height."""
    if panel + 1 < row_end:
        return cuts[panel + 1], cuts[panel + 2] - cuts[panel + 1]
    return images * cuts[-1] + cuts[row_first], cuts[row_first + 1] - cuts[row_first]


next_panel = compiled(_next_panel, inline="always")


def image_products(
    source, target, start, weight, packed, steps, images, channels, plane, cuts, places, rest, block, chunks, part,
    first, end,
):  # fmt: skip
    """Write target images: a packed weight times source images.

    Args:
        source: flat (N, channels, plane). target: flat (N, R, plane), all of it written.
        start: what each row starts from. weight, steps: flat, numbers between its rows and between what is summed.
        packed: (parts, numbers), room for the weight and two vectors. cuts: where the panels of the R rows start.
        places: (tiles, 7), see `pointwise_plan.places`. rest: how many pixels come after an image's last vector.
        block: images at a time. chunks: parts of the R rows.
        first, end: the units of work, block * chunks + chunk.
    """
    lanes, panels = VECTOR_BYTES // source.itemsize, cuts.shape[0] - 1
    a, of_chunk, one_tap = packed[part], -1, np.zeros(1, np.int64)
    column = np.empty(HEIGHTS[0] + lanes, source.dtype)
    for item in range(first, end):
        n0, chunk = item // chunks * block, item % chunks
        row_first, row_end = panels * chunk // chunks, panels * (chunk + 1) // chunks
        if chunk != of_chunk:
            fill_rows_compiled(
                a, 0, weight, 0, steps[0], channels, steps[1], one_tap, cuts, row_first, row_end
            )  # fmt: skip
            of_chunk = chunk
        some, image = min(block, images - n0), n0 * channels * plane
        units, soon_at = some * -(-(plane - rest) // lanes), image + some * channels * plane
        pairs = -(-units // VECTORS)
        share = -(-some * channels * plane // (pairs * (row_end - row_first)))  # of the next block, for each tile
        for panel in range(row_first, row_end):
            r, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
            r_next, rows_next = next_panel(cuts, panel, row_first, row_end, some)
            for pair in range(pairs):
                n, unit, n_gap, gap = places[pair, 0], places[pair, 1], places[pair, 2], places[pair, 3]
                if VECTORS * pair + 1 == units:  # the right one belongs to an image that is not there
                    n_gap, gap = 0, 0
                to = (n0 + n) * cuts[-1]
                tile_compiled(
                    rows, target, (to + r) * plane + unit, n_gap * cuts[-1] * plane + gap, plane, a, r * channels,
                    source, image + n * channels * plane + unit, n_gap * channels * plane + gap, plane, channels,
                    start, r, source, soon_at, 0, -(-share // channels),
                    (to + r_next) * plane + unit * rows_next, -(-rows_next * VECTORS * lanes // channels),
                )  # fmt: skip
                soon_at += share
            for n in range(some):
                for x in range(plane - rest, plane):
                    for row in range(0, rows, lanes):
                        _row_sums(
                            column, row, a, r * channels + row, rows, source, image + n * channels * plane + x, plane,
                            channels,
                        )  # fmt: skip
                    at = ((n0 + n) * cuts[-1] + r) * plane + x
                    for row in range(rows):
                        target[at + row * plane] = start[r + row] + column[row]


image_products_compiled = compiled(image_products)
