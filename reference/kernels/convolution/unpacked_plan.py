"""Where `unpacked` lays out an image's pixels and finds every tap's, worked out once per shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.unpacked_tiles import SUMS
from reference.kernels.vectors import VECTOR_BYTES


@dataclass(frozen=True)
class Plan:
    """One shape's output.

    Line (up, across) of a channel holds for row q and column x of the output the pixel (q*stride_h + up, x*stride_w +
    across), zero where there is none; the row q runs beyond the output's. There is a line for every row of the kernel
    that a stride does not repeat, and for every column. Where rows of the output are whole vectors (`apart`), the
    rows of a line lie apart, each behind a vector of zeros, and x runs beyond the output's too: then the columns of
    the kernel that a stride repeats share a line, as its rows do, and a tap sees it from so many columns further on.

    Args:
        output: (N, O, OH, OW). counts: how many numbers the weight, the bias, the output and the input have.
        room: numbers that the lines of a group take; 0 where its channels are lines as they are.
        loops: what `sum_lines` needs to know: (H, W); (L, 6) int64, see `_line`; (stride_w, numbers from row to row of
            the image that a line sees and of the line, of a line, of a channel with all its lines,
            `apart`); (K,) int64, where each tap starts in a group's lines; C/G; (O, OH*OW, OW); G; tiles that a row of
            pixels is cut into.
        units: tiles. operations: multiply-adds. zeros: (O,) and where they are: what an output without bias starts from.
    """

    output: tuple[int, int, int, int]
    counts: tuple[int, int, int, int]
    room: int
    loops: tuple
    units: int
    operations: int
    zeros: tuple[np.ndarray, int]


@lru_cache(maxsize=256)
def plan(geometry: Geometry, shape: tuple[int, ...], kernel: tuple[int, ...], dtype: np.dtype) -> Plan:
    """The plan for one shape.

    Args:
        geometry: stride, padding, dilation and groups. shape: the input's (N, C, H, W).
        kernel: the weight's shape (O, C/G, KH, KW). dtype: float32 or float64.
    """
    (images, channels, *size), (out_channels, per_group, kh, kw), groups = shape, kernel, geometry.groups
    (top, _, left, _), (dh, dw), (sh, sw) = geometry.padding, geometry.dilation, geometry.stride
    height, width = geometry.output_size(tuple(size), (kh, kw))
    pixels, lanes = height * width, VECTOR_BYTES // dtype.itemsize
    vectors = 1 if pixels <= lanes else 2
    as_it_lies = kh == kw == sh == sw == 1 and [height, width] == size and pixels >= vectors * lanes

    down, up = np.divmod(np.arange(kh) * dh, sh)  # (KH,) rows of the output, and the rest
    right, across = np.divmod(np.arange(kw) * dw, sw)  # (KW,) columns
    rows, columns = height + int(down.max()), width + int(right.max())
    low, high = _inside(np.unique(across) - left, sw, size[1], columns)
    # Rows apart: every vector of a tile in one row, and enough zeros before it and before the next.
    apart = not as_it_lies and (width == lanes or width % (vectors * lanes) == 0)
    apart = apart and max(int(low.max()), int((columns - high).max())) <= lanes
    pitch = lanes + -(-max(0, int((high - low).max())) // lanes) * lanes
    if not apart:
        right, across, columns, pitch = np.zeros(kw, np.int64), np.arange(kw) * dw, width, width
        low, high = _inside(np.unique(across) - left, sw, size[1], columns)
    phases, offsets = np.unique(up), np.unique(across)
    index = np.searchsorted(phases, up)[:, None] * len(offsets) + np.searchsorted(offsets, across)  # (KH, KW)
    line = pixels if as_it_lies else -(-rows * pitch // lanes) * lanes
    lines = np.array([
        _line(apart, u - top, a - left, (sh, sw), size, (rows, columns), pitch, lanes) for u in phases for a in offsets
    ], np.int64)  # fmt: skip
    # After the lines: what the last one's last row spills, and what a tile reads past the last pixel.
    step = pixels if as_it_lies else len(lines) * line + 2 * lanes
    taps = index * line + (down * pitch)[:, None]  # (KH, KW)
    if apart:  # a row's first pixel lies behind the zeros, whatever its column
        taps += lanes + right - np.tile(low, len(phases))[index]
    taps = np.arange(per_group)[:, None, None] * step + taps
    blocks, tall = -(-pixels // (vectors * lanes)), SUMS // vectors
    zeros = np.zeros(out_channels, dtype)
    return Plan(
        output=(images, out_channels, height, width),
        counts=tuple(map(math.prod, (kernel, kernel[:1], (images, out_channels, pixels), shape))),
        room=0 if as_it_lies else per_group * step,
        loops=(
            tuple(size), lines, (sw, sh * size[1], pitch, line, step, apart), taps.reshape(-1), per_group,
            (out_channels, pixels, width), groups, blocks,
        ),
        units=images * groups * -(-(out_channels // groups) // tall) * blocks,
        operations=images * math.prod(kernel) * pixels,
        zeros=(zeros, zeros.ctypes.data),
    )  # fmt: skip


def _line(apart: bool, up, across, stride, size, cells: tuple[int, int], pitch: int, lanes: int) -> tuple[int, ...]:
    """Where a line's pixels are and go: the first number that is written of it, the pixel that is seen there, rows,
    cells of a row that are written, and the first and the last but one of these with a pixel in them."""
    (first,), (end,) = _inside(np.array([up]), stride[0], size[0], cells[0])
    (low,), (high,) = _inside(np.array([across]), stride[1], size[1], cells[1])
    first = min(first, cells[0])
    rows = max(0, end - first)
    seen = (first * stride[0] + up) * size[1] + across
    if apart:  # the zeros before the first pixel, and behind the last, are there already
        return first * pitch + lanes, seen + low * stride[1], rows, max(0, high - low), 0, high - low
    return first * pitch, seen, rows, cells[1], low, high


def _inside(starts: np.ndarray, stride: int, size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """The first cell whose pixel lies in the image, and the one after the last, of lines that start at `starts`."""
    return np.maximum(0, -(starts // stride)), np.minimum(cells, (size - 1 - starts) // stride + 1)
