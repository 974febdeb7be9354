"""The compiled loops of `depthwise`: three rows of a channel in registers, moving down the image.

    sums:      out[y, x] = start + sum over i, j of  weight[i, j] * source[y + i - top, x + j - left]
    products:  total[i, j] += sum over y, x of  grad[y, x] * source[y + i - top, x + j - left]

The lanes of a vector are neighbouring columns. Each row of the source is loaded once per kernel column, with the lanes
that lie in the padding masked, and used for the three output rows that see it: 3 loads for 9 multiply-adds. Rows of up
to half a vector take half vectors. Each loop is written in numpy, which says what it means and runs under
`NUMBA_DISABLE_JIT=1`, and as LLVM vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

TAPS = 3  # rows and columns of the kernel


def row_lanes(columns: int, itemsize: int) -> int:
    """Lanes of the vectors for rows of so many columns."""
    lanes = VECTOR_BYTES // itemsize
    return lanes // 2 if lanes > 1 and columns <= lanes // 2 else lanes


def _seen(source, at, size, rows, columns):
    """A plane's pixels (rows, columns) for any row and column numbers, zero outside of it."""
    inside = np.outer((0 <= rows) & (rows < size[0]), (0 <= columns) & (columns < size[1]))
    seen = np.zeros(inside.shape, source.dtype)
    seen[inside] = source[at + (rows[:, None] * size[1] + columns)[inside]]
    return seen


def _plain_sums(half: bool):
    def sums(out, out_at, out_size, source, source_at, source_size, corner, x, weights, weight_at, start, start_at):
        lanes = VECTOR_BYTES // out.itemsize // (2 if half else 1)
        y, columns = np.arange(out_size[0]), np.arange(x, min(x + lanes, out_size[1]))
        total = np.full((y.size, columns.size), start[start_at], out.dtype)
        for i in range(TAPS):
            for j in range(TAPS):
                seen = _seen(source, source_at, source_size, y + i - corner[0], columns + j - corner[1])
                total += weights[weight_at + i * TAPS + j] * seen
        out[out_at + y[:, None] * out_size[1] + columns] = total

    return sums


def _plain_products(half: bool):
    def products(total, total_at, grad, grad_at, grad_size, source, source_at, source_size, corner, x):
        lanes = VECTOR_BYTES // grad.itemsize // (2 if half else 1)
        y, columns = np.arange(grad_size[0]), np.arange(x, min(x + lanes, grad_size[1]))
        upstream = grad[grad_at + y[:, None] * grad_size[1] + columns]
        for i in range(TAPS):
            for j in range(TAPS):
                seen = _seen(source, source_at, source_size, y + i - corner[0], columns + j - corner[1])
                at = total_at + (i * TAPS + j) * lanes
                total[at : at + columns.size] += (upstream * seen).sum(0)

    return products


class _Window:
    """Writes the instructions that load a source row as the three kernel columns see it."""

    def __init__(self, v, number, source, source_at, source_size, corner, x, columns):
        self.v, self.builder, self.source = v, v.builder, source
        builder = self.builder
        self.rows, self.width = (builder.extract_value(source_size, axis) for axis in range(2))
        self.top, left = (builder.extract_value(corner, axis) for axis in range(2))
        self.used = v.lanes_in(number(0), builder.sub(columns, x))
        self.first, self.masks = [], []
        for j in range(TAPS):
            column = builder.add(x, builder.sub(number(j), left))  # what lane 0 sees
            inside = v.lanes_in(builder.neg(column), builder.sub(self.width, column))
            self.masks.append(builder.and_(self.used, inside))
            self.first.append(builder.add(source_at, column))

    def row(self, r, inside=None):
        """The row r; zeros where `inside`, if it is given, says no."""
        at, builder, rows = self.builder.mul(r, self.width), self.builder, []
        for first, mask in zip(self.first, self.masks):
            if inside is not None:
                mask = builder.and_(mask, self.v.every_lane(inside))
            rows.append(self.v.masked_load(mask, self.source, first, at))
        return rows


def _clamp(builder, value, low, high):
    value = builder.select(builder.icmp_signed("<", value, low), low, value)
    return builder.select(builder.icmp_signed(">", value, high), high, value)


def _compiled_sums(half: bool):
    @intrinsic
    def sums(
        typingctx, out, out_at, out_size, source, source_at, source_size, corner, x, weights, weight_at, start, start_at
    ):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            v = v.halved() if half else v
            out_at, out_size, source_at, source_size, corner, x, weight_at, start_at = (
                args[i] for i in (1, 2, 4, 5, 6, 7, 9, 11)
            )
            out, source, weights, start = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 8, 10))

            def number(value):
                return context.get_constant(types.intp, value)

            rows, columns = (builder.extract_value(out_size, axis) for axis in range(2))
            window = _Window(v, number, source, source_at, source_size, corner, x, columns)
            weight = [v.splat(weights, weight_at, number(t)) for t in range(TAPS * TAPS)]
            begin, last = v.splat(start, start_at), builder.add(rows, number(TAPS - 1))

            def below(u, totals, seen):
                """Row u of the padded source: the last of output row u - 2, the first of output row u."""
                done, next_one, fresh = *totals, begin
                for j, vector in enumerate(seen):
                    done = v.multiply_add(done, weight[2 * TAPS + j], vector)
                    next_one = v.multiply_add(next_one, weight[TAPS + j], vector)
                    fresh = v.multiply_add(fresh, weight[j], vector)
                with builder.if_then(builder.icmp_signed(">=", u, number(TAPS - 1)), likely=True):
                    y = builder.sub(u, number(TAPS - 1))
                    v.masked_store(window.used, done, out, out_at, builder.mul(y, columns), x)
                return [next_one, fresh]

            top = _clamp(builder, window.top, number(0), last)
            bottom = _clamp(builder, builder.add(window.top, window.rows), top, last)
            totals = v.loop(number(0), top, number(1), [begin, begin], lambda u, totals: below(u, totals, []))
            totals = v.loop(
                top, bottom, number(1), totals,
                lambda u, totals: below(u, totals, window.row(builder.sub(u, window.top))),
            )  # fmt: skip
            v.loop(bottom, last, number(1), totals, lambda u, totals: below(u, totals, []))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, out_size, source, n, source_size, corner, n, weights, n, start, n), codegen

    return sums


def _compiled_products(half: bool):
    @intrinsic
    def products(typingctx, total, total_at, grad, grad_at, grad_size, source, source_at, source_size, corner, x):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            v = v.halved() if half else v
            total_at, grad_at, grad_size, source_at, source_size, corner, x = (args[i] for i in (1, 3, 4, 6, 7, 8, 9))
            total, grad, source = (v.pointer(signature.args[i], args[i]) for i in (0, 2, 5))

            def number(value):
                return context.get_constant(types.intp, value)

            rows, columns = (builder.extract_value(grad_size, axis) for axis in range(2))
            window = _Window(v, number, source, source_at, source_size, corner, x, columns)
            count, above = TAPS * TAPS, []
            for i in range(TAPS - 1):
                r = builder.sub(number(i), window.top)
                above += window.row(r, builder.icmp_unsigned("<", r, window.rows))
            zeros = [v.zeros()] * TAPS

            def row(y, totals, last):
                """Output row y, whose window holds the rows `above`, which come with the totals, and the last one."""
                seen = totals[count:] + last
                upstream = v.masked_load(window.used, grad, grad_at, builder.mul(y, columns), x)
                sums = [v.multiply_add(totals[t], upstream, seen[t]) for t in range(count)]
                return sums + seen[TAPS:]

            # The last row of a window is a row of the source for these output rows.
            top = _clamp(builder, builder.sub(window.top, number(TAPS - 1)), number(0), rows)
            bottom = _clamp(
                builder, builder.add(window.rows, builder.sub(window.top, number(TAPS - 1))), top, rows
            )
            totals = [v.load(total, total_at, number(t * v.lanes)) for t in range(count)]
            totals = v.loop(number(0), top, number(1), totals + above, lambda y, totals: row(y, totals, zeros))
            totals = v.loop(
                top, bottom, number(1), totals,
                lambda y, totals: row(
                    y, totals, window.row(builder.add(y, builder.sub(number(TAPS - 1), window.top)))
                ),
            )  # fmt: skip
            totals = v.loop(bottom, rows, number(1), totals, lambda y, totals: row(y, totals, zeros))
            for t in range(count):
                v.store(totals[t], total, total_at, number(t * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(total, n, grad, n, grad_size, source, n, source_size, corner, n), codegen

    return products


_sums = _plain_sums if numba.config.DISABLE_JIT else _compiled_sums
_products = _plain_products if numba.config.DISABLE_JIT else _compiled_products
_sums_whole, _sums_half, _products_whole, _products_half = _sums(False), _sums(True), _products(False), _products(True)


def channel_sums(source, weights, start, corner, lanes, target, first, end):
    """Write channels of the target, each a sum over the nine taps of its channel of the source.

    Args:
        source: (N, C, H, W). weights: (C*9,). start: (C,) what each channel starts from.
        corner: (top, left), the zeros before the source; negative where its first rows or columns are not seen.
        lanes: `row_lanes` of the target's width.
        target: (N, C, TH, TW). first, end: the channels to do, of all N*C.
    """
    size, target_size = (source.shape[2], source.shape[3]), (target.shape[2], target.shape[3])
    pixels, target_pixels, channels = size[0] * size[1], target_size[0] * target_size[1], source.shape[1]
    seen, out = source.reshape(-1), target.reshape(-1)
    for plane in range(first, end):
        c, at, to = plane % channels, plane * pixels, plane * target_pixels
        for x in range(0, target_size[1], lanes):
            if lanes * out.itemsize == VECTOR_BYTES:
                _sums_whole(out, to, target_size, seen, at, size, corner, x, weights, 9 * c, start, c)
            else:
                _sums_half(out, to, target_size, seen, at, size, corner, x, weights, 9 * c, start, c)


def channel_products(grad, source, corner, totals, part, first, end):
    """Add to `totals[part]` the products of the output's channels with what the nine taps see of them.

    Args:
        grad: (N, C, OH, OW). source: (N, C, H, W). corner: (top, left) as in `channel_sums`.
        totals: (parts, C, 9, lanes), one partial sum per lane of `row_lanes`; the caller adds the lanes.
        first, end: the images to do.
    """
    size, grad_size = (source.shape[2], source.shape[3]), (grad.shape[2], grad.shape[3])
    pixels, grad_pixels, (channels, _, lanes) = size[0] * size[1], grad_size[0] * grad_size[1], totals[part].shape
    seen, upstream, flat = source.reshape(-1), grad.reshape(-1), totals[part].reshape(-1)
    for plane in range(first * channels, end * channels):
        c, at, to = plane % channels, plane * pixels, plane * grad_pixels
        for x in range(0, grad_size[1], lanes):
            if lanes * grad.itemsize == VECTOR_BYTES:
                _products_whole(flat, c * 9 * lanes, upstream, to, grad_size, seen, at, size, corner, x)
            else:
                _products_half(flat, c * 9 * lanes, upstream, to, grad_size, seen, at, size, corner, x)


channel_sums_compiled = compiled(channel_sums)
channel_products_compiled = compiled(channel_products)
