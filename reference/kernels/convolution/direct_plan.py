"""Where `direct` puts every pixel and finds every tap of a strided input gradient, worked out once per shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from reference.kernels.convolution.geometry import Geometry


@dataclass(frozen=True)
class Grid:
    """How one image's pixels lie in flat planes.

    Plane p of a channel holds the pixels whose row and column, counted in the padded image, leave the
    remainders `phases[p]` when divided by the stride. The pixel of cell (r, q) lies at
    `margin + r*pitch + q`; cells without a pixel hold zero.

    Args:
        phases: (P, 2) int64, the remainders (row, column) of each plane.
        numbers: (stride height, stride width, top, left, margin, rows, pitch, plane size).
    """

    phases: np.ndarray
    numbers: tuple[int, int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Plan:
    """All that `shifted_sums` needs to know about the gradient of one shape's input.

    Args:
        input: the image's grid, stride-many phases.
        spread: the output's grid with a margin of zeros in front.
        taps: (O/G*KH*KW,) int64, where tap (o, i, j) starts in the output's planes, ordered by phase.
        first: (P + 1,) int64, each phase's range in `taps`.
        weights: int32, the weight's numbers in the order in which `shifted_sums` reads them: per block of 6, 3 or 1
            target channels, tap by tap.
    """

    input: Grid
    spread: Grid
    taps: np.ndarray
    first: np.ndarray
    weights: np.ndarray


@lru_cache(maxsize=64)
def plan(geometry: Geometry, size: tuple[int, int], kernel: tuple[int, int, int, int]) -> Plan:
    """The plan for one shape.

    Args:
        geometry: stride, padding, dilation and groups.
        size: the image's (H, W).
        kernel: the weight's shape (O, C/G, KH, KW).
    """
    out_channels, channels, kh, kw = kernel
    oh, ow = geometry.output_size(size, (kh, kw))
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    top, _, left, _ = geometry.padding
    # Tap (i, j) of the window at (y, x) sees padded row y*sh + i*dh = (y + quotient)*sh + remainder.
    row_shift, row_phase = np.divmod(np.arange(kh, dtype=np.int64) * dh, sh)  # (KH,)
    column_shift, column_phase = np.divmod(np.arange(kw, dtype=np.int64) * dw, sw)  # (KW,)
    row_phases, row_index = np.unique(row_phase, return_inverse=True)
    column_phases, column_index = np.unique(column_phase, return_inverse=True)
    phases = np.stack(np.meshgrid(row_phases, column_phases, indexing="ij"), -1).reshape(-1, 2)  # (P, 2)

    pitch, rows = int(ow + column_shift[-1]), int(oh + row_shift[-1])
    plane = rows * pitch
    shift = row_shift[:, None] * pitch + column_shift  # (KH, KW)
    phase = row_index.reshape(-1, 1) * len(column_phases) + column_index.reshape(-1)  # (KH, KW)

    margin = int(shift[-1, -1])
    spread_plane = margin + plane
    back = np.arange(out_channels // geometry.groups)[:, None, None] * spread_plane + margin - shift
    phase_of_tap = np.broadcast_to(phase, back.shape).reshape(-1)
    back_order = np.argsort(phase_of_tap, kind="stable")
    counts = np.bincount(phase_of_tap, minlength=len(phases))

    numbers = np.arange(out_channels * channels * kh * kw)
    rows_of_back_taps = numbers.reshape(geometry.groups, -1, channels, kh * kw).transpose(0, 2, 1, 3)
    rows_of_back_taps = rows_of_back_taps.reshape(geometry.groups, channels, -1)[:, :, back_order]

    one = np.zeros((1, 2), np.int64)
    return Plan(
        input=Grid(np.ascontiguousarray(phases), (sh, sw, top, left, 0, rows, pitch, plane)),
        spread=Grid(one, (1, 1, 0, 0, margin, oh, pitch, spread_plane)),
        taps=np.ascontiguousarray(back.reshape(-1)[back_order]),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        weights=_blocks(rows_of_back_taps),
    )


def _blocks(numbers: np.ndarray) -> np.ndarray:
    """(G, R, K) in blocks of 6, 3 or 1 of the R rows, transposed within each block."""
    groups, count, _ = numbers.shape
    cuts = list(range(0, count - count % 6, 6))
    cuts += [len(cuts) * 6 + 3 * extra for extra in range(count % 6 // 3)]
    cuts += list(range(count - count % 3, count))
    pieces = [block.T.reshape(-1) for group in numbers for block in np.split(group, cuts[1:])]
    return np.concatenate(pieces).astype(np.int32)
