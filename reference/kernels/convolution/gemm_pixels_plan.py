"""Where `gemm` finds what every tap sees, and how it cuts its products into blocks, worked out once per shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.gemm_tile import columns

# A panel of A (14 rows) and one of B (32 columns) of this much sum stream through the first-level cache.
SUM_BYTES = 2560
# A block's panels of B, and the planes that they are packed from, stay in the second-level cache (1 to 2 MB).
PANELS_BYTES = 448 * 1024


@dataclass(frozen=True)
class Gather:
    """One product: target pixels of one phase, each a sum over channels and taps of what it sees in the source.

    The target's cell (r, q) is pixel (row_0 + r*row_step, column_0 + q*column_step); tap t sees source pixel
    (r*step_h + row of t, q*step_w + column of t), zero outside. A block is some whole images, or some rows of
    one image; its sums are over some channels at a time.

    Args:
        target: (row_0, row_step, column_0, column_step, rows, columns) of the cells.
        phases: (P, 2) int64, where in the source the planes' first cells lie, from `seen`'s first row and column.
        seen: (step_h, step_w, first row, first column, rows, pitch) of the planes of a block.
        plane: numbers per channel in the planes.
        taps: (T,) int64, where each tap starts in a channel's planes.
        weights: (T,) int64, where each tap lies in a kernel.
        block: (images, rows) of a block.
        channels: that are summed at a time.
        scratch: how many numbers a thread works on at a time.
        line: whether the images are taken as one long row each.
    """

    target: tuple[int, int, int, int, int, int]
    phases: np.ndarray
    seen: tuple[int, int, int, int, int, int]
    plane: int
    taps: np.ndarray
    weights: np.ndarray
    block: tuple[int, int]
    channels: int
    scratch: int
    line: bool

    def blocks(self, images: int) -> int:
        """How many blocks so many images are."""
        return -(-images // self.block[0]) * -(-self.target[4] // self.block[1])


@lru_cache(maxsize=256)
def forward_plan(geometry: Geometry, size: tuple[int, int], kernel: tuple, images: int, threads: int, itemsize: int):
    """The one gather of the output; `kernel` is the weight's shape (O, C/G, KH, KW), `size` the image's (H, W)."""
    (sh, sw), (dh, dw), (top, _, left, _) = geometry.stride, geometry.dilation, geometry.padding
    rows, cols = geometry.output_size(size, kernel[2:])
    taps = [(i * dh - top, j * dw - left, i * kernel[3] + j) for i in range(kernel[2]) for j in range(kernel[3])]
    return _gather((0, 1, 0, 1, rows, cols), (sh, sw), size, kernel[1], taps, images, threads, itemsize)


@lru_cache(maxsize=256)
def backward_plan(geometry: Geometry, size: tuple[int, int], kernel: tuple, images: int, threads: int, itemsize: int):
    """The gathers of the input's gradient, one per phase of the stride that has a pixel and a tap.

    Input row h is seen by tap i from output row y with y*stride + i*dilation - top = h. With h = row_0 + r*stride
    that is y = r + (row_0 + top - i*dilation) / stride, for the taps that leave no remainder.
    """
    (sh, sw), (dh, dw), (top, _, left, _) = geometry.stride, geometry.dilation, geometry.padding
    out_channels, _, kh, kw = kernel
    seen = geometry.output_size(size, (kh, kw))
    gathers = []
    for row_0 in range(min(sh, size[0])):
        for column_0 in range(min(sw, size[1])):
            taps = [
                ((row_0 + top - i * dh) // sh, (column_0 + left - j * dw) // sw, i * kw + j)
                for i in range(kh)
                for j in range(kw)
                if (row_0 + top - i * dh) % sh == 0 and (column_0 + left - j * dw) % sw == 0
            ]
            target = (row_0, sh, column_0, sw, -(-(size[0] - row_0) // sh), -(-(size[1] - column_0) // sw))
            if taps:
                channels = out_channels // geometry.groups
                gathers.append(_gather(target, (1, 1), seen, channels, taps, images, threads, itemsize))
    return gathers


def _gather(target, step, size, channels, taps, images, threads, itemsize) -> Gather:
    at_once = _evenly(channels, max(1, SUM_BYTES // itemsize // len(taps)))
    most = max(columns(itemsize), PANELS_BYTES // itemsize // (at_once * len(taps)))  # columns of a block
    # One tap that sees each pixel from its own place takes every image as one long row.
    line = [tap[:2] for tap in taps] == [(0, 0)] and target == (0, 1, 0, 1, *size) and size[0] * size[1] <= most
    if line:
        target = (0, 1, 0, 1, 1, size[0] * size[1])
    row, column, weights = np.array(taps, np.int64).T
    (row_shift, row_phase), (column_shift, column_phase) = (
        np.divmod(first - first.min(), s) for first, s in zip((row, column), step)
    )
    phases, phase = np.unique(np.stack([row_phase, column_phase], -1), axis=0, return_inverse=True)  # (P, 2)
    rows, cols = target[4:]
    block = _block(images, rows, cols, most, threads)
    seen_rows, pitch = block[1] + int(row_shift.max()), cols + int(column_shift.max())
    plane = len(phases) * seen_rows * pitch
    width = columns(itemsize)
    in_panels = -(-block[0] * block[1] * cols // width) * width * at_once * len(taps)
    return Gather(
        target=target,
        phases=np.ascontiguousarray(phases),
        seen=(*step, int(row.min()), int(column.min()), seen_rows, pitch),
        plane=plane,
        taps=phase.reshape(-1) * seen_rows * pitch + row_shift * pitch + column_shift,
        weights=weights.copy(),
        block=block,
        channels=at_once,
        scratch=in_panels + block[0] * at_once * plane + 4 * width,
        line=line,
    )


def _evenly(count: int, most: int) -> int:
    """The size of equal parts of `count`, none above `most`."""
    parts = -(-count // most)
    return -(-count // parts)


def _block(images: int, rows: int, cols: int, most: int, threads: int) -> tuple[int, int]:
    """(images, rows) of blocks of at most so many columns, if a row has no more, and as many for every thread."""
    if images < threads:
        return 1, _evenly(rows, max(1, min(most // cols, rows * images // threads)))
    if most < rows * cols:
        return 1, _evenly(rows, max(1, most // cols))
    blocks = -(-images // (most // (rows * cols)))
    return -(-images // (-(-blocks // threads) * threads)), rows
