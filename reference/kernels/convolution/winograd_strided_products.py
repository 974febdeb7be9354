"""The products of `winograd_strided` between the transforms, and the transform of the filters that they take.

Packed points, all flat, are matrices of `gemm_tile` one behind the other, each with a vector to spare:

    A: point f lies at f * a_step; its panel of rows r0 to r1 starts there at (r0 - r of the first panel) * K, and a
        vector later for every panel before it; number (k, r) of the panel lies at k*(r1 - r0) + r - r0.
    B: point e lies at e * b_step; its panel of W columns p starts there at p * W*K, number (k, x) at k*W + x.
"""

from __future__ import annotations

import numpy as np

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_tile import HEIGHTS, tile_compiled
from reference.kernels.vectors import VECTOR_BYTES
from reference.kernels.convolution.winograd_strided_tiles import spread_flipped, spread_weight


def point_products(
    meetings, c, c_at, c_step, gap, row_step, a, a_at, a_step, cuts, first, end, b, b_at, b_step, panels, k, add
):
    """For every meeting (point of A, of B, of C, whether it adds): C[point] (+)= A[point] @ B[point].

    All meetings of one point follow each other, so that what they share stays in the nearest cache; a panel of B
    stays there for all panels of A.

    Args:
        meetings: (M, 4) int64.
        c: flat; point e of row r (from the first panel's) and of vector v of the columns lies at
            c_at + e*c_step + r*row_step + v*gap.
        a, a_at, a_step, b, b_at, b_step: see the file's head. cuts: `row_cuts` of A's rows.
        first, end: the panels of A. panels: of B. k: K. add: whether C is added to from the first meeting on.
    """
    lanes = VECTOR_BYTES // c.itemsize
    width = 2 * lanes
    zeros = np.zeros(HEIGHTS[0], c.dtype)
    runs = np.zeros((1, 3), np.int64)
    runs[0, 2] = k
    for meeting in range(meetings.shape[0]):
        from_a = a_at + meetings[meeting, 0] * a_step
        from_b = b_at + meetings[meeting, 1] * b_step
        to = c_at + meetings[meeting, 2] * c_step
        adds = add or meetings[meeting, 3] > 0
        for p in range(panels):
            for panel in range(first, end):
                r = cuts[panel] - cuts[first]
                tile_compiled(
                    cuts[panel + 1] - cuts[panel], c, to + r * row_step + 2 * p * gap, gap, row_step,
                    a, from_a + r * k + (panel - first) * lanes, b, from_b + p * width * k, runs, 0, 1, zeros, 0, adds,
                )  # fmt: skip


point_products_compiled = compiled(point_products)


def transform_filters(weight, steps, channels, flipped, cuts, packed, step, origin, first, end):
    """Pack G g G^T for panels first to end of the target's channels, as A with the source's channels for K.

    Args:
        weight: flat. steps: numbers between its filters of neighbouring target and source channels.
        flipped: whether each filter is turned by 180 degrees. cuts: `row_cuts` of the target's channels.
        packed: flat, written. step: its numbers per point. origin: the panel with which it starts.
    """
    lanes = VECTOR_BYTES // weight.itemsize
    places = np.empty((1 + HEIGHTS[0] // lanes) * lanes, np.int64)
    for panel in range(first, end):
        rows = cuts[panel + 1] - cuts[panel]
        at = (cuts[panel] - cuts[origin]) * channels + (panel - origin) * lanes
        for r in range(places.shape[0]):
            places[r] = (cuts[panel] + min(r, rows - 1)) * steps[0]
        # A vector of the last rows also writes where the next channel's first numbers will come to lie.
        for c in range(channels):
            for r in range(0, rows, lanes):
                if flipped:
                    spread_flipped(packed, at + c * rows + r, step, weight, places, r, c * steps[1], 3)
                else:
                    spread_weight(packed, at + c * rows + r, step, weight, places, r, c * steps[1], 3)


transform_filters_compiled = compiled(transform_filters)
