"""Which pixels a kernel of one tap uses, and in what pieces `pointwise` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels.vectors import VECTOR_BYTES

# What a block of images holds of one side of a product, in the second-level cache beside the weights.
BLOCK_BYTES = 160 * 1024
# Pixels over which the weight's gradient keeps a tile of sums in registers; few of them are worth a copy.
PIXELS_TOGETHER = 256

# What a vector of the spread image holds of the used pixels.
NONE, EVERY_OTHER, SOME = range(3)


@dataclass(frozen=True)
class Pixels:
    """The P pixels of an image (H, W) that a stride uses, in rows, cut into U units of a vector each.

    The last unit starts early where P is no multiple of a vector: it is computed from some of the same pixels again.

    Args:
        units: (U,) int64, each unit's first pixel, counted among those that are used.
        firsts, pieces: unit u's pieces are pieces[firsts[u]] to pieces[firsts[u + 1]]; each is int64 (lane, place in
            the image, length): used pixels of one row.
        starts, spread: int64 (V,) and (V, 3) per vector of the whole image: its first pixel; the first used pixel from
            there on, which of the lanes are used as bits, and `NONE`, `EVERY_OTHER` from the first lane, or `SOME`.
        count: P.
    """

    units: np.ndarray
    firsts: np.ndarray
    pieces: np.ndarray
    starts: np.ndarray
    spread: np.ndarray
    count: int


@lru_cache(maxsize=256)
def pixels(size: tuple[int, int], stride: tuple[int, int], itemsize: int) -> Pixels:
    """The pixels of an image of (H, W) that lie `stride` apart."""
    lanes = VECTOR_BYTES // itemsize
    used = np.zeros(size, bool)
    used[:: stride[0], :: stride[1]] = True
    places, columns = np.flatnonzero(used), -(-size[1] // stride[1])
    units = _starts(places.size, lanes)
    firsts, pieces = [0], []
    for unit in units:
        first, end = unit, min(unit + lanes, places.size)
        while first < end:
            length = min(end - first, columns - first % columns)
            pieces.append((first - unit, places[first], length))
            first += length
        firsts.append(len(pieces))
    starts = _starts(used.size, lanes)
    return Pixels(
        units=units,
        firsts=np.array(firsts, np.int64),
        pieces=np.array(pieces, np.int64),
        starts=starts,
        spread=np.array([_spread(places, start, lanes) for start in starts], np.int64),
        count=places.size,
    )


def _spread(places: np.ndarray, start: int, lanes: int) -> tuple[int, int, int]:
    first = np.searchsorted(places, start)
    used = [int(place) - start for place in places[first:] if place < start + lanes]
    kind = NONE if not used else EVERY_OTHER if used == list(range(0, 2 * len(used), 2)) else SOME
    return first, sum(1 << lane for lane in used), kind


def _starts(count: int, lanes: int) -> np.ndarray:
    """Where vectors start that cover `count` numbers, none past the last if it can be."""
    return np.minimum(np.arange(0, count, lanes), max(0, count - lanes)).astype(np.int64)


@lru_cache(maxsize=256)
def block(images: int, bytes_of_one: int, threads: int) -> int:
    """Images of a block: as many as stay in the cache, and so many that every thread gets as many in all."""
    most, share = max(1, BLOCK_BYTES // bytes_of_one), -(-images // threads)
    even = (count for count in range(min(most, share), 0, -1) if -(-(-(-images // count)) // threads) * count == share)
    return next(even, 1)
