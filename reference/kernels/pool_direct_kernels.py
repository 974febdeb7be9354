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


def _maxima_of_windows(
    first, end, input, output, winners, row_starts, column_starts,
    sh, sw, ph, pw, dh, dw, row_first, row_end, column_first, column_end,
):  # fmt: skip
    """Maxima of any windows, and the winning pixels' places y*W + x as int32."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    lowest = input.dtype.type(-np.inf)
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
                        start = line + x * sw + j * dw - pw
                        pixel = v.load_every(
                            input, plane * height * width + start, sw, column_first[j] - x, column_end[j] - x, lowest
                        )
                        wins = v.beats(pixel, best)
                        best = v.choose(wins, pixel, best)
                        place = v.choose(wins, v.ramp(start, sw), place)
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
                        start = line + x * sw + j - pw
                        pixel = v.load_every(input, start, sw, column_first[j] - x, column_end[j] - x, zero)
                        total = v.add(total, pixel)
                divisor = v.load(column_divisors, x, 0, left, input.dtype.type(1))
                divisor = v.multiply(divisor, v.splat(row_divisors[y]))
                v.store(v.divide(total, divisor), output, (plane * rows + y) * columns + x, left)


def _averages_of_planes(first, end, input, output, row_divisors, column_divisors):
    """The mean of each whole plane: one window has no row of windows to work along, but is a long sum."""
    for plane in range(first, end):
        total = input.dtype.type(0)
        for pixel in input[plane].reshape(-1):
            total += pixel
        output[plane, 0, 0] = total / (row_divisors[0] * column_divisors[0])


def _spread_over_windows(
    first, end, grad, result, row_divisors, column_divisors,
    sh, sw, ph, pw, dh, dw, row_first, row_end, column_first, column_end,
):  # fmt: skip
    """The adjoint of `_averages_of_windows`."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    share = np.empty(columns, grad.dtype)
    pixels = result.reshape(-1)
    for plane in range(first, end):
        for pixel in range(plane * height * width, (plane + 1) * height * width):
            pixels[pixel] = 0
        for y in range(rows):
            for x in range(columns):
                share[x] = grad[plane, y, x] / (row_divisors[y] * column_divisors[x])
            for i in range(row_first.size):
                if not row_first[i] <= y < row_end[i]:
                    continue
                line = (plane * height + y * sh - ph + i) * width
                for j in range(column_first.size):
                    for x in range(column_first[j], column_end[j]):
                        pixels[line + x * sw - pw + j] += share[x]


# fastmath is off: whether a NaN wins, and which of equal maxima, is the contract.
maxima_2x2 = compiled(_maxima_2x2, fastmath=False)
scatter_2x2 = compiled(_scatter_2x2, fastmath=False)
averages_2x2 = compiled(_averages_2x2, fastmath=False)
spread_2x2 = compiled(_spread_2x2, fastmath=False)
maxima_of_windows = compiled(_maxima_of_windows, fastmath=False)
scatter_to_positions = compiled(_scatter_to_positions, fastmath=False)
averages_of_windows = compiled(_averages_of_windows, fastmath=False)
# A sum alone may be reordered: that makes it a sum of sixteen lanes.
averages_of_planes = compiled(_averages_of_planes, fastmath={"reassoc"})
spread_over_windows = compiled(_spread_over_windows, fastmath=False)
