"""The operations of `pool_lanes` as plain Python on arrays of sixteen numbers: their meaning, word for word.

The kernels run on these where numba is told not to compile (`NUMBA_DISABLE_JIT=1`), so that a debugger
can step through them.
"""

from __future__ import annotations

import numpy as np

LANES = 16


def load(array, index, first, end, fill):
    """Lane l is array[index + l] where first <= l < end, and `fill` elsewhere; `array` is read as one long row."""
    lanes = np.full(LANES, fill, dtype=array.dtype)
    for lane in range(max(first, 0), min(end, LANES)):
        lanes[lane] = array.reshape(-1)[index + lane]
    return lanes


def load_pairs(array, index, first, end, fill):
    """Every other number of `array` from `index` on, and from `index + 1` on; [first, end) counts single numbers."""
    row = np.full(2 * LANES, fill, dtype=array.dtype)
    for place in range(max(first, 0), min(end, 2 * LANES)):
        row[place] = array.reshape(-1)[index + place]
    return row[0::2], row[1::2]


def load_every(array, index, step, first, end, fill):
    """Lane l is array[index + l*step] where first <= l < end, and `fill` elsewhere."""
    lanes = np.full(LANES, fill, dtype=array.dtype)
    for lane in range(max(first, 0), min(end, LANES)):
        lanes[lane] = array.reshape(-1)[index + lane * step]
    return lanes


def store(lanes, array, index, end):
    """Write the lanes below `end` from array[index] on."""
    count = max(0, min(end, LANES))
    array.reshape(-1)[index : index + count] = lanes[:count]


def store_pairs(left, right, array, index, end):
    """Write left[0], right[0], left[1], right[1], ... from array[index] on; `end` counts single numbers."""
    count = max(0, min(end, 2 * LANES))
    array.reshape(-1)[index : index + count] = np.stack([left, right], axis=1).reshape(-1)[:count]


def splat(scalar):
    """`scalar` in every lane."""
    return np.full(LANES, scalar)


def ramp(start, step):
    """start, start + step, start + 2*step, ... as int32."""
    return (start + step * np.arange(LANES)).astype(np.int32)


def beats(challenger, best):
    """Where the challenger is greater, or NaN."""
    return (challenger > best) | np.isnan(challenger)


def equal(left, right):
    """Where both integers are the same."""
    return left == right


def choose(mask, chosen, otherwise):
    """`chosen` where the mask is set, else `otherwise`."""
    return np.where(mask, chosen, otherwise)


def add(left, right):
    """Lane by lane."""
    return left + right


def divide(left, right):
    """Lane by lane."""
    return left / right


def multiply(left, right):
    """Lane by lane."""
    return left * right
