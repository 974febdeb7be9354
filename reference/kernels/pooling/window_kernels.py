"""The loops of `direct` for windows of any size, stride, padding and dilation, sixteen of a row at a time.

A maximum over a window is the maximum over its rows' maxima, and a sum likewise, so KH + KW steps per window
do for KH*KW; rows that windows share are done once.

A row of pixels is kept as `stride` lines, its phases: the pixel of padded column p = x + padding stands on line
p % stride, at place p // stride. There, what tap j of neighbouring windows sees lies side by side: tap j of window
x stands on line (j*dilation) % stride, at place x + (j*dilation) // stride. The gradients go the same way back.

Layouts: an input is (P, H, W), an output (P, OH, OW), P = N*C planes, all contiguous; no two arrays of a
call share memory. Planes are independent, so callers may hand ranges of them [first, end) to threads.
`window` is (KH, KW, stride height, width, padding height, width, dilation height, width).
Each `_name` is the plain Python kernel, and `name` its compiled alias.
"""

from __future__ import annotations

import numba
import numpy as np

from reference.kernels.compiled import compiled

if numba.config.DISABLE_JIT:
    from reference.kernels.pooling import lanes_python as v
else:
    from reference.kernels.pooling import lanes as v

LANES = v.LANES


def _taps_on_lines(window, span):
    """Where each tap column of window 0 stands among lines that are `span` apart, int64 (KW,)."""
    places = np.empty(window[1], np.int64)
    for j in range(window[1]):
        shift, line = divmod(j * window[7], window[3])
        places[j] = line * span + shift
    return places


def _windows_of_pixels(window, height, rows, pitch):
    """The windows that see each pixel, for window rows that are `pitch` apart.

    Returns:
        offsets, int64: where such a window lies, counted from the place of the first pixel of its sixteen;
        taps, int16: by which of its taps it sees the pixel;
        first, int64 (H*stride + 1,): the range of both for pixel row r and phase p, at r*stride + p.
    """
    kh, kw, sh, sw, ph, pw, dh, dw = window
    offsets, taps = np.empty(rows * kh * kw, np.int64), np.empty(rows * kh * kw, np.int16)
    first = np.zeros(height * sw + 1, np.int64)
    count = 0
    for r in range(height):
        for phase in range(sw):
            place, line = divmod(phase + pw, sw)
            for i in range(kh):
                y, rest = divmod(r + ph - i * dh, sh)
                if rest != 0 or not 0 <= y < rows:
                    continue
                for j in range(kw):
                    shift, same = divmod(j * dw, sw)
                    if same == line:
                        offsets[count], taps[count] = y * pitch + place - shift, i * kw + j
                        count += 1
            first[r * sw + phase + 1] = count
    return offsets, taps, first


def _split(source, at, width, lines, start, span, stride, padding, fill):
    """Put `width` pixels from source[at] on lines `span` apart, the first at lines[start]; `fill` behind the last."""
    everywhere = v.below(LANES)
    if stride == 1:
        for x in range(0, width, LANES):
            v.store(v.load(source, at + x, v.below(width - x), fill), lines, start + x + padding, everywhere)
    elif stride == 2:
        near = start + padding % 2 * span + padding // 2
        far = start + (padding + 1) % 2 * span + (padding + 1) // 2
        for x in range(0, width, 2 * LANES):
            even, odd = v.load_pairs(source, at + x, v.below(width - x), v.below(width - x - LANES), fill)
            v.store(even, lines, near + x // 2, everywhere)
            v.store(odd, lines, far + x // 2, everywhere)
    else:
        for x in range(width):
            lines[start + (x + padding) % stride * span + (x + padding) // stride] = source[at + x]


def _maxima_of_windows(input, output, winners, window, first, end):
    """Maxima of any windows, and each winning tap i*KW + j in the type of `winners` (or `winners` is None)."""
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    lowest = input.dtype.type(-np.inf)
    pixels, everywhere = input.reshape(-1), v.below(LANES)
    pitch = (columns + LANES - 1) // LANES * LANES
    span = max(pitch + (kw - 1) * dw // sw, (width + pw) // sw + LANES) + LANES
    places = taps_on_lines(window, span)
    phases = np.full(height * sw * span, lowest)
    best_of_row = np.empty(height * pitch, input.dtype)
    tap_of_row = np.empty(height * pitch, np.int16)
    first_tap = np.zeros(pitch, np.int16)
    for x in range(columns):
        first_tap[x] = max(0, -((x * sw - pw) // dw))
    for plane in range(first, end):
        for r in range(height):
            split(pixels, (plane * height + r) * width, width, phases, r * sw * span, span, sw, pw, lowest)
        # Only now, as a vector that was stored in two others a moment ago is slow to load.
        for r in range(height):
            for x in range(0, pitch, LANES):
                best = v.splat(lowest)
                tap = v.load(first_tap, x, everywhere, np.int16(0))
                for j in range(kw):
                    pixel = v.load(phases, r * sw * span + x + places[j], everywhere, lowest)
                    wins = v.beats(pixel, best)
                    best = v.choose(wins, pixel, best)
                    tap = v.choose(wins, v.splat(np.int16(j)), tap)
                v.store(best, best_of_row, r * pitch + x, everywhere)
                if winners is not None:
                    v.store(tap, tap_of_row, r * pitch + x, everywhere)
        for x in range(0, columns, LANES):
            mask = v.below(columns - x)
            for y in range(rows):
                i, r = 0, y * sh - ph
                while r < 0:
                    i, r = i + 1, r + dh
                best = v.load(best_of_row, r * pitch + x, everywhere, lowest)
                tap = v.add(v.load(tap_of_row, r * pitch + x, everywhere, np.int16(0)), v.splat(np.int16(i * kw)))
                i, r = i + 1, r + dh
                while i < kh and r < height:
                    pixel = v.load(best_of_row, r * pitch + x, everywhere, lowest)
                    wins = v.beats(pixel, best)
                    best = v.choose(wins, pixel, best)
                    place = v.load(tap_of_row, r * pitch + x, everywhere, np.int16(0))
                    tap = v.choose(wins, v.add(place, v.splat(np.int16(i * kw))), tap)
                    i, r = i + 1, r + dh
                v.store(best, output, (plane * rows + y) * columns + x, mask)
                if winners is not None:
                    v.store(tap, winners, (plane * rows + y) * columns + x, mask)


def _sum_of_won(numbers, taps, base, offsets, numbers_of_taps, seen, place):
    """For sixteen pixels, the sum over the windows that see them of the numbers of those that they won."""
    zero, everywhere = numbers.dtype.type(0), v.below(LANES)
    total = v.splat(zero)
    for n in range(seen[place], seen[place + 1]):
        won = v.equal(v.load(taps, base + offsets[n], everywhere, np.int16(0)), v.splat(numbers_of_taps[n]))
        number = v.load(numbers, base + offsets[n], everywhere, zero)
        total = v.add(total, v.choose(won, number, v.splat(zero)))
    return total


def _sum_of_all(numbers, base, offsets, seen, place):
    """For sixteen pixels, the sum over the windows that see them."""
    zero, everywhere = numbers.dtype.type(0), v.below(LANES)
    total = v.splat(zero)
    for n in range(seen[place], seen[place + 1]):
        total = v.add(total, v.load(numbers, base + offsets[n], everywhere, zero))
    return total


def _scatter_to_windows(grad, result, winners, window, first, end):
    """The adjoint of `_maxima_of_windows`: each pixel adds up the numbers of the windows that it won."""
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    zero, none = grad.dtype.type(0), np.int16(-1)
    everywhere = v.below(LANES)
    margin = (kw - 1) * dw // sw
    pitch = margin + max(columns, (width + pw) // sw) + 2 * LANES
    offsets, numbers_of_taps, seen = windows_of_pixels(window, height, rows, pitch)
    numbers, taps = np.zeros(rows * pitch, grad.dtype), np.full(rows * pitch, none)
    phases = np.empty(sw * LANES, grad.dtype)
    for plane in range(first, end):
        for y in range(rows):
            for x in range(0, columns, LANES):
                at, mask = (plane * rows + y) * columns + x, v.below(columns - x)
                v.store(v.load(grad, at, mask, zero), numbers, y * pitch + margin + x, everywhere)
                v.store(v.load(winners, at, mask, none), taps, y * pitch + margin + x, everywhere)
        for r in range(height):
            for block in range((width + sw * LANES - 1) // (sw * LANES)):
                x, base = block * sw * LANES, margin + block * LANES
                at, left = (plane * height + r) * width + x, width - x
                if sw == 2:  # nearly all there is, and in no need of a detour through memory
                    even = sum_of_won(numbers, taps, base, offsets, numbers_of_taps, seen, 2 * r)
                    odd = sum_of_won(numbers, taps, base, offsets, numbers_of_taps, seen, 2 * r + 1)
                    v.store_pairs(even, odd, result, at, v.below(left), v.below(left - LANES))
                    continue
                for phase in range(sw):
                    total = sum_of_won(numbers, taps, base, offsets, numbers_of_taps, seen, r * sw + phase)
                    v.store(total, phases, phase * LANES, everywhere)
                join(phases, result, at, left, sw)


def _join(phases, result, at, count, stride):
    """Write sixteen numbers of each phase as neighbours from result[at] on, `count` of them at most."""
    pixels = result.reshape(-1)
    if stride == 1:
        v.store(v.load(phases, 0, v.below(LANES), phases.dtype.type(0)), result, at, v.below(count))
        return
    for x in range(min(count, stride * LANES)):
        pixels[at + x] = phases[x % stride * LANES + x // stride]


def _averages_of_windows(input, output, row_divisors, column_divisors, window, first, end):
    """Sums of any windows over their divisors."""
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width = input.shape[1:]
    rows, columns = output.shape[1:]
    zero, one = input.dtype.type(0), input.dtype.type(1)
    everywhere = v.below(LANES)
    span = max(columns + LANES + (kw - 1) // sw, (width + pw) // sw + LANES) + LANES
    places = taps_on_lines(window, span)
    wide = (width + 2 * LANES - 1) // LANES * LANES
    sums, phases = np.zeros(rows * wide, input.dtype), np.zeros(rows * sw * span, input.dtype)
    for plane in range(first, end):
        for x in range(0, width, LANES):
            mask = v.below(width - x)
            for y in range(rows):
                top, bottom = max(0, y * sh - ph), min(height, y * sh - ph + kh)
                total = v.splat(zero)
                for r in range(top, bottom):
                    total = v.add(total, v.load(input, (plane * height + r) * width + x, mask, zero))
                v.store(total, sums, y * wide + x, everywhere)
        for y in range(rows):
            split(sums, y * wide, width, phases, y * sw * span, span, sw, pw, zero)
        for x in range(0, columns, LANES):
            mask = v.below(columns - x)
            divisors = v.load(column_divisors, x, mask, one)
            for y in range(rows):
                total = v.splat(zero)
                for j in range(kw):
                    total = v.add(total, v.load(phases, y * sw * span + x + places[j], everywhere, zero))
                divisor = v.multiply(divisors, v.splat(row_divisors[y]))
                v.store(v.divide(total, divisor), output, (plane * rows + y) * columns + x, mask)


def _spread_over_windows(grad, result, row_divisors, column_divisors, window, first, end):
    """The adjoint of `_averages_of_windows`."""
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width = result.shape[1:]
    rows, columns = grad.shape[1:]
    zero, one = grad.dtype.type(0), grad.dtype.type(1)
    everywhere = v.below(LANES)
    margin = (kw - 1) // sw
    pitch = margin + max(columns, (width + pw) // sw) + 2 * LANES
    # Rows apart from columns: a sum over windows is the sum over columns of sums over rows.
    row_offsets, _, row_seen = windows_of_pixels((kh, 1, sh, 1, ph, 0, 1, 1), height, rows, pitch)
    column_offsets, _, column_seen = windows_of_pixels((1, kw, 1, sw, 0, pw, 1, 1), 1, 1, 0)
    shares, sums = np.zeros(rows * pitch, grad.dtype), np.zeros(height * pitch, grad.dtype)
    phases = np.empty(sw * LANES, grad.dtype)
    for plane in range(first, end):
        for x in range(0, columns, LANES):
            mask = v.below(columns - x)
            for y in range(rows):
                divisor = v.multiply(v.load(column_divisors, x, mask, one), v.splat(row_divisors[y]))
                share = v.divide(v.load(grad, (plane * rows + y) * columns + x, mask, zero), divisor)
                v.store(share, shares, y * pitch + x, everywhere)
            for r in range(height):
                v.store(sum_of_all(shares, x, row_offsets, row_seen, r), sums, r * pitch + margin + x, everywhere)
        for r in range(height):
            for block in range((width + sw * LANES - 1) // (sw * LANES)):
                x, base = block * sw * LANES, r * pitch + margin + block * LANES
                at, left = (plane * height + r) * width + x, width - x
                if sw == 2:
                    even = sum_of_all(sums, base, column_offsets, column_seen, 0)
                    odd = sum_of_all(sums, base, column_offsets, column_seen, 1)
                    v.store_pairs(even, odd, result, at, v.below(left), v.below(left - LANES))
                    continue
                for phase in range(sw):
                    total = sum_of_all(sums, base, column_offsets, column_seen, phase)
                    v.store(total, phases, phase * LANES, everywhere)
                join(phases, result, at, left, sw)


# fastmath is off: whether a NaN wins, and which of equal maxima, is the contract.
taps_on_lines = compiled(_taps_on_lines, fastmath=False)
windows_of_pixels = compiled(_windows_of_pixels, fastmath=False)
split = compiled(_split, fastmath=False)
join = compiled(_join, fastmath=False)
sum_of_won = compiled(_sum_of_won, fastmath=False)
sum_of_all = compiled(_sum_of_all, fastmath=False)
maxima_of_windows = compiled(_maxima_of_windows, fastmath=False)
scatter_to_windows = compiled(_scatter_to_windows, fastmath=False)
averages_of_windows = compiled(_averages_of_windows, fastmath=False)
spread_over_windows = compiled(_spread_over_windows, fastmath=False)
