"""The compiled loops of `depthwise`: three rows of a channel in registers, moving down the image.

    sums:      out[y, x] = start + sum over i, j of  weight[i, j] * source[y + i - top, x + j - left]
    products:  total[i, j] += sum over y, x of  grad[y, x] * source[y + i - top, x + j - left]

The lanes of a vector are neighbouring columns. Each row of the source is loaded once per kernel column, with the lanes
that lie in the padding masked, and stays in registers for the three output rows that see it: 3 loads for 9
multiply-adds, none of which waits for another row's. Where two rows fit into a vector and the output is as wide as the
image, rows are taken in twos: they lie side by side in memory, so that one load brings both, and a row of 7 fills 14
of 16 lanes. Each loop is written in numpy, which says what it means and runs under `NUMBA_DISABLE_JIT=1`, and as LLVM
vectors.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.prefetch import LINE_BYTES, fetch, fetch_to_write
from reference.kernels.vectors import VECTOR_BYTES, Vectors

TAPS = 3  # rows and columns of the kernel
# So far ahead planes are asked for, what is read and what is written: about as long as memory takes to answer.
BYTES_AHEAD = 4096


def rows_together(columns: int, source_columns: int, itemsize: int) -> int:
    """How many rows of the output a vector takes: two if they fit, and lie as those of the source do."""
    return 2 if columns == source_columns and 2 * columns <= VECTOR_BYTES // itemsize else 1


def _seen(source, at, size, rows, columns):
    """A plane's pixels (rows, columns) for any row and column numbers, zero outside of it."""
    inside = np.outer((0 <= rows) & (rows < size[0]), (0 <= columns) & (columns < size[1]))
    seen = np.zeros(inside.shape, source.dtype)
    seen[inside] = source[at + (rows[:, None] * size[1] + columns)[inside]]
    return seen


def _plain_sums(together: int):
    def sums(out, out_at, out_size, source, source_at, source_size, corner, x, weights, weight_at, start, start_at):
        lanes = VECTOR_BYTES // out.itemsize
        y, columns = np.arange(out_size[0]), np.arange(x, min(x + lanes, out_size[1]))
        total = np.full((y.size, columns.size), start[start_at], out.dtype)
        for i in range(TAPS):
            for j in range(TAPS):
                seen = _seen(source, source_at, source_size, y + i - corner[0], columns + j - corner[1])
                total += weights[weight_at + i * TAPS + j] * seen
        out[out_at + y[:, None] * out_size[1] + columns] = total

    return sums


def _plain_products(together: int):
    def products(total, total_at, grad, grad_at, grad_size, source, source_at, source_size, corner, x):
        lanes = VECTOR_BYTES // grad.itemsize
        y, columns = np.arange(grad_size[0]), np.arange(x, min(x + lanes, grad_size[1]))
        upstream = grad[grad_at + y[:, None] * grad_size[1] + columns]
        for i in range(TAPS):
            for j in range(TAPS):
                seen = _seen(source, source_at, source_size, y + i - corner[0], columns + j - corner[1])
                at = total_at + (i * TAPS + j) * lanes
                total[at : at + columns.size] += (upstream * seen).sum(0)

    return products


class _Window:
    """Writes the instructions that move a window of three times `together` rows down the image.

    Args:
        out_size, source_size, corner: pairs of integers in LLVM. x: the output's column in lane 0.
    """

    def __init__(self, v, number, together, out_size, source, source_at, source_size, corner, x):
        self.v, self.builder, self.number, self.together = v, v.builder, number, together
        self.source, builder = source, v.builder
        self.rows, self.columns = (builder.extract_value(out_size, axis) for axis in range(2))
        self.height, self.width = (builder.extract_value(source_size, axis) for axis in range(2))
        self.top, left = (builder.extract_value(corner, axis) for axis in range(2))
        self.used = v.lanes_in(number(0), builder.mul(builder.sub(self.columns, x), number(together)))
        self.first, self.masks = [], []
        for j in range(TAPS):
            column = builder.add(x, builder.sub(number(j), left))  # what lane 0 sees
            low = self._greater(number(0), builder.neg(column))
            high = self._less(builder.sub(self.columns, x), builder.sub(self.width, column))
            mask = v.lanes_in(low, high)
            if together == 2:
                mask = builder.or_(mask, v.lanes_in(*(builder.add(self.columns, end) for end in (low, high))))
            self.masks.append(mask)
            self.first.append(builder.add(source_at, column))

    def groups(self, totals, group):
        """Run `group(y, totals, window, used)` for the output rows y to y + together, from the top to the bottom.

        window[i][j] is what tap (i, j) sees, `used` the mask of the output's lanes.
        """
        builder, number, together = self.builder, self.number, self.together
        kept, count = TAPS - together, len(totals)
        end = builder.ashr(builder.add(self.rows, number(together - 1)), number(together - 1))
        # Groups whose new rows all are rows of the source, and that are whole: no mask but that of the columns.
        first_whole = builder.sub(self.top, number(kept))
        first_whole = builder.ashr(builder.add(first_whole, number(together - 1)), number(together - 1))
        end_whole = builder.add(builder.add(self.height, self.top), number(1 - TAPS - together))
        end_whole = builder.add(builder.ashr(end_whole, number(together - 1)), number(1))
        end_whole = self._less(end_whole, builder.ashr(self.rows, number(together - 1)))
        first_whole = self._less(self._greater(first_whole, number(0)), end)
        end_whole = self._less(self._greater(end_whole, first_whole), end)

        def steps(first, last, running, whole):
            def step(index, running):
                y = builder.mul(index, number(together))
                seen = running[count:]
                for i in range(kept, TAPS):
                    seen += self._row(builder.sub(builder.add(y, number(i)), self.top), whole)
                used = self.used
                if not whole:
                    left = builder.mul(builder.sub(self.rows, y), self.columns)
                    used = builder.and_(used, self.v.lanes_in(number(0), left))
                window = [seen[i * TAPS : (i + 1) * TAPS] for i in range(TAPS)]
                return group(y, running[:count], window, used) + seen[together * TAPS :]

            return self.v.loop(first, last, number(1), running, step)

        running = list(totals)
        for i in range(kept):
            running += self._row(builder.sub(number(i), self.top), False)
        running = steps(number(0), first_whole, running, False)
        running = steps(first_whole, end_whole, running, True)
        return steps(end_whole, end, running, False)[:count]

    def _row(self, r, whole):
        """The rows r to r + together as the three kernel columns see them; rows that may not exist if not `whole`."""
        at, builder, rows = self.builder.mul(r, self.width), self.builder, []
        if not whole:
            above = builder.mul(builder.neg(r), self.columns)
            inside = self.v.lanes_in(above, builder.add(above, builder.mul(self.height, self.columns)))
        for first, mask in zip(self.first, self.masks):
            mask = mask if whole else builder.and_(mask, inside)
            rows.append(self.v.masked_load(mask, self.source, first, at))
        return rows

    def _less(self, a, b):
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def _greater(self, a, b):
        return self.builder.select(self.builder.icmp_signed(">", a, b), a, b)


def _compiled_sums(together: int):
    @intrinsic
    def sums(
        typingctx, out, out_at, out_size, source, source_at, source_size, corner, x, weights, weight_at, start, start_at
    ):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out_at, out_size, source_at, source_size, corner, x, weight_at, start_at = (
                args[i] for i in (1, 2, 4, 5, 6, 7, 9, 11)
            )
            out, source, weights, start = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 8, 10))

            def number(value):
                return context.get_constant(types.intp, value)

            window = _Window(v, number, together, out_size, source, source_at, source_size, corner, x)
            weight = [v.splat(weights, weight_at, number(t)) for t in range(TAPS * TAPS)]
            begin = v.splat(start, start_at)

            def group(y, _, seen, used):
                total = begin
                for t in range(TAPS * TAPS):
                    total = v.multiply_add(total, weight[t], seen[t // TAPS][t % TAPS])
                v.masked_store(used, total, out, out_at, builder.mul(y, window.columns), x)
                return []

            window.groups([], group)
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, out_size, source, n, source_size, corner, n, weights, n, start, n), codegen

    return sums


def _compiled_products(together: int):
    @intrinsic
    def products(typingctx, total, total_at, grad, grad_at, grad_size, source, source_at, source_size, corner, x):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            total_at, grad_at, grad_size, source_at, source_size, corner, x = (args[i] for i in (1, 3, 4, 6, 7, 8, 9))
            total, grad, source = (v.pointer(signature.args[i], args[i]) for i in (0, 2, 5))

            def number(value):
                return context.get_constant(types.intp, value)

            window = _Window(v, number, together, grad_size, source, source_at, source_size, corner, x)

            def group(y, totals, seen, used):
                upstream = v.masked_load(used, grad, grad_at, builder.mul(y, window.columns), x)
                return [v.multiply_add(old, upstream, seen[t // TAPS][t % TAPS]) for t, old in enumerate(totals)]

            totals = [v.load(total, total_at, number(t * v.lanes)) for t in range(TAPS * TAPS)]
            for t, vector in enumerate(window.groups(totals, group)):
                v.store(vector, total, total_at, number(t * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(total, n, grad, n, grad_size, source, n, source_size, corner, n), codegen

    return products


_sums = _plain_sums if numba.config.DISABLE_JIT else _compiled_sums
_products = _plain_products if numba.config.DISABLE_JIT else _compiled_products
_sums_1, _sums_2, _products_1, _products_2 = _sums(1), _sums(2), _products(1), _products(2)


def channel_sums(source, weights, start, corner, together, target, first, end):
    """Write channels of the target, each a sum over the nine taps of its channel of the source.

    Args:
        source: (N, C, H, W). weights: (C*9,). start: (C,) what each channel starts from.
        corner: (top, left), the zeros before the source; negative where its first rows or columns are not seen.
        together: `rows_together` of the target's width and W.
        target: (N, C, TH, TW). first, end: the channels to do, of all N*C.
    """
    size, target_size = (source.shape[2], source.shape[3]), (target.shape[2], target.shape[3])
    pixels, target_pixels, channels = size[0] * size[1], target_size[0] * target_size[1], source.shape[1]
    seen, out = source.reshape(-1), target.reshape(-1)
    lanes, line, ahead = VECTOR_BYTES // out.itemsize, LINE_BYTES // out.itemsize, BYTES_AHEAD // out.itemsize
    for plane in range(first, end):
        c, at, to = plane % channels, plane * pixels, plane * target_pixels
        for x in range(0, pixels, line):
            fetch(seen, at + ahead + x)
        for x in range(0, target_pixels, line):
            fetch_to_write(out, to + ahead + x)
        if together == 2:
            _sums_2(out, to, target_size, seen, at, size, corner, 0, weights, 9 * c, start, c)
        else:
            for x in range(0, target_size[1], lanes):
                _sums_1(out, to, target_size, seen, at, size, corner, x, weights, 9 * c, start, c)


def channel_products(grad, source, corner, together, totals, part, first, end):
    """Add to `totals[part]` the products of the output's channels with what the nine taps see of them.

    Args:
        grad: (N, C, OH, OW). source: (N, C, H, W). corner: (top, left) as in `channel_sums`.
        together: `rows_together` of OW and W.
        totals: (parts, C, 9, lanes), one partial sum per lane; the caller adds the lanes.
        first, end: the images to do.
    """
    size, grad_size = (source.shape[2], source.shape[3]), (grad.shape[2], grad.shape[3])
    pixels, grad_pixels, (channels, _, lanes) = size[0] * size[1], grad_size[0] * grad_size[1], totals[part].shape
    seen, upstream, flat = source.reshape(-1), grad.reshape(-1), totals[part].reshape(-1)
    line, ahead = LINE_BYTES // flat.itemsize, BYTES_AHEAD // flat.itemsize
    for plane in range(first * channels, end * channels):
        c, at, to = plane % channels, plane * pixels, plane * grad_pixels
        for x in range(0, pixels, line):
            fetch(seen, at + ahead + x)
        for x in range(0, grad_pixels, line):
            fetch(upstream, to + ahead + x)
        if together == 2:
            _products_2(flat, c * 9 * lanes, upstream, to, grad_size, seen, at, size, corner, 0)
        else:
            for x in range(0, grad_size[1], lanes):
                _products_1(flat, c * 9 * lanes, upstream, to, grad_size, seen, at, size, corner, x)


channel_sums_compiled = compiled(channel_sums)
channel_products_compiled = compiled(channel_products)
