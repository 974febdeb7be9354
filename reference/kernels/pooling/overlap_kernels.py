"""The loops of `direct` for windows of 3x3 two steps apart, which overlap by one row and one column.

What three rows or columns give serves both windows that see the shared one. Counted from the padded image's corner, an
odd row belongs to one window row and an even one to two, columns likewise:

    row 2y - padding:      window rows y - 1 and y          column 2x - padding:      windows x - 1 and x
    row 2y - padding + 1:  window row y                     column 2x - padding + 1:  window x

so the gradients go back without scattered writes: each pixel asks the windows that see it, four at most.

Layouts: an input is (P, H, W), an output (P, OH, OW), P = N*C planes, all contiguous; no two arrays of a
call share memory. Planes are independent, so callers may hand ranges of them [first, end) to threads.
Sixteen windows at a time, of `beside` planes (see `strips`).
Each `_name` is the plain Python kernel, and `name` its compiled alias.
"""

from __future__ import annotations

import numba
import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.pooling.direct_kernels import maxima_by_definition
from reference.kernels.pooling.strips import (
    PART,
    pixels_from,
    read_strip,
    read_windows,
    windows_from,
    write_strip,
    write_windows,
)

if numba.config.DISABLE_JIT:
    from reference.kernels.pooling import lanes_python as v
else:
    from reference.kernels.pooling import lanes as v

LANES = v.LANES


def _greatest_of_three(input, at, size, beside, pixels, pixels_after, lowest):
    """The greatest of three neighbours from every other place on, and which: 0, 1 or 2, the first of equal ones.

    Returns:
        Also a mask that is set somewhere if there is a NaN among them.
    """
    near, middle = read_strip(input, at, size, beside, pixels, lowest)
    far, _ = read_strip(input, at + 2, size, beside, pixels_after, lowest)
    nan = v.either(v.is_nan(near, middle), v.is_nan(far, far))
    wins = v.exceeds(middle, near)
    best, tap = v.choose(wins, middle, near), v.choose(wins, v.splat(np.uint8(1)), v.splat(np.uint8(0)))
    wins = v.exceeds(far, best)
    return v.choose(wins, far, best), v.choose(wins, v.splat(np.uint8(2)), tap), nan


def _maxima_3x3_of(input, output, winners, plane, beside):
    """`_maxima_3x3` for some planes."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    size, count = height * width, rows * columns
    lowest = input.dtype.type(-np.inf)
    three, six = v.splat(np.uint8(3)), v.splat(np.uint8(6))
    nan = v.below(0)
    for x in range(0, columns if beside == 1 else 1, LANES):
        pixels, after = pixels_from(2 * x, width, beside), pixels_from(2 * x + 2, width, beside)
        windows = windows_from(x, columns, beside)
        at = plane * size + 2 * x
        last, last_tap, odd = greatest_of_three(input, at, size, beside, pixels, after, lowest)
        nan = v.either(nan, odd)
        for y in range(rows):
            at, ahead = plane * size + (2 * y + 1) * width + 2 * x, plane * size + 2 * y * width * beside + 2 * x
            best, tap = last, last_tap
            middle, middle_tap, odd = greatest_of_three(input, at, size, beside, pixels, after, lowest)
            nan = v.either(nan, odd)
            last, last_tap, odd = greatest_of_three(input, at + width, size, beside, pixels, after, lowest)
            nan = v.either(nan, odd)
            v.read_ahead(input, ahead)
            v.read_ahead(input, ahead + width * beside)
            wins = v.exceeds(middle, best)
            best, tap = v.choose(wins, middle, best), v.choose(wins, v.add(middle_tap, three), tap)
            wins = v.exceeds(last, best)
            best, tap = v.choose(wins, last, best), v.choose(wins, v.add(last_tap, six), tap)
            place = plane * count + y * columns + x
            write_windows(best, output, place, count, beside, windows)
            if winners is not None:
                write_windows(tap, winners, place, count, beside, windows)
    return v.any_of(nan)


def _maxima_3x3(input, output, winners, beside, first, end):
    """Maxima without padding, and the winning tap 0..8 as uint8 (or `winners` is None)."""
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            nan = maxima_3x3_of(input, output, winners, plane, 1)
        elif many == 2:
            nan = maxima_3x3_of(input, output, winners, plane, 2)
        else:
            nan = maxima_3x3_of(input, output, winners, plane, 4)
        if nan:
            for again in range(plane, plane + many):
                maxima_by_definition(input, output, winners, 3, again)
        plane += many


def _where_won(taps, tap, numbers, nothing):
    """The numbers of the windows that their tap `tap` won, `nothing` for the others."""
    return v.choose(v.equal(taps, v.splat(np.uint8(tap))), numbers, nothing)


def _scatter_3x3_of(grad, winners, result, plane, beside):
    """`_scatter_3x3` for some planes."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    size, count = height * width, rows * columns
    zero, none = grad.dtype.type(0), np.uint8(0)
    nothing = v.splat(zero)
    for x in range(0, (width + 1) // 2 if beside == 1 else 1, LANES):
        pixels = pixels_from(2 * x, width, beside)
        windows, windows_before = windows_from(x, columns, beside), windows_from(x - 1, columns, beside)
        even, odd = nothing, nothing  # what the window row above gives to the row that both see
        for y in range(rows):
            top, place = plane * size + 2 * y * width + 2 * x, plane * count + y * columns + x
            ahead = plane * size + 2 * y * width * beside + 2 * x
            v.write_ahead(result, ahead)
            v.write_ahead(result, ahead + width * beside)
            here = read_windows(grad, place, count, beside, windows, zero)
            tap = read_windows(winners, place, count, beside, windows, none)
            before = read_windows(grad, place - 1, count, beside, windows_before, zero)
            tap_before = read_windows(winners, place - 1, count, beside, windows_before, none)
            even = v.add(even, v.add(where_won(tap, 0, here, nothing), where_won(tap_before, 2, before, nothing)))
            odd = v.add(odd, where_won(tap, 1, here, nothing))
            write_strip(even, odd, result, top, size, beside, pixels)
            even = v.add(where_won(tap, 3, here, nothing), where_won(tap_before, 5, before, nothing))
            odd = where_won(tap, 4, here, nothing)
            write_strip(even, odd, result, top + width, size, beside, pixels)
            even = v.add(where_won(tap, 6, here, nothing), where_won(tap_before, 8, before, nothing))
            odd = where_won(tap, 7, here, nothing)
        top = plane * size + 2 * rows * width + 2 * x
        write_strip(even, odd, result, top, size, beside, pixels)
        if height > 2 * rows + 1:
            write_strip(nothing, nothing, result, top + width, size, beside, pixels)


def _scatter_3x3(grad, result, winners, beside, first, end):
    """The adjoint of `_maxima_3x3`: each pixel adds up the numbers of the windows that it won."""
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            scatter_3x3_of(grad, winners, result, plane, 1)
        elif many == 2:
            scatter_3x3_of(grad, winners, result, plane, 2)
        else:
            scatter_3x3_of(grad, winners, result, plane, 4)
        plane += many


def _sum_of_three(input, at, size, beside, pixels, pixels_aside, padding, zero):
    """The sum of three neighbours from every other place on, or with padding around every other place."""
    even, odd = read_strip(input, at, size, beside, pixels, zero)
    if padding == 0:
        third, _ = read_strip(input, at + 2, size, beside, pixels_aside, zero)
    else:
        _, third = read_strip(input, at - 2, size, beside, pixels_aside, zero)
    return v.add(v.add(even, odd), third)


def _averages_3x3_of(input, output, row_divisors, column_divisors, padding, plane, beside):
    """`_averages_3x3` for some planes."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    size, count = height * width, rows * columns
    zero, one = input.dtype.type(0), input.dtype.type(1)
    nothing = v.splat(zero)
    for x in range(0, columns if beside == 1 else 1, LANES):
        pixels = pixels_from(2 * x, width, beside)
        aside = pixels_from(2 * x + (2 if padding == 0 else -2), width, beside)
        windows = windows_from(x, columns, beside)
        divisors = read_windows(column_divisors, x, 0, beside, windows, one)
        start = plane * size + 2 * x
        last = nothing
        if padding == 0:
            last = sum_of_three(input, start, size, beside, pixels, aside, padding, zero)
        for y in range(rows):
            row = 2 * y - padding + 1
            at, ahead = start + row * width, start + row * width * beside
            total = v.add(last, sum_of_three(input, at, size, beside, pixels, aside, padding, zero))
            last = nothing
            if row + 1 < height:
                last = sum_of_three(input, at + width, size, beside, pixels, aside, padding, zero)
            v.read_ahead(input, ahead)
            v.read_ahead(input, ahead + width * beside)
            mean = v.divide(v.add(total, last), v.multiply(divisors, v.splat(row_divisors[y])))
            write_windows(mean, output, plane * count + y * columns + x, count, beside, windows)


def _averages_3x3(input, output, row_divisors, column_divisors, padding, beside, first, end):
    """Means, with a padding of 0 or 1."""
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            averages_3x3_of(input, output, row_divisors, column_divisors, padding, plane, 1)
        elif many == 2:
            averages_3x3_of(input, output, row_divisors, column_divisors, padding, plane, 2)
        else:
            averages_3x3_of(input, output, row_divisors, column_divisors, padding, plane, 4)
        plane += many


def _spread_3x3_of(grad, result, row_divisors, column_divisors, padding, plane, beside):
    """`_spread_3x3` for some planes."""
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    size, count = height * width, rows * columns
    zero, one = grad.dtype.type(0), grad.dtype.type(1)
    nothing = v.splat(zero)
    for x in range(0, (width + 1) // 2 if beside == 1 else 1, LANES):
        # Pixel column 2x has two windows without padding, 2x + 1 has with it.
        pixels, other = pixels_from(2 * x, width, beside), x - 1 if padding == 0 else x + 1
        windows, windows_aside = windows_from(x, columns, beside), windows_from(other, columns, beside)
        divisors = read_windows(column_divisors, x, 0, beside, windows, one)
        divisors_aside = read_windows(column_divisors, other, 0, beside, windows_aside, one)
        once_above, twice_above = nothing, nothing
        for y in range((height + padding + 1) // 2):
            once, twice = nothing, nothing
            if y < rows:
                place, divisor = plane * count + y * columns, v.splat(row_divisors[y])
                share = read_windows(grad, place + x, count, beside, windows, zero)
                aside = read_windows(grad, place + other, count, beside, windows_aside, zero)
                once = v.divide(share, v.multiply(divisors, divisor))
                twice = v.add(once, v.divide(aside, v.multiply(divisors_aside, divisor)))
            row = 2 * y - padding
            ahead = plane * size + 2 * y * width * beside + 2 * x
            v.write_ahead(result, ahead)
            v.write_ahead(result, ahead + width * beside)
            for r in range(max(row, 0), min(row + 2, height)):
                single, double = once, twice
                if r == row:
                    single, double = v.add(once_above, once), v.add(twice_above, twice)
                at = plane * size + r * width + 2 * x
                if padding == 0:
                    write_strip(double, single, result, at, size, beside, pixels)
                else:
                    write_strip(single, double, result, at, size, beside, pixels)
            once_above, twice_above = once, twice


def _spread_3x3(grad, result, row_divisors, column_divisors, padding, beside, first, end):
    """The adjoint of `_averages_3x3`: each pixel adds up the shares of the windows that see it, rows after columns."""
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            spread_3x3_of(grad, result, row_divisors, column_divisors, padding, plane, 1)
        elif many == 2:
            spread_3x3_of(grad, result, row_divisors, column_divisors, padding, plane, 2)
        else:
            spread_3x3_of(grad, result, row_divisors, column_divisors, padding, plane, 4)
        plane += many


# fastmath is off: whether a NaN wins, and which of equal maxima, is the contract.
greatest_of_three = compiled(_greatest_of_three, **PART)
maxima_3x3_of = compiled(_maxima_3x3_of, **PART)
maxima_3x3 = compiled(_maxima_3x3, fastmath=False)
where_won = compiled(_where_won, **PART)
scatter_3x3_of = compiled(_scatter_3x3_of, **PART)
scatter_3x3 = compiled(_scatter_3x3, fastmath=False)
sum_of_three = compiled(_sum_of_three, **PART)
averages_3x3_of = compiled(_averages_3x3_of, **PART)
averages_3x3 = compiled(_averages_3x3, fastmath=False)
spread_3x3_of = compiled(_spread_3x3_of, **PART)
spread_3x3 = compiled(_spread_3x3, fastmath=False)
