"""The loops of `pool_direct` for the windows that are met most: 2x2, 3x3 two steps apart, and the whole plane.

Layouts: an input is (P, H, W), an output (P, OH, OW), P = N*C planes, all contiguous; no two arrays of a
call share memory. Planes are independent, so callers may hand ranges of them [first, end) to threads.
Sixteen windows of a row at a time. Each `_name` is the plain Python kernel, and `name` its compiled alias.
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


def _maxima_2x2(input, output, winners, first, end):
    """Maxima of 2x2 windows that tile each plane, and the winning tap 0..3 as uint8 (or `winners` is None)."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    blank = input.dtype.type(0)
    taps = (v.splat(np.uint8(0)), v.splat(np.uint8(1)), v.splat(np.uint8(2)), v.splat(np.uint8(3)))
    for plane in range(first, end):
        for x in range(0, columns, LANES):
            left = columns - x
            mask, low, high = v.below(left), v.below(2 * left), v.below(2 * left - LANES)
            for y in range(rows):
                top = (plane * height + 2 * y) * width + 2 * x
                corner, right = v.load_pairs(input, top, low, high, blank)
                below, opposite = v.load_pairs(input, top + width, low, high, blank)
                v.read_ahead(input, top)
                v.read_ahead(input, top + width)
                best = v.greater(v.greater(opposite, below), v.greater(right, corner))
                # Of equal maxima the first wins: asked last, it has the last word.
                tap = v.choose(v.equal(below, best), taps[2], taps[3])
                tap = v.choose(v.equal(right, best), taps[1], tap)
                tap = v.choose(v.equal(corner, best), taps[0], tap)
                if v.any_of(v.is_nan(corner, right), v.is_nan(below, opposite)):
                    # A NaN beats everything, another one too: the last wins.
                    best = v.choose(v.is_nan(corner, corner), corner, best)
                    tap = v.choose(v.is_nan(corner, corner), taps[0], tap)
                    best = v.choose(v.is_nan(right, right), right, best)
                    tap = v.choose(v.is_nan(right, right), taps[1], tap)
                    best = v.choose(v.is_nan(below, below), below, best)
                    tap = v.choose(v.is_nan(below, below), taps[2], tap)
                    best = v.choose(v.is_nan(opposite, opposite), opposite, best)
                    tap = v.choose(v.is_nan(opposite, opposite), taps[3], tap)
                place = (plane * rows + y) * columns + x
                v.store(best, output, place, mask)
                if winners is not None:
                    v.store(tap, winners, place, mask)


def _greatest_of_three(input, at, count, lowest):
    """The greatest of three neighbours from every other place on, and which: 0, 1 or 2, the first of equal ones.

    Args:
        at: the first place. count: how many numbers of the row are left from there.
    """
    near, middle = v.load_pairs(input, at, v.below(count), v.below(count - LANES), lowest)
    far, _ = v.load_pairs(input, at + 2, v.below(count - 2), v.below(count - 2 - LANES), lowest)
    wins = v.beats(middle, near)
    best, tap = v.choose(wins, middle, near), v.choose(wins, v.splat(np.int16(1)), v.splat(np.int16(0)))
    wins = v.beats(far, best)
    return v.choose(wins, far, best), v.choose(wins, v.splat(np.int16(2)), tap)


def _maxima_3x3(input, output, winners, first, end):
    """Maxima of 3x3 windows two steps apart, without padding, and the winning tap 0..8 (or `winners` is None)."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    lowest = input.dtype.type(-np.inf)
    three, six = v.splat(np.int16(3)), v.splat(np.int16(6))
    for plane in range(first, end):
        for x in range(0, columns, LANES):
            mask, count = v.below(columns - x), width - 2 * x
            last, last_tap = greatest_of_three(input, plane * height * width + 2 * x, count, lowest)
            for y in range(rows):
                at = (plane * height + 2 * y + 1) * width + 2 * x
                best, tap = last, last_tap
                middle, middle_tap = greatest_of_three(input, at, count, lowest)
                last, last_tap = greatest_of_three(input, at + width, count, lowest)
                v.read_ahead(input, at)
                v.read_ahead(input, at + width)
                wins = v.beats(middle, best)
                best, tap = v.choose(wins, middle, best), v.choose(wins, v.add(middle_tap, three), tap)
                wins = v.beats(last, best)
                best, tap = v.choose(wins, last, best), v.choose(wins, v.add(last_tap, six), tap)
                place = (plane * rows + y) * columns + x
                v.store(best, output, place, mask)
                if winners is not None:
                    v.store(tap, winners, place, mask)


def _scatter_2x2(grad, winners, result, first, end):
    """The adjoint of `_maxima_2x2`: a pixel gets its window's number where it won, else 0."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    zero = grad.dtype.type(0)
    nothing = v.splat(zero)
    taps = (v.splat(np.uint8(0)), v.splat(np.uint8(1)), v.splat(np.uint8(2)), v.splat(np.uint8(3)))
    for plane in range(first, end):
        # An odd last column or row belongs to no window: it gets the zero of a lane without one.
        for x in range(0, width - columns, LANES):
            mask, low, high = v.below(columns - x), v.below(width - 2 * x), v.below(width - 2 * x - LANES)
            for y in range(rows):
                top = (plane * height + 2 * y) * width + 2 * x
                place = (plane * rows + y) * columns + x
                number = v.load(grad, place, mask, zero)
                tap = v.load(winners, place, mask, np.uint8(0))
                corner = v.choose(v.equal(tap, taps[0]), number, nothing)
                right = v.choose(v.equal(tap, taps[1]), number, nothing)
                below = v.choose(v.equal(tap, taps[2]), number, nothing)
                opposite = v.choose(v.equal(tap, taps[3]), number, nothing)
                v.store_pairs(corner, right, result, top, low, high)
                v.store_pairs(below, opposite, result, top + width, low, high)
            if height > 2 * rows:
                v.store_pairs(nothing, nothing, result, (plane * height + height - 1) * width + 2 * x, low, high)


def _averages_2x2(input, output, row_divisors, column_divisors, first, end):
    """Means of 2x2 windows that tile each plane; all their divisors are the same."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    zero = input.dtype.type(0)
    divisor = v.splat(row_divisors[0] * column_divisors[0])
    for plane in range(first, end):
        for x in range(0, columns, LANES):
            left = columns - x
            mask, low, high = v.below(left), v.below(2 * left), v.below(2 * left - LANES)
            for y in range(rows):
                top = (plane * height + 2 * y) * width + 2 * x
                corner, right = v.load_pairs(input, top, low, high, zero)
                below, opposite = v.load_pairs(input, top + width, low, high, zero)
                v.read_ahead(input, top)
                v.read_ahead(input, top + width)
                total = v.add(v.add(corner, right), v.add(below, opposite))
                v.store(v.divide(total, divisor), output, (plane * rows + y) * columns + x, mask)


def _spread_2x2(grad, result, row_divisors, column_divisors, first, end):
    """The adjoint of `_averages_2x2`."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    zero = grad.dtype.type(0)
    nothing, divisor = v.splat(zero), v.splat(row_divisors[0] * column_divisors[0])
    for plane in range(first, end):
        for x in range(0, width - columns, LANES):
            mask, low, high = v.below(columns - x), v.below(width - 2 * x), v.below(width - 2 * x - LANES)
            for y in range(rows):
                top = (plane * height + 2 * y) * width + 2 * x
                share = v.divide(v.load(grad, (plane * rows + y) * columns + x, mask, zero), divisor)
                v.store_pairs(share, share, result, top, low, high)
                v.store_pairs(share, share, result, top + width, low, high)
            if height > 2 * rows:
                v.store_pairs(nothing, nothing, result, (plane * height + height - 1) * width + 2 * x, low, high)


def _averages_of_planes(input, output, row_divisors, column_divisors, first, end):
    """The mean of each whole plane, sixteen planes at a time: their sixteen sums are added up pair by pair."""
    size = input.shape[1] * input.shape[2]
    zero = input.dtype.type(0)
    divisor = v.splat(row_divisors[0] * column_divisors[0])
    everywhere = v.below(LANES)
    sums = np.zeros(LANES * LANES, input.dtype)
    for start in range(first, end, LANES):
        count = min(LANES, end - start)
        for plane in range(count):
            total = v.splat(zero)
            for x in range(0, size, LANES):
                total = v.add(total, v.load(input, (start + plane) * size + x, v.below(size - x), zero))
            v.store(total, sums, plane * LANES, everywhere)
        vectors = LANES // 2
        while vectors > 0:
            for pair in range(vectors):
                even, odd = v.load_pairs(sums, 2 * pair * LANES, everywhere, everywhere, zero)
                v.store(v.add(even, odd), sums, pair * LANES, everywhere)
            vectors //= 2
        total = v.load(sums, 0, everywhere, zero)
        v.store(v.divide(total, divisor), output, start, v.below(count))


def _spread_over_planes(grad, result, row_divisors, column_divisors, first, end):
    """The adjoint of `_averages_of_planes`."""
    size = result.shape[1] * result.shape[2]
    numbers = grad.reshape(-1)
    divisor = row_divisors[0] * column_divisors[0]
    for plane in range(first, end):
        share = v.splat(numbers[plane] / divisor)
        for x in range(0, size, LANES):
            v.store(share, result, plane * size + x, v.below(size - x))


# fastmath is off: whether a NaN wins, and which of equal maxima, is the contract.
maxima_2x2 = compiled(_maxima_2x2, fastmath=False)
greatest_of_three = compiled(_greatest_of_three, fastmath=False)
maxima_3x3 = compiled(_maxima_3x3, fastmath=False)
scatter_2x2 = compiled(_scatter_2x2, fastmath=False)
averages_2x2 = compiled(_averages_2x2, fastmath=False)
spread_2x2 = compiled(_spread_2x2, fastmath=False)
averages_of_planes = compiled(_averages_of_planes, fastmath=False)
spread_over_planes = compiled(_spread_over_planes, fastmath=False)
