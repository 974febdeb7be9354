"""The loops of `pool_direct`, over planes [first, end), written in vectors of sixteen numbers.

Layouts: an input is (P, H, W), an output (P, OH, OW), P = N*C planes, all contiguous; no two arrays of a
call share memory. Planes are independent, so callers may hand ranges of them to threads.
Each `_name` is the plain Python kernel, and `name` its compiled alias.
"""

from __future__ import annotations

import numba
import numpy as np

from reference.kernels.compiled import compiled

if numba.config.DISABLE_JIT:
    from reference.kernels import pool_lanes_python as v
else:
    from reference.kernels import pool_lanes as v

LANES = v.LANES


def _maxima_2x2(first, end, input, output, winners):
    """Maxima of 2x2 windows that tile each plane, and the winning tap 0..3 as uint8 (or `winners` is None)."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    blank = input.dtype.type(0)
    for plane in range(first, end):
        for y in range(rows):
            top = (plane * height + 2 * y) * width
            for x in range(0, columns, LANES):
                left = columns - x
                best, right = v.load_pairs(input, top + 2 * x, 0, 2 * left, blank)
                below, corner = v.load_pairs(input, top + width + 2 * x, 0, 2 * left, blank)
                second = v.beats(right, best)
                best = v.choose(second, right, best)
                third = v.beats(below, best)
                best = v.choose(third, below, best)
                fourth = v.beats(corner, best)
                best = v.choose(fourth, corner, best)
                place = (plane * rows + y) * columns + x
                v.store(best, output, place, left)
                if winners is not None:
                    tap = v.choose(second, v.splat(np.uint8(1)), v.splat(np.uint8(0)))
                    tap = v.choose(third, v.splat(np.uint8(2)), tap)
                    tap = v.choose(fourth, v.splat(np.uint8(3)), tap)
                    v.store(tap, winners, place, left)


def _scatter_2x2(first, end, grad, winners, result):
    """The adjoint of `_maxima_2x2`: a pixel gets its window's number where it won, else 0."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    zero = grad.dtype.type(0)
    nothing = v.splat(zero)
    for plane in range(first, end):
        for y in range(rows):
            top = (plane * height + 2 * y) * width
            for x in range(0, columns, LANES):
                left = columns - x
                place = (plane * rows + y) * columns + x
                number = v.load(grad, place, 0, left, zero)
                tap = v.load(winners, place, 0, left, np.uint8(0))
                for i in range(2):
                    even = v.choose(v.equal(tap, v.splat(np.uint8(2 * i))), number, nothing)
                    odd = v.choose(v.equal(tap, v.splat(np.uint8(2 * i + 1))), number, nothing)
                    v.store_pairs(even, odd, result, top + i * width + 2 * x, 2 * left)
        # An odd last column or row belongs to no window.
        result[plane, :, 2 * columns :] = zero
        result[plane, 2 * rows :, :] = zero


def _averages_2x2(first, end, input, output, row_divisors, column_divisors):
    """Means of 2x2 windows that tile each plane; all their divisors are the same."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    zero = input.dtype.type(0)
    divisor = v.splat(row_divisors[0] * column_divisors[0])
    for plane in range(first, end):
        for y in range(rows):
            top = (plane * height + 2 * y) * width
            for x in range(0, columns, LANES):
                left = columns - x
                corner, right = v.load_pairs(input, top + 2 * x, 0, 2 * left, zero)
                below, opposite = v.load_pairs(input, top + width + 2 * x, 0, 2 * left, zero)
                total = v.add(v.add(v.add(corner, right), below), opposite)
                v.store(v.divide(total, divisor), output, (plane * rows + y) * columns + x, left)


def _spread_2x2(first, end, grad, result, row_divisors, column_divisors):
    """The adjoint of `_averages_2x2`."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    zero = grad.dtype.type(0)
    divisor = v.splat(row_divisors[0] * column_divisors[0])
    for plane in range(first, end):
        for y in range(rows):
            top = (plane * height + 2 * y) * width
            for x in range(0, columns, LANES):
                left = columns - x
                share = v.divide(v.load(grad, (plane * rows + y) * columns + x, 0, left, zero), divisor)
                v.store_pairs(share, share, result, top + 2 * x, 2 * left)
                v.store_pairs(share, share, result, top + width + 2 * x, 2 * left)
        result[plane, :, 2 * columns :] = zero
        result[plane, 2 * rows :, :] = zero


def _tap_of_row(image, row, x, stride, shift, first, end, fill, scratch):
    """What one tap sees in sixteen windows: pixels x*stride + shift, ... of the row that starts at `row`.

    Args:
        x: the first window's column.
        shift: the tap's column in window 0; negative in the padding.
        first, end: the columns of windows for which this tap is inside the image.
        fill: what it sees elsewhere.
        scratch: sixteen numbers of memory for strides without a vector load.
    """
    first, end = first - x, end - x
    start = row + x * stride + shift
    if stride == 1:
        return v.load(image, start, first, end, fill)
    if stride == 2:
        return v.load_pairs(image, start, 2 * first, 2 * end - 1, fill)[0]
    pixels = image.reshape(-1)
    for lane in range(max(first, 0), min(end, LANES)):
        scratch[lane] = pixels[start + lane * stride]
    return v.load(scratch, 0, first, end, fill)


def _maxima_of_windows(
    first, end, input, output, winners, row_starts, column_starts,
    sh, sw, ph, pw, dh, dw, row_first, row_end, column_first, column_end,
):  # fmt: skip
    """Maxima of any windows, and the winning pixels' places y*W + x as int32."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    lowest = input.dtype.type(-np.inf)
    scratch = np.empty(LANES, input.dtype)
    for plane in range(first, end):
        for y in range(rows):
            for x in range(0, columns, LANES):
                left = columns - x
                best = v.splat(lowest)
                place = v.load(column_starts, x, 0, left, np.int32(0))
                place = v.add(place, v.ramp(row_starts[y] * width, 0))
                for i in range(row_first.size):
                    if not row_first[i] <= y < row_end[i]:
                        continue
                    line = (y * sh - ph + i * dh) * width
                    for j in range(column_first.size):
                        shift = j * dw - pw
                        pixel = tap_of_row(
                            input, plane * height * width + line, x, sw, shift,
                            column_first[j], column_end[j], lowest, scratch,
                        )  # fmt: skip
                        wins = v.beats(pixel, best)
                        best = v.choose(wins, pixel, best)
                        place = v.choose(wins, v.ramp(line + x * sw + shift, sw), place)
                v.store(best, output, (plane * rows + y) * columns + x, left)
                v.store(place, winners, (plane * rows + y) * columns + x, left)


def _scatter_to_positions(first, end, grad, winners, result):
    """The adjoint of `_maxima_of_windows`: windows may share a winner, so their numbers are added."""
    for plane in range(first, end):
        pixels = result[plane].reshape(-1)
        pixels[:] = grad.dtype.type(0)
        numbers, places = grad[plane].reshape(-1), winners[plane].reshape(-1)
        for window in range(places.size):
            # Beyond the plane: a window without any tap in the image.
            if places[window] < pixels.size:
                pixels[places[window]] += numbers[window]


def _averages_of_windows(
    first, end, input, output, row_divisors, column_divisors,
    sh, sw, ph, pw, dh, dw, row_first, row_end, column_first, column_end,
):  # fmt: skip
    """Sums of any windows over their divisors."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    zero = input.dtype.type(0)
    scratch = np.empty(LANES, input.dtype)
    for plane in range(first, end):
        for y in range(rows):
            for x in range(0, columns, LANES):
                left = columns - x
                total = v.splat(zero)
                for i in range(row_first.size):
                    if not row_first[i] <= y < row_end[i]:
                        continue
                    line = (plane * height + y * sh - ph + i) * width
                    for j in range(column_first.size):
                        pixel = tap_of_row(
                            input, line, x, sw, j - pw, column_first[j], column_end[j], zero, scratch
                        )
                        total = v.add(total, pixel)
                divisor = v.load(column_divisors, x, 0, left, input.dtype.type(1))
                divisor = v.multiply(divisor, v.splat(row_divisors[y]))
                v.store(v.divide(total, divisor), output, (plane * rows + y) * columns + x, left)


def _spread_over_windows(
    first, end, grad, result, row_divisors, column_divisors,
    sh, sw, ph, pw, dh, dw, row_first, row_end, column_first, column_end,
):  # fmt: skip
    """The adjoint of `_averages_of_windows`."""
    rows, columns = grad.shape[1:]
    for plane in range(first, end):
        result[plane] = grad.dtype.type(0)
        for y in range(rows):
            share = grad[plane, y] / (row_divisors[y] * column_divisors)  # (OW,)
            for i in range(row_first.size):
                if not row_first[i] <= y < row_end[i]:
                    continue
                line = result[plane, y * sh - ph + i]  # (W,)
                for j in range(column_first.size):
                    for x in range(column_first[j], column_end[j]):
                        line[x * sw - pw + j] += share[x]


# fastmath is off: whether a NaN wins, and which of equal maxima, is the contract.
maxima_2x2 = compiled(_maxima_2x2, fastmath=False)
scatter_2x2 = compiled(_scatter_2x2, fastmath=False)
averages_2x2 = compiled(_averages_2x2, fastmath=False)
spread_2x2 = compiled(_spread_2x2, fastmath=False)
tap_of_row = compiled(_tap_of_row, fastmath=False)
maxima_of_windows = compiled(_maxima_of_windows, fastmath=False)
scatter_to_positions = compiled(_scatter_to_positions, fastmath=False)
averages_of_windows = compiled(_averages_of_windows, fastmath=False)
spread_over_windows = compiled(_spread_over_windows, fastmath=False)
