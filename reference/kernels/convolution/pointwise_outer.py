"""The compiled loops of `pointwise` for the gradient of the weight: sums of outer products over pixels.

    total[o, c] = sum over n, p of  grad[n, o, p] * image[n, c, p]

Only the images are turned, so that W channels of a pixel lie side by side; the gradient's numbers are taken one by one
from rows of pixels: those of the gradient where they are long, copies of several images' side by side where they are
short. The R x W sums stay in registers over all pixels of a block of images.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import fill_transposed_compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS, initial
from reference.kernels.convolution.pointwise_kernels import gather_compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

PAGE = 4096  # bytes; numbers at this distance share a few places of the first-level cache


def _plain_outer(rows: int):
    def outer(c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add):
        width = VECTORS * VECTOR_BYTES // c.itemsize
        left = a[a_at + np.arange(rows)[:, None] * a_step + np.arange(count)]  # (R, P)
        total = left @ b[b_at : b_at + count * width].reshape(count, width)
        for r in range(rows):
            row = c[c_at + r * c_step : c_at + r * c_step + width]
            row[:] = total[r] + (row if add else 0)

    return outer


def _compiled_outer(rows: int):
    @intrinsic
    def outer(typingctx, c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add = args
            c, a, b, zeros = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 6, 9))

            def number(value):
                return context.get_constant(types.intp, value)

            lines = [builder.add(a_at, builder.mul(a_step, number(r))) for r in range(rows)]

            def pixel(p, totals):
                row_b = builder.add(b_at, builder.mul(p, number(VECTORS * v.lanes)))
                right = [v.load(b, row_b, number(x * v.lanes)) for x in range(VECTORS)]
                results = []
                for r, line in enumerate(lines):
                    left = v.splat(a, line, p)
                    results += [v.multiply_add(totals[r * VECTORS + x], left, right[x]) for x in range(VECTORS)]
                return results

            rows_at = [builder.add(c_at, builder.mul(c_step, number(r))) for r in range(rows)]
            places = [builder.add(row, number(x * v.lanes)) for row in rows_at for x in range(VECTORS)]
            starts = initial(v, c, places, rows, zeros, number(0), add, number)
            for total, place in zip(v.loop(number(0), count, number(1), starts, pixel), places):
                v.store(total, c, place)
            return context.get_dummy_value()

        n = types.intp
        return types.void(c, n, n, a, n, n, b, n, n, zeros, types.boolean), codegen

    return outer


_outer = _plain_outer if numba.config.DISABLE_JIT else _compiled_outer
_outer_0, _outer_1, _outer_2, _outer_3, _outer_4 = (_outer(rows) for rows in HEIGHTS)


def outer(rows, c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add):
    """C (R x W) (+)= the sum over pixels of A's R numbers times B's W numbers there.

    Args:
        rows: R, one of `HEIGHTS`. c, c_at, c_step: flat, row r at c_at + r*c_step.
        a, a_at, a_step: flat, row r at a_at + r*a_step, pixels side by side. b, b_at: flat, pixels W apart.
        count: how many pixels. zeros: R zeros. add: whether C is added to, or overwritten.
    """
    if rows == HEIGHTS[0]:
        _outer_0(c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add)
    elif rows == HEIGHTS[1]:
        _outer_1(c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add)
    elif rows == HEIGHTS[2]:
        _outer_2(c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add)
    elif rows == HEIGHTS[3]:
        _outer_3(c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add)
    else:
        _outer_4(c, c_at, c_step, a, a_at, a_step, b, b_at, count, zeros, add)


outer_compiled = compiled(outer, inline="always")


def _turn(turned, lines, source, source_at, images, channels, plane, count, step, pieces):
    """Turn the used pixels of a block of images: panel c // W holds, for every pixel of every image, W channels.

    Args:
        turned: written. lines: room for the used pixels of W channels and a vector more.
        source, source_at: flat, and where the block starts. images: of the block. channels: C. plane: H*W.
        count: used pixels of an image. step, pieces: if they are not all, those of a block, as `gather` takes them.
    """
    width = VECTORS * VECTOR_BYTES // turned.itemsize
    for c in range(0, channels, width):
        some, panel, at = min(width, channels - c), turned[c * images * count :], source_at + c * plane
        if count < plane:
            gather_compiled(lines, 0, images * count, source, at, plane, some, step, pieces, pieces.shape[0])
            fill_transposed_compiled(panel, 0, lines, 0, some, images * count, images * count)
        else:
            for n in range(images):
                fill_transposed_compiled(
                    panel[n * count * width :], 0, source, at + n * channels * plane, some, plane, plane
                )  # fmt: skip


_turn_compiled = compiled(_turn)


def pixel_outer_products(
    grad, rows_all, source, images, channels, plane, units, firsts, pieces, count, step, cuts, totals, block, scratch,
    part, first, end,
):  # fmt: skip
    """totals[part, o, c] = the gradient of the weight over images first to end.

    Args:
        grad: flat (N, O, P). rows_all: O. source: flat (N, C, plane). images: N. channels: C.
        units, firsts, pieces, count: see `pointwise_plan.Pixels`. step: columns between used pixels.
        cuts: `gemm_tile.row_cuts(O)`.
        totals: (parts, O, C rounded up to W), written. block: images at a time.
        scratch: (parts, numbers): for a block's used pixels, all channels turned, W lines, HEIGHTS[0] rows of the
            gradient, and a vector more.
        first, end: the images to do.
    """
    lanes = VECTOR_BYTES // grad.itemsize
    width, padded = VECTORS * lanes, totals.shape[2]
    total, zeros = totals[part].reshape(-1), np.zeros(HEIGHTS[0], grad.dtype)
    together = block * count
    turned, rest = scratch[part, : padded * together], scratch[part, padded * together :]
    lines, beside = rest[: width * together + lanes], rest[width * together + lanes :]
    per_image, per_grad = pieces.shape[0], units.shape[0]
    seen, seen_grad = np.empty((block * per_image, 3), np.int64), np.empty((block * per_grad, 3), np.int64)
    for n in range(block):
        for u in range(per_grad):
            to, image = n * count + units[u], n * channels * plane
            seen_grad[n * per_grad + u, 0], seen_grad[n * per_grad + u, 1] = to, n * rows_all * count + units[u]
            seen_grad[n * per_grad + u, 2] = min(lanes, count)
            for p in range(firsts[u], firsts[u + 1]):
                i = n * per_image + p
                seen[i, 0], seen[i, 1], seen[i, 2] = to + pieces[p, 0], image + pieces[p, 1], pieces[p, 2]
    for n0 in range(first, end, block):
        some = min(block, end - n0)
        _turn_compiled(
            turned, lines, source, n0 * channels * plane, some, channels, plane, count, step, seen[: some * per_image]
        )
        for panel in range(cuts.shape[0] - 1):
            o, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
            a, a_at, a_step = grad, (n0 * rows_all + o) * count, count
            if some > 1 or count * grad.itemsize % PAGE == 0:  # several images side by side, or rows that would compete
                a, a_at, a_step = beside, 0, some * count + lanes
                gather_compiled(
                    beside, 0, a_step, grad, (n0 * rows_all + o) * count, count, rows, 1, seen_grad, some * per_grad
                )  # fmt: skip
            for c in range(0, channels, width):
                outer_compiled(
                    rows, total, o * padded + c, padded, a, a_at, a_step, turned, c * some * count, some * count,
                    zeros, n0 > first,
                )  # fmt: skip


def add_parts(totals, gradient, first, end):
    """gradient[o, c] = the sum over parts of totals[part, o, c], for rows first to end."""
    for o in range(first, end):
        for c in range(gradient.shape[1]):
            gradient[o, c] = totals[0, o, c]
        for part in range(1, totals.shape[0]):
            for c in range(gradient.shape[1]):
                gradient[o, c] += totals[part, o, c]


pixel_outer_products_compiled, add_parts_compiled = compiled(pixel_outer_products), compiled(add_parts)
