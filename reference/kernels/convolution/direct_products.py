"""The compiled loops of `direct`'s weight gradient: every line of the output's gradient times every shifted line.

    total[o, t] = sum over images and x of  grad[o, x] * line[offset[t] + x]

R output channels and T taps at a time: R*T running sums stay in vector registers over a whole image, for R + T loads
per R*T multiply-adds. A bias is the weight of one more tap, whose line is all ones, so that its gradient comes from
the same reading of the output's gradient. The gradient's rows are read from memory once, a few at a time; the lines,
of one image, lie in the caches.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.direct_lines import fill_lines_compiled, new_planes_compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

# Output channels and taps of a tile, and what a tile of each costs per vector of pixels: those of few sums wait for
# their loads and for themselves. 4 x 6 sums, 6 lines and a row take 31 of AVX-512's 32 registers.
ROWS = {4: 4.0, 2: 2.5, 1: 2.0}
TAPS = {6: 6.0, 3: 3.5, 1: 2.0}


def _plain_products_tile(rows: int, taps: int):
    def products_tile(total, total_at, total_step, grad, grad_at, grad_step, count, source, source_at, offsets, first):
        lanes = VECTOR_BYTES // grad.itemsize
        for r in range(rows):
            row = grad[grad_at + r * grad_step :][:count]
            for t in range(taps):
                products = row * source[source_at + offsets[first + t] :][:count]
                at = total_at + r * total_step + t * lanes
                for i in range(0, count, lanes):
                    some = products[i : i + lanes]
                    total[at : at + len(some)] += some

    return products_tile


def _compiled_products_tile(rows: int, taps: int):
    @intrinsic
    def products_tile(
        typingctx, total, total_at, total_step, grad, grad_at, grad_step, count, source, source_at, offsets, first
    ):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            total_at, total_step, grad_at, grad_step, count, source_at, first = (
                args[i] for i in (1, 2, 4, 5, 6, 8, 10)
            )
            total, grad, source, offsets = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 7, 9))

            def number(value):
                return context.get_constant(types.intp, value)

            grad_rows = [builder.add(grad_at, builder.mul(grad_step, number(r))) for r in range(rows)]
            total_rows = [builder.add(total_at, builder.mul(total_step, number(r))) for r in range(rows)]
            seen_rows = [
                builder.add(source_at, builder.load(v.address(offsets, first, number(t)))) for t in range(taps)
            ]
            lanes = number(v.lanes)
            rest = builder.srem(count, lanes)
            whole, mask = builder.sub(count, rest), v.lanes_in(number(0), rest)

            def add(totals, load, i):
                seen, results = [load(source, row, i) for row in seen_rows], []
                for r in range(rows):
                    upstream = load(grad, grad_rows[r], i)
                    results += [v.multiply_add(totals[r * taps + t], upstream, seen[t]) for t in range(taps)]
                return results

            totals = [v.load(total, row, number(t * v.lanes)) for row in total_rows for t in range(taps)]
            totals = v.loop(number(0), whole, lanes, totals, lambda i, running: add(running, v.load, i))
            # The rest is less than a vector: one more round, or none.
            totals = v.loop(
                whole, count, lanes, totals,
                lambda i, running: add(running, lambda *place: v.masked_load(mask, *place), i),
            )  # fmt: skip
            for r, row in enumerate(total_rows):
                for t in range(taps):
                    v.store(totals[r * taps + t], total, row, number(t * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(total, n, n, grad, n, n, n, source, n, offsets, n), codegen

    return products_tile


_tile = _plain_products_tile if numba.config.DISABLE_JIT else _compiled_products_tile
_tile_4_6, _tile_4_3, _tile_4_1 = (_tile(4, taps) for taps in TAPS)
_tile_2_6, _tile_2_3, _tile_2_1 = (_tile(2, taps) for taps in TAPS)
_tile_1_6, _tile_1_3, _tile_1_1 = (_tile(1, taps) for taps in TAPS)


def _products_tile(rows, size, total, at, step, grad, grad_at, pixels, source, source_at, offsets, first):
    """total[r, t] += a tile of `rows` x `size` sums; `first` is its first tap."""
    if rows == 4 and size == 6:
        _tile_4_6(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif rows == 4 and size == 3:
        _tile_4_3(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif rows == 4:
        _tile_4_1(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif rows == 2 and size == 6:
        _tile_2_6(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif rows == 2 and size == 3:
        _tile_2_3(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif rows == 2:
        _tile_2_1(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif size == 6:
        _tile_1_6(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    elif size == 3:
        _tile_1_3(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)
    else:
        _tile_1_1(total, at, step, grad, grad_at, pixels, pixels, source, source_at, offsets, first)


_products_tile_compiled = compiled(_products_tile, inline="always")


def line_products(grad, source, lines, numbers, taps, row_cuts, tap_cuts, scratch, totals, part, first, end):
    """totals[part] = the products of every output pixel with what every tap sees of it, over images first to end.

    Args:
        grad: (N, O, OH, OW). source, lines, numbers: as in `line_sums`.
        taps: (K,) where each tap starts in a group's lines; or (K + 1,), where the last starts right after the lines
            of the only group, in a line of ones.
        row_cuts, tap_cuts: where the tiles start, and O/G and the number of taps.
        scratch: (parts, at least G*O/G*K*lanes), a sum for every lane. totals: (parts, G, O/G, K), written.
        first, end: the images to do.
    """
    _, groups, channels, count = totals.shape
    lanes = VECTOR_BYTES // source.itemsize
    pixels, step = grad.shape[2] * grad.shape[3], count * lanes
    lines_in_group = source.shape[1] // groups * lines.shape[0]
    per_group = lines_in_group * numbers[5]
    planes = new_planes_compiled(groups * per_group + pixels, source)
    planes[groups * per_group : groups * per_group + pixels] = 1
    sums, grads, total = scratch[part], grad.reshape(-1), totals[part].reshape(-1)
    sums[: groups * channels * step] = 0
    for n in range(first, end):
        fill_lines_compiled(source, n, lines, numbers, planes)
        for g in range(groups):
            for i in range(row_cuts.shape[0] - 1):
                o = g * channels + row_cuts[i]
                for j in range(tap_cuts.shape[0] - 1):
                    t = tap_cuts[j]
                    _products_tile_compiled(
                        row_cuts[i + 1] - row_cuts[i], tap_cuts[j + 1] - t, sums, (o * count + t) * lanes, step,
                        grads, (n * groups * channels + o) * pixels, pixels, planes, g * per_group, taps, t,
                    )  # fmt: skip
    for k in range(groups * channels * count):
        number = sums[k * lanes]
        for lane in range(1, lanes):
            number += sums[k * lanes + lane]
        total[k] = number


line_products_compiled = compiled(line_products)


def add_parts(totals, weight, bias):
    """Add the parts (parts, O, K) up: the first numbers of a row to weight (O, C/G*KH*KW), one more to bias (O,)."""
    taps = weight.shape[1]
    for o in range(weight.shape[0]):
        for t in range(totals.shape[2]):
            number = totals[0, o, t]
            for part in range(1, totals.shape[0]):
                number += totals[part, o, t]
            if t < taps:
                weight[o, t] = number
            else:
                bias[o] = number


add_parts_compiled = compiled(add_parts)
