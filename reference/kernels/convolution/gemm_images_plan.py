"""Which taps each target pixel sees, and the blocks in which `gemm` works when its vector lanes are images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.gemm_pixels_plan import SUM_BYTES
from reference.kernels.convolution.gemm_tile import columns

PIXELS_BYTES = 640 * 1024  # of a block's pixels, in the second-level cache
SUMS_BYTES = 1200 * 1024  # of a block's sums, which pass through once per group of channels


@dataclass(frozen=True)
class ImagesPlan:
    """One target, forward or backward.

    Args:
        rows, row_items: target row h sees, for every item in rows[h] to rows[h + 1], (source row, tap row).
        cols, col_items: target column w sees, for every item, a run (source column, place of its first tap in
            `order`, length) of neighbouring columns under neighbouring taps.
        weights: (T,) int64, where in a kernel the taps lie in the order of the packed weight.
        kernel_width: KW.
        block_rows: target rows of a block. channels: that are summed at a time.
        scratch: how many numbers a thread works on at a time.
    """

    rows: np.ndarray
    row_items: np.ndarray
    cols: np.ndarray
    col_items: np.ndarray
    weights: np.ndarray
    kernel_width: int
    block_rows: int
    channels: int
    scratch: int

    def blocks(self, images: int, itemsize: int) -> int:
        """How many units of work so many images are."""
        return -(-images // columns(itemsize)) * -(-(len(self.rows) - 1) // self.block_rows)


@lru_cache(maxsize=256)
def forward_plan(geometry: Geometry, size: tuple[int, int], kernel: tuple, images: int, threads: int, itemsize: int):
    """Of the output; `kernel` is the weight's shape (O, C/G, KH, KW), `size` the image's (H, W)."""
    shape = geometry.output_size(size, kernel[2:])

    def seen(axis, place, tap):
        return place * geometry.stride[axis] + tap * geometry.dilation[axis] - geometry.padding[2 * axis]

    orders = [list(range(taps)) for taps in kernel[2:]]
    return _plan(seen, orders, shape, size, kernel[1], kernel[0] // geometry.groups, images, threads, itemsize)


@lru_cache(maxsize=256)
def backward_plan(geometry: Geometry, size: tuple[int, int], kernel: tuple, images: int, threads: int, itemsize: int):
    """Of the input's gradient: pixel h lies under tap i from output row y with y*stride + i*dilation - top = h."""
    shape = geometry.output_size(size, kernel[2:])

    def seen(axis, place, tap):
        distance = place + geometry.padding[2 * axis] - tap * geometry.dilation[axis]
        row, left_over = divmod(distance, geometry.stride[axis])
        return -1 if left_over else row

    # Taps of one phase of the stride see neighbouring pixels one after the other, from the last tap on.
    orders = [
        sorted(range(taps), key=lambda tap: (tap * dilation % stride, -tap))
        for taps, dilation, stride in zip(kernel[2:], geometry.dilation, geometry.stride)
    ]
    return _plan(seen, orders, size, shape, kernel[0] // geometry.groups, kernel[1], images, threads, itemsize)


def _plan(seen, orders, shape, size, channels, target_channels, images, threads, itemsize) -> ImagesPlan:
    (kh, kw), (height, width) = map(len, orders), size
    rows, row_items, cols, col_items = [0], [], [0], []
    for h in range(shape[0]):
        items = [(seen(0, h, tap), place) for place, tap in enumerate(orders[0])]
        row_items += [item for item in items if 0 <= item[0] < height]
        rows.append(len(row_items))
    for w in range(shape[1]):
        for place, tap in enumerate(orders[1]):
            column = seen(1, w, tap)
            if 0 <= column < width:
                if len(col_items) > cols[-1] and _follows(col_items[-1], column, place):
                    col_items[-1][2] += 1
                else:
                    col_items.append([column, place, 1])
        cols.append(len(col_items))
    weights = [i * kw + j for i in orders[0] for j in orders[1]]
    block_rows, at_once, scratch = _block(rows, row_items, shape, size, channels, target_channels, kh * kw, itemsize)
    groups = -(-images // columns(itemsize))
    row_blocks = -(-shape[0] // block_rows)
    while groups * row_blocks % threads and groups * row_blocks < 8 * threads and row_blocks < shape[0]:
        row_blocks += 1  # as many units of work for every thread
    block_rows = -(-shape[0] // row_blocks)
    return ImagesPlan(
        rows=np.array(rows, np.int64),
        row_items=np.array(row_items, np.int64).reshape(-1, 2),
        cols=np.array(cols, np.int64),
        col_items=np.array(col_items, np.int64).reshape(-1, 3),
        weights=np.array(weights, np.int64),
        kernel_width=kw,
        block_rows=block_rows,
        channels=at_once,
        scratch=scratch // itemsize,
    )


def _follows(run, column, place) -> bool:
    return column == run[0] + run[2] and place == run[1] + run[2]


def _block(rows, row_items, shape, size, channels, target_channels, taps, itemsize) -> tuple[int, int, int]:
    """(target rows, channels, bytes) of a block that stays in the cache."""
    number = columns(itemsize) * itemsize  # bytes of one number in every image
    parts = -(-channels // max(1, SUM_BYTES // itemsize // taps))
    enough = min(shape[0], -(-16 // shape[1]) + 1)
    while True:
        at_once = -(-channels // parts)
        if parts > 1 and at_once % 8 == 0:
            at_once += 1  # pixels at distances of a power of two would compete for few places of the cache
        best = best_bytes = 0
        for count in range(1, shape[0] + 1):
            spans = []
            for h in range(0, shape[0], count):
                seen = [row for row, _ in row_items[rows[h] : rows[min(shape[0], h + count)]]]
                spans.append(max(seen) - min(seen) + 1 if seen else 0)
            pixels, sums = max(spans) * size[1] * at_once * number, count * shape[1] * (target_channels | 1) * number
            if count == 1 or (pixels <= PIXELS_BYTES and sums <= SUMS_BYTES):
                best, best_bytes = count, pixels + sums
        if best >= enough or at_once * taps < 200:
            return -(-shape[0] // -(-shape[0] // best)), at_once, best_bytes
        parts += 1
