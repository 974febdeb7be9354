"""Which pixels a kernel of one tap uses, and in what pieces `pointwise` reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels import parallel
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS, columns, row_cuts
from reference.kernels.vectors import VECTOR_BYTES

# What a block of images holds of one side of a product, in the second-level cache beside the weights.
BLOCK_BYTES = 160 * 1024
# Up to a vector's so many-th part, what is left of an image is cheaper with rows of the weight in the lanes.
REST = 8
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


@dataclass(frozen=True)
class Products:
    """One shape's product of a weight (R x C) and images, and where its numbers go.

    Args:
        shape: the target's (N, R, H, W). counts: numbers of the source, the target, what rows start from, the weight.
        cuts: `row_cuts(R)`. as_they_lie: whether `image_products` takes it, and not `pixel_products`.
        loops: what these need to know after their arrays.
        units, parts: of work. room: numbers that a part needs for itself.
    """

    shape: tuple[int, int, int, int]
    counts: tuple[int, int, int, int]
    cuts: np.ndarray
    as_they_lie: bool
    loops: tuple
    units: int
    parts: int
    room: int


@lru_cache(maxsize=256)
def products(shape, rows: int, result, stride, spread_stride, itemsize: int, threads: int) -> Products:
    """The plan for one shape.

    Args:
        shape: the source's (N, C, H, W). rows: R. result: the target's (H, W), None for those of the used pixels.
        stride: between the pixels of the source that are used. spread_stride: between the sums in the target.
        itemsize: bytes of a number. threads: at most.
    """
    (images, channels, *size), cuts, lanes = shape, row_cuts(rows), columns(itemsize) // VECTORS
    result = result or tuple(-(-extent // step) for extent, step in zip(size, stride))
    seen, spread = pixels(tuple(size), stride, itemsize), pixels(result, spread_stride, itemsize)
    plane, target_plane, units = size[0] * size[1], result[0] * result[1], seen.units
    packs = stride != (1, 1) or seen.count < lanes
    spreads = target_plane != seen.count or seen.count < lanes
    as_they_lie, rest = not packs and not spreads, 0
    if as_they_lie:
        if 0 < plane % lanes <= lanes // REST:
            units, rest = units[:-1], plane % lanes
        some = 1 + units.size % 2
    else:
        some = block(images, channels * seen.count * itemsize, threads)
    blocks, operations = -(-images // some), images * seen.count * channels * rows
    chunks = min(len(cuts) - 1, -(-min(threads, parallel.parts(operations, operations)) // max(1, blocks)))
    tiles = places(units, seen.firsts, some)
    in_panels = len(tiles) * (VECTORS * lanes * channels + lanes) if packs else 0
    in_sums = HEIGHTS[0] * (some * seen.count + lanes) if spreads else 0
    if as_they_lie:
        loops = images, channels, plane, cuts, tiles, rest, some, chunks
    else:
        loops = (
            images, channels, plane, target_plane, cuts, tiles, seen.pieces, stride[1], packs, spreads, spread.starts,
            spread.spread, seen.count, some, chunks,
        )  # fmt: skip
    return Products(
        shape=(images, rows, *result),
        counts=(images * channels * plane, images * rows * target_plane, rows, rows * channels),
        cuts=cuts,
        as_they_lie=as_they_lie,
        loops=loops,
        units=blocks * chunks,
        parts=parallel.parts(blocks * chunks, operations),
        room=rows * channels + VECTORS * lanes if as_they_lie else in_panels + in_sums + lanes,
    )


def places(units: np.ndarray, firsts: np.ndarray, images: int) -> np.ndarray:
    """The tiles of a block of images, two units each: int64 (tiles, 7).

    A tile's are its left unit's image in the block and first used pixel, how many images and used pixels the right one
    is further on, which of the block's pieces is the first of the left one and the right one, and the first of neither.
    """
    whole = [(n, u) for n in range(images) for u in range(units.size)]
    found = []
    for left, right in zip(whole[::VECTORS], [*whole[1::VECTORS], whole[-1]]):
        (n, u), (n_right, u_right) = left, right
        before, after = (image * firsts[-1] + firsts[unit] for image, unit in ((n, u), (n_right, u_right + 1)))
        between = after if left == right else n_right * firsts[-1] + firsts[u_right]
        found.append((n, units[u], n_right - n, units[u_right] - units[u], before, between, after))
    return np.array(found, np.int64)


@lru_cache(maxsize=256)
def block(images: int, bytes_of_one: int, threads: int) -> int:
    """Images of a block: as many as stay in the cache, and so many that every thread gets as many in all."""
    most, share = max(1, BLOCK_BYTES // bytes_of_one), -(-images // threads)
    even = (count for count in range(min(most, share), 0, -1) if -(-(-(-images // count)) // threads) * count == share)
    return next(even, 1)
