"""Which lines the loops of `direct_lines` lay out and where every tap finds its own, worked out once per shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.direct_products import ROWS, TAPS
from reference.kernels.convolution.direct_tile import HEIGHTS

_ALIGNMENT = 16  # lines start this many numbers apart or a multiple of it: on a vector's boundary
# A tap costs two multiply-adds per row, or what its loads and the wait for each sum's last multiply-add take where rows
# are few: eight sums, of four rows, are just as many as are under way, and run at nine tenths.
HEIGHT_COSTS = {height: max(2.0 * height, height + 5.0) for height in HEIGHTS}


@dataclass(frozen=True)
class Lines:
    """How one image lies in lines, and what of them the taps see.

    Line (up, across) of a channel holds for row q and column x of the target the source's pixel
    (q*stride_h + corner + up, x*stride_w + across), zero where there is none; the row q runs beyond the target's.

    Args:
        lines: (L, 2) int64, up and across. numbers: (stride_h, stride_w, corner, rows, columns, numbers of a line).
        taps: (K,) int64, where each tap starts in a group's lines, for K = channels * KH * KW.
    """

    lines: np.ndarray
    numbers: tuple[int, int, int, int, int, int]
    taps: np.ndarray


@dataclass(frozen=True)
class LineSums(Lines):
    """Forward, or the gradient of the input of a convolution with stride 1.

    Args:
        weights: int32, the weight's numbers in the order in which `line_sums` reads them.
        cuts: int64, where the panels of a group's target channels start, and their number at last.
    """

    weights: np.ndarray
    cuts: np.ndarray


@dataclass(frozen=True)
class LineProducts(Lines):
    """The weight's gradient; where there is one group, the last tap's line is all ones, and its gradient the bias's.

    Args:
        row_cuts, tap_cuts: int64, where the tiles of a group's output channels and of the taps start, and the number
            of either at last.
    """

    row_cuts: np.ndarray
    tap_cuts: np.ndarray


@lru_cache(maxsize=128)
def output_lines(geometry: Geometry, size: tuple[int, int], kernel: tuple[int, int, int, int]) -> LineSums:
    """What the output sees of the image.

    Args:
        geometry: stride, padding, dilation and groups. size: the image's (H, W).
        kernel: the weight's shape (O, C/G, KH, KW).
    """
    (top, _, left, _), (dh, dw) = geometry.padding, geometry.dilation
    seen_rows = np.arange(kernel[2]) * dh - top  # from row 0 of the output
    seen_columns = np.arange(kernel[3]) * dw - left
    target = geometry.output_size(size, kernel[2:])
    numbers = np.arange(np.prod(kernel)).reshape(geometry.groups, kernel[0] // geometry.groups, -1)  # (G, O/G, K)
    return _lines(geometry.stride, seen_rows, seen_columns, target, kernel[1], numbers)


@lru_cache(maxsize=128)
def product_lines(geometry: Geometry, size: tuple[int, int], kernel: tuple[int, int, int, int]) -> LineProducts:
    """What the gradients of the weight and the bias see of the image."""
    seen = output_lines(geometry, size, kernel)
    taps = seen.taps
    if geometry.groups == 1:
        taps = np.append(taps, kernel[1] * len(seen.lines) * seen.numbers[5])
    row_cuts = cuts(kernel[0] // geometry.groups, ROWS)
    return LineProducts(seen.lines, seen.numbers, taps, row_cuts, cuts(len(taps), TAPS))


@lru_cache(maxsize=128)
def input_lines(geometry: Geometry, size: tuple[int, int], kernel: tuple[int, int, int, int]) -> LineSums:
    """What the gradient of the input sees of the output's, where the stride is 1."""
    (top, _, left, _), (dh, dw) = geometry.padding, geometry.dilation
    seen_rows, seen_columns = top - np.arange(kernel[2]) * dh, left - np.arange(kernel[3]) * dw
    out_channels, channels, kh, kw = kernel
    per_group = out_channels // geometry.groups
    numbers = np.arange(np.prod(kernel)).reshape(geometry.groups, per_group, channels, kh * kw)
    numbers = numbers.transpose(0, 2, 1, 3).reshape(geometry.groups, channels, -1)  # (G, C/G, O/G*KH*KW)
    return _lines((1, 1), seen_rows, seen_columns, size, per_group, numbers)


def _lines(stride, seen_rows, seen_columns, target, channels: int, numbers: np.ndarray) -> LineSums:
    corner = int(seen_rows.min())
    down, up = np.divmod(seen_rows - corner, stride[0])  # (KH,) rows of the target, and the rest
    lines = np.array([(u, across) for u in np.unique(up) for across in seen_columns], np.int64)
    index = np.searchsorted(np.unique(up), up)[:, None] * len(seen_columns) + np.arange(len(seen_columns))  # (KH, KW)
    rows = target[0] + int(down.max())
    line = -(-rows * target[1] // _ALIGNMENT) * _ALIGNMENT
    taps = np.arange(channels)[:, None, None] * (len(lines) * line) + index * line + (down * target[1])[:, None]
    panels = cuts(numbers.shape[1], HEIGHT_COSTS)
    return LineSums(
        lines=lines,
        numbers=(*stride, corner, rows, target[1], line),
        taps=taps.reshape(-1).astype(np.int64),
        weights=in_panels(numbers, panels),
        cuts=panels,
    )


def in_panels(numbers: np.ndarray, panels: np.ndarray) -> np.ndarray:
    """(G, R, K) cut into panels of the R rows, each turned: int32, in the order in which `sums_tile` reads."""
    pieces = [panel.T.reshape(-1) for group in numbers for panel in np.split(group, panels[1:-1])]
    return np.concatenate(pieces).astype(np.int32)


def cuts(count: int, costs: dict[int, float]) -> np.ndarray:
    """Where pieces of `count` start, and `count` itself, the largest first: as cheap as can be by the pieces' costs."""
    best = [(0.0, 0)]  # (cost, size of the last piece) of the first so many
    for end in range(1, count + 1):
        best.append(min((best[end - size][0] + cost, size) for size, cost in costs.items() if size <= end))
    sizes = []
    while count:
        sizes.append(best[count][1])
        count -= sizes[-1]
    return np.cumsum([0, *sorted(sizes, reverse=True)], dtype=np.int64)
