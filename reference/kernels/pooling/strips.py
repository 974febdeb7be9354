"""Rows of narrow planes side by side in one vector, for kernels whose windows lie two pixels apart.

Sixteen such windows look at a strip of 32 pixels. A row of 7 pixels would leave most of it empty, so a strip holds
the same row of `beside` planes that follow one another:

    beside 1:  32 pixels of a row                                             16 windows
    beside 2:  16 pixels of plane p, 16 of plane p + 1, at most 16 wide        8 windows of each
    beside 4:  8 pixels of p, 8 of p + 1, 8 of p + 2, 8 of p + 3               4 windows of each

Each plane's share is one masked load or store. `size` is the distance of planes in pixels, `count` in windows.
Each `_name` is the plain Python kernel, and `name` its compiled alias.
"""

from __future__ import annotations

import numba

from reference.kernels.compiled import compiled

if numba.config.DISABLE_JIT:
    from reference.kernels.pooling import lanes_python as v
else:
    from reference.kernels.pooling import lanes as v

LANES = v.LANES


def planes_beside(width: int, columns: int) -> int:
    """How many planes fit beside one another: 4, 2 or 1.

    Args:
        width: pixels of a row. columns: windows of a row.
    """
    for beside in (4, 2):
        if width * beside <= 2 * LANES and columns * beside <= LANES:
            return beside
    return 1


def _pixels_from(start, width, beside):
    """Masks of a strip's pixels that lie in rows of `width` pixels, if its first lane is pixel `start` of the row.

    Returns:
        Masks of both vectors of a strip, without the second of two planes that share a vector; and of these.
    """
    before, after = -start, width - start
    if beside == 1:
        return v.inside(before, after), v.inside(before - LANES, after - LANES), v.below(0)
    if beside == 2:
        return v.inside(before, after), v.inside(before, after), v.below(0)
    half = LANES // 2
    lower = v.inside(before, min(after, half))
    return lower, lower, v.inside(half + max(before, 0), half + min(after, half))


def _windows_from(start, columns, beside):
    """Masks of sixteen lanes for each of four planes, if a plane's first lane is window `start` of its row."""
    share = LANES // beside
    before, after = max(-start, 0), min(columns - start, share)
    none = v.below(0)
    return (
        v.inside(before, after),
        v.inside(share + before, share + after) if beside > 1 else none,
        v.inside(2 * share + before, 2 * share + after) if beside > 2 else none,
        v.inside(3 * share + before, 3 * share + after) if beside > 2 else none,
    )


def _read_strip(image, at, size, beside, pixels, fill):
    """Every other pixel of a strip, from image[at] on and from image[at + 1] on."""
    low, high, upper = pixels
    if beside == 1:
        return v.load_pairs(image, at, low, high, fill)
    left, right = v.load(image, at, low, fill), v.load(image, at + beside // 2 * size, high, fill)
    if beside == 4:
        left = v.load(image, at + size - LANES // 2, upper, left)
        right = v.load(image, at + 3 * size - LANES // 2, upper, right)
    return v.deinterleave(left, right)


def _write_strip(even, odd, image, at, size, beside, pixels):
    """The inverse of `_read_strip`."""
    low, high, upper = pixels
    if beside == 1:
        v.store_pairs(even, odd, image, at, low, high)
        return
    left, right = v.interleave(even, odd)
    v.store(left, image, at, low)
    v.store(right, image, at + beside // 2 * size, high)
    if beside == 4:
        v.store(left, image, at + size - LANES // 2, upper)
        v.store(right, image, at + 3 * size - LANES // 2, upper)


def _read_windows(numbers, at, count, beside, windows, fill):
    """A number for each window of a strip."""
    share = LANES // beside
    lanes = v.load(numbers, at, windows[0], fill)
    if beside > 1:
        lanes = v.load(numbers, at + count - share, windows[1], lanes)
    if beside > 2:
        lanes = v.load(numbers, at + 2 * (count - share), windows[2], lanes)
        lanes = v.load(numbers, at + 3 * (count - share), windows[3], lanes)
    return lanes


def _write_windows(lanes, numbers, at, count, beside, windows):
    """The inverse of `_read_windows`."""
    share = LANES // beside
    v.store(lanes, numbers, at, windows[0])
    if beside > 1:
        v.store(lanes, numbers, at + count - share, windows[1])
    if beside > 2:
        v.store(lanes, numbers, at + 2 * (count - share), windows[2])
        v.store(lanes, numbers, at + 3 * (count - share), windows[3])


def _copy_past_caches(source, count, array, at):
    """The first `count` numbers of `source` to array[at] and on: whole lines past the caches, what is left through them.

    So no line is read only to be overwritten, and none that is still wanted is driven out for it.
    """
    zero, whole = source.dtype.type(0), v.below(LANES)
    x = min(v.to_boundary(array, at), count)
    v.store(v.load(source, 0, v.below(x), zero), array, at, v.below(x))
    while x + LANES <= count:
        v.store_past_caches(v.load(source, x, whole, zero), array, at + x)
        x += LANES
    rest = v.below(count - x)
    v.store(v.load(source, x, rest, zero), array, at + x, rest)


# Written out in the kernels, whose calls say how many planes: what the others would need is not there then. Without
# the counting of references that numba would surround such a call with, array by array.
PART = {"fastmath": False, "forceinline": True, "_nrt": False}
pixels_from = compiled(_pixels_from, **PART)
windows_from = compiled(_windows_from, **PART)
read_strip = compiled(_read_strip, **PART)
write_strip = compiled(_write_strip, **PART)
read_windows = compiled(_read_windows, **PART)
write_windows = compiled(_write_windows, **PART)
copy_past_caches = compiled(_copy_past_caches, **PART)
