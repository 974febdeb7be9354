"""The operations of `pool_lanes` as plain Python on arrays of sixteen numbers: their meaning, word for word.

The kernels run on these where numba is told not to compile (`NUMBA_DISABLE_JIT=1`), so that a debugger
can step through them. An array is read and written as one long row.
"""

from __future__ import annotations

import numpy as np

LANES = 16


def below(end):
    """Mask of the lanes whose number is below `end`."""
    return np.arange(LANES) < end


def load(array, index, mask, fill):
    """Lane l is array[index + l] where the mask is set, and `fill` elsewhere."""
    lanes = np.full(LANES, fill, dtype=array.dtype)
    for lane in np.flatnonzero(mask):
        lanes[lane] = array.reshape(-1)[index + lane]
    return lanes


def load_pairs(array, index, low, high, fill):
    """Every other number of `array` from `index` on, and from `index + 1` on; the masks are of single numbers."""
    row = np.concatenate([load(array, index, low, fill), load(array, index + LANES, high, fill)])
    return row[0::2], row[1::2]


def read_ahead(array, index):
    """Ask for what will be read soon after the 32 numbers from array[index] on; it need not be in the array."""


def store(lanes, array, index, mask):
    """Write the lanes of the mask from array[index] on."""
    for lane in np.flatnonzero(mask):
        array.reshape(-1)[index + lane] = lanes[lane]


def store_pairs(left, right, array, index, low, high):
    """Write left[0], right[0], left[1], right[1], ... from array[index] on; the masks are of single numbers."""
    row = np.stack([left, right], axis=1).reshape(-1)
    store(row[:LANES], array, index, low)
    store(row[LANES:], array, index + LANES, high)


def splat(scalar):
    """`scalar` in every lane."""
    return np.full(LANES, scalar)


def beats(challenger, best):
    """Where the challenger is greater, or NaN."""
    return (challenger > best) | np.isnan(challenger)


def greater(left, right):
    """The greater of both; `right` where they are equal. Neither may be NaN."""
    return np.where(left > right, left, right)


def is_nan(left, right):
    """Where either is NaN."""
    return np.isnan(left) | np.isnan(right)


def any_of(left, right):
    """Whether either mask is set anywhere."""
    return bool((left | right).any())


def equal(left, right):
    """Where both are the same number."""
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
