"""The operations of `lanes` as plain Python on arrays of sixteen numbers: their meaning, word for word.

The kernels run on these where numba is told not to compile (`NUMBA_DISABLE_JIT=1`), so that a debugger
can step through them. An array is read and written as one long row.
"""

from __future__ import annotations

import numpy as np

LANES = 16
LINE_BYTES = 64


def below(end):
    """Mask of the lanes whose number is below `end`."""
    return np.arange(LANES) < end


def inside(start, end):
    """Mask of the lanes whose number is in range(start, end)."""
    return (np.arange(LANES) >= start) & (np.arange(LANES) < end)


def load(array, index, mask, fill):
    """Lane l is array[index + l] where the mask is set, and elsewhere `fill`, a number or a vector."""
    lanes = np.full(LANES, fill, dtype=array.dtype)
    for lane in np.flatnonzero(mask):
        lanes[lane] = array.reshape(-1)[index + lane]
    return lanes


def load_pairs(array, index, low, high, fill):
    """Every other number of `array` from `index` on, and from `index + 1` on; the masks are of single numbers."""
    row = np.concatenate([load(array, index, low, fill), load(array, index + LANES, high, fill)])
    return row[0::2], row[1::2]


def deinterleave(left, right):
    """Every other number of two vectors in a row, from the first on, and from the second on."""
    row = np.concatenate([left, right])
    return row[0::2], row[1::2]


def read_ahead(array, index):
    """Ask for what will be read soon after the 32 numbers from array[index] on; it need not be in the array."""


def write_ahead(array, index):
    """As `read_ahead`, for what will be written."""


def store(lanes, array, index, mask):
    """Write the lanes of the mask from array[index] on."""
    for lane in np.flatnonzero(mask):
        array.reshape(-1)[index + lane] = lanes[lane]


def store_past_caches(lanes, array, index):
    """As `store` of all lanes on a line's boundary, without reading the lines into a cache first, nor keeping them."""
    array.reshape(-1)[index : index + LANES] = lanes


def to_boundary(array, index):
    """How many numbers lie between array[index] and the next boundary of a cache's line; 0 if it lies on one."""
    return -(array.ctypes.data + index * array.itemsize) % LINE_BYTES // array.itemsize


def interleave(left, right):
    """left[0], right[0], left[1], right[1], ... as two vectors."""
    row = np.stack([left, right], axis=1).reshape(-1)
    return row[:LANES], row[LANES:]


def store_pairs(left, right, array, index, low, high):
    """Write left[0], right[0], left[1], right[1], ... from array[index] on; the masks are of single numbers."""
    near, far = interleave(left, right)
    store(near, array, index, low)
    store(far, array, index + LANES, high)


def splat(scalar):
    """`scalar` in every lane."""
    return np.full(LANES, scalar)


def beats(challenger, best):
    """Where the challenger is greater, or NaN."""
    return (challenger > best) | np.isnan(challenger)


def greater(left, right):
    """The greater of both; `right` where they are equal. Neither may be NaN."""
    return np.where(left > right, left, right)


def exceeds(left, right):
    """Where the left is greater; nowhere if either is NaN."""
    return left > right


def is_nan(left, right):
    """Where either is NaN."""
    return np.isnan(left) | np.isnan(right)


def either(left, right):
    """Where one mask is set or the other."""
    return left | right


def any_of(mask):
    """Whether a mask is set anywhere."""
    return bool(mask.any())


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
