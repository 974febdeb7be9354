"""The loops of `direct` for windows of 2x2 that tile the image, and for one window that is all of it.

Layouts: an input is (P, H, W), an output (P, OH, OW), P = N*C planes, all contiguous; no two arrays of a
call share memory. Planes are independent, so callers may hand ranges of them [first, end) to threads.
Sixteen windows at a time, of `beside` planes (see `strips`).
Each `_name` is the plain Python kernel, and `name` its compiled alias.
"""

from __future__ import annotations

import numba
import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.pooling.strips import (
    PART,
    copy_past_caches,
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


def _maxima_by_definition(input, output, winners, kernel_size, plane):
    """Maxima of whole windows two steps apart in one plane that has a NaN: it beats all, the last of several wins."""
    for y in range(output.shape[1]):
        for x in range(output.shape[2]):
            best, winner = input[plane, 2 * y, 2 * x], 0
            for tap in range(1, kernel_size * kernel_size):
                pixel = input[plane, 2 * y + tap // kernel_size, 2 * x + tap % kernel_size]
                if pixel > best or np.isnan(pixel):
                    best, winner = pixel, tap
            output[plane, y, x] = best
            if winners is not None:
                winners[plane, y, x] = winner


def _maxima_2x2_of(input, output, winners, plane, beside):
    """`_maxima_2x2` for some planes."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    size, count = height * width, rows * columns
    blank = input.dtype.type(0)
    taps = (v.splat(np.uint8(0)), v.splat(np.uint8(1)), v.splat(np.uint8(2)), v.splat(np.uint8(3)))
    nan = v.below(0)
    for x in range(0, columns if beside == 1 else 1, LANES):
        pixels, windows = pixels_from(2 * x, 2 * columns, beside), windows_from(x, columns, beside)
        for y in range(rows):
            top, ahead = plane * size + 2 * y * width + 2 * x, plane * size + 2 * y * width * beside + 2 * x
            corner, right = read_strip(input, top, size, beside, pixels, blank)
            below, opposite = read_strip(input, top + width, size, beside, pixels, blank)
            v.read_ahead(input, ahead)
            v.read_ahead(input, ahead + width * beside)
            nan = v.either(nan, v.either(v.is_nan(corner, right), v.is_nan(below, opposite)))
            best = v.greater(v.greater(opposite, below), v.greater(right, corner))
            # Of equal maxima the first wins: asked last, it has the last word.
            tap = v.choose(v.equal(below, best), taps[2], taps[3])
            tap = v.choose(v.equal(right, best), taps[1], tap)
            tap = v.choose(v.equal(corner, best), taps[0], tap)
            place = plane * count + y * columns + x
            write_windows(best, output, place, count, beside, windows)
            if winners is not None:
                write_windows(tap, winners, place, count, beside, windows)
    return v.any_of(nan)


def _maxima_2x2(input, output, winners, beside, first, end):
    """Maxima of 2x2 windows that tile each plane, and the winning tap 0..3 as uint8 (or `winners` is None)."""
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            nan = maxima_2x2_of(input, output, winners, plane, 1)
        elif many == 2:
            nan = maxima_2x2_of(input, output, winners, plane, 2)
        else:
            nan = maxima_2x2_of(input, output, winners, plane, 4)
        if nan:
            for again in range(plane, plane + many):
                maxima_by_definition(input, output, winners, 2, again)
        plane += many


def _scatter_2x2_of(grad, winners, target, divisor, plane, past, beside):
    """`_scatter_2x2` for some planes; with `past` the first of them is target[0]."""
    height, width = target.shape[1:]
    rows, columns = grad.shape[1:]
    size, count, at = height * width, rows * columns, 0 if past else plane
    zero = grad.dtype.type(0)
    nothing, divisors = v.splat(zero), v.splat(divisor)
    taps = (v.splat(np.uint8(0)), v.splat(np.uint8(1)), v.splat(np.uint8(2)), v.splat(np.uint8(3)))
    # An odd last column or row belongs to no window: it gets the zero of a lane without one.
    for x in range(0, width - columns if beside == 1 else 1, LANES):
        pixels, windows = pixels_from(2 * x, width, beside), windows_from(x, columns, beside)
        for y in range(rows):
            top, place = at * size + 2 * y * width + 2 * x, plane * count + y * columns + x
            if not past:
                ahead = plane * size + 2 * y * width * beside + 2 * x
                v.write_ahead(target, ahead)
                v.write_ahead(target, ahead + width * beside)
            else:
                v.read_ahead(grad, place)
            number = read_windows(grad, place, count, beside, windows, zero)
            if winners is None:
                corner = right = below = opposite = v.divide(number, divisors)
            else:
                tap = read_windows(winners, place, count, beside, windows, np.uint8(0))
                corner = v.choose(v.equal(tap, taps[0]), number, nothing)
                right = v.choose(v.equal(tap, taps[1]), number, nothing)
                below = v.choose(v.equal(tap, taps[2]), number, nothing)
                opposite = v.choose(v.equal(tap, taps[3]), number, nothing)
            write_strip(corner, right, target, top, size, beside, pixels)
            write_strip(below, opposite, target, top + width, size, beside, pixels)
        if height > 2 * rows:
            write_strip(nothing, nothing, target, (at + 1) * size - width + 2 * x, size, beside, pixels)


def _scatter_2x2(grad, result, winners, divisor, beside, past, first, end):
    """The adjoint of `_maxima_2x2`: a pixel gets its window's number where it won, else 0.

    Without winners the adjoint of `_averages_2x2`: each pixel gets its window's number over the divisor.
    """
    height, width = result.shape[1:]
    staged = np.empty((beside if past else 0, height, width), result.dtype)
    target = staged if past else result
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            scatter_2x2_of(grad, winners, target, divisor, plane, past, 1)
        elif many == 2:
            scatter_2x2_of(grad, winners, target, divisor, plane, past, 2)
        else:
            scatter_2x2_of(grad, winners, target, divisor, plane, past, 4)
        if past:
            copy_past_caches(staged, many * height * width, result, plane * height * width)
        plane += many


def _averages_2x2_of(input, output, divisor, plane, beside):
    """`_averages_2x2` for some planes."""
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    size, count = height * width, rows * columns
    zero, divisors = input.dtype.type(0), v.splat(divisor)
    for x in range(0, columns if beside == 1 else 1, LANES):
        pixels, windows = pixels_from(2 * x, 2 * columns, beside), windows_from(x, columns, beside)
        for y in range(rows):
            top, ahead = plane * size + 2 * y * width + 2 * x, plane * size + 2 * y * width * beside + 2 * x
            corner, right = read_strip(input, top, size, beside, pixels, zero)
            below, opposite = read_strip(input, top + width, size, beside, pixels, zero)
            v.read_ahead(input, ahead)
            v.read_ahead(input, ahead + width * beside)
            mean = v.divide(v.add(v.add(corner, right), v.add(below, opposite)), divisors)
            write_windows(mean, output, plane * count + y * columns + x, count, beside, windows)


def _averages_2x2(input, output, divisor, beside, first, end):
    """Means of 2x2 windows that tile each plane."""
    plane = first
    while plane < end:
        many = beside if plane + beside <= end else 1
        if many == 1:
            averages_2x2_of(input, output, divisor, plane, 1)
        elif many == 2:
            averages_2x2_of(input, output, divisor, plane, 2)
        else:
            averages_2x2_of(input, output, divisor, plane, 4)
        plane += many


def _added_pairs(left, right):
    """Every two neighbours of `left`, then of `right`, added up."""
    even, odd = v.deinterleave(left, right)
    return v.add(even, odd)


def _sums_of_four(input, plane, planes):
    """Four partial sums of each of four planes, plane by plane; zeros for all but the first `planes` of them."""
    size = input.shape[1] * input.shape[2]
    zero = input.dtype.type(0)
    one = two = three = four = v.splat(zero)
    for x in range(0, size, LANES):
        at, left = plane * size + x, size - x
        one = v.add(one, v.load(input, at, v.below(left if planes > 0 else 0), zero))
        two = v.add(two, v.load(input, at + size, v.below(left if planes > 1 else 0), zero))
        three = v.add(three, v.load(input, at + 2 * size, v.below(left if planes > 2 else 0), zero))
        four = v.add(four, v.load(input, at + 3 * size, v.below(left if planes > 3 else 0), zero))
    return added_pairs(added_pairs(one, two), added_pairs(three, four))


def _sums_of_planes(input, plane, planes):
    """The sums of sixteen planes: sixteen partial ones each, which are added up pair by pair."""
    half = added_pairs(sums_of_four(input, plane, planes), sums_of_four(input, plane + 4, planes - 4))
    rest = added_pairs(sums_of_four(input, plane + 8, planes - 8), sums_of_four(input, plane + 12, planes - 12))
    return added_pairs(half, rest)


def _averages_of_planes(input, output, divisor, first, end):
    """The mean of each whole plane, sixteen planes at a time."""
    size = input.shape[1] * input.shape[2]
    divisors = v.splat(divisor)
    for plane in range(first, end, LANES):
        for x in range(0, LANES * size, 2 * LANES):
            v.read_ahead(input, plane * size + x)
        # For whole vectors of planes, which is nearly always, the number is known and asks no questions in the loops.
        if plane + LANES <= end:
            sums = sums_of_planes(input, plane, LANES)
        else:
            sums = sums_of_planes(input, plane, end - plane)
        v.store(v.divide(sums, divisors), output, plane, v.below(end - plane))


def _spread_over_planes(grad, result, divisor, first, end):
    """The adjoint of `_averages_of_planes`."""
    size = result.shape[1] * result.shape[2]
    numbers = grad.reshape(-1)
    for plane in range(first, end):
        share = v.splat(numbers[plane] / divisor)
        for x in range(0, size, LANES):
            v.store(share, result, plane * size + x, v.below(size - x))


# fastmath is off: whether a NaN wins, and which of equal maxima, is the contract.
maxima_by_definition = compiled(_maxima_by_definition, fastmath=False)
maxima_2x2_of = compiled(_maxima_2x2_of, **PART)
maxima_2x2 = compiled(_maxima_2x2, fastmath=False)
scatter_2x2_of = compiled(_scatter_2x2_of, **PART)
scatter_2x2 = compiled(_scatter_2x2, fastmath=False)
averages_2x2_of = compiled(_averages_2x2_of, **PART)
averages_2x2 = compiled(_averages_2x2, fastmath=False)
added_pairs = compiled(_added_pairs, **PART)
sums_of_four = compiled(_sums_of_four, **PART)
sums_of_planes = compiled(_sums_of_planes, **PART)
averages_of_planes = compiled(_averages_of_planes, fastmath=False)
spread_over_planes = compiled(_spread_over_planes, fastmath=False)
