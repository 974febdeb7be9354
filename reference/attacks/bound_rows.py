"""Lower bounds of linear forms of three layers' outputs, one form per row, each with lines of its own. Compiled loops.

Lines that are best for one form are not for another, so every row begins at the same lines and improves its own. A
row's result is the best of all bounds on the way.

Reference: as `bound_pixels` and `bound_maps`.
"""

from __future__ import annotations

import numpy as np

from reference.attacks.bound_maps import (
    begin,
    begin_unit,
    convolution,
    greatest,
    improve_map_lines,
    room_for_map_lines,
    through_maps,
    transposed_convolution,
)
from reference.attacks.bound_pixels import AREA, CHOICES, improve_pixel_lines, least_over_pixels, room_for_pixel_lines
from reference.attacks.bound_top import begin_top, improve_top, room_for_top, through_top, widest
from reference.kernels.compiled import compiled


@compiled
def begin_pixels(low, high, weight, slope, share, only):
    """CROWN's lines of the first pool's units.

    Args:
        low, high: (n, n, C, 4): limits of their affine functions.
        weight: (C, 4, 36). slope: (n, n, C, 36), share: (n, n, C, 4), only: (n, n, C): are set.
    """
    n, _, channels, _ = low.shape
    part = np.empty(CHOICES)
    share[:], slope[:] = 0.0, 0.0
    for y in range(n):
        for x in range(n):
            for c in range(channels):
                begin_unit(low[y, x, c], high[y, x, c], part, share[y, x, c])
                only[y, x, c] = greatest(low[y, x, c], high[y, x, c])
                for j in range(CHOICES):
                    for i in range(AREA):
                        slope[y, x, c, i] += part[j] * weight[c, j, i]


@compiled
def map_rows(pixels, slope, share, weight, rows, steps, out, first, end):
    """Of the second convolution's outputs, without its bias.

    Args:
        pixels: the first layer. slope, share: (n, n, C, …): where its lines begin.
        weight: (D, 5, 5, C).
        rows: (R, 4): channel, row and column of an output, and 1 or −1 for a bound from below or, negated, above.
        steps: how often the lines are improved.
        out: (R,), is set.
        first, end: the rows to do.
    """
    size, channels = weight.shape[2:]
    lines = room_for_pixel_lines(size, channels)
    for r in range(first, end):
        top, left = rows[r, 1], rows[r, 2]
        form = rows[r, 3] * weight[rows[r, 0]]
        lines.slope[:] = slope[top : top + size, left : left + size]
        lines.share[:] = share[top : top + size, left : left + size]
        lines.velocity[:] = 0.0
        out[r] = least_over_pixels(pixels, lines, form, top, left)
        for step in range(steps):
            improve_pixel_lines(pixels, lines, form, top, left, 1 - step / steps, False)
            out[r] = max(out[r], least_over_pixels(pixels, lines, form, top, left))


@compiled
def least(pixels, pixel_lines, layers, map_lines, form, pixel_form):
    """What a form (m, m, D) of the second pool's units cannot fall below; `pixel_form` (n, n, C) is set."""
    total = through_maps(map_lines, form)
    total += transposed_convolution(map_lines.inner, layers.weight, layers.bias, pixel_form)
    return total + least_over_pixels(pixels, pixel_lines, pixel_form, 0, 0)


@compiled
def improve(pixels, pixel_lines, layers, map_lines, form, pixel_form, left_over):
    """One step of all lines of both pools, after `least`."""
    improve_pixel_lines(pixels, pixel_lines, pixel_form, 0, 0, left_over, True)
    convolution(pixel_lines.height, layers.weight, layers.bias, map_lines)
    improve_map_lines(map_lines, form, left_over)


@compiled
def hidden_rows(pixels, slope, share, layers, low, high, forms, steps, out, first, end):
    """Of the hidden units before their ReLU, without bias.

    Args:
        pixels, slope, share, steps, out, first, end: as for `map_rows`.
        layers: the others.
        low, high: (m, m, D, 4): the box of the second convolution's outputs.
        forms: (R, m, m, D).
    """
    n, _, channels, _ = slope.shape
    pixel_lines, map_lines = room_for_pixel_lines(n, channels), room_for_map_lines(low.shape[0], low.shape[2])
    pixel_form = np.empty((n, n, channels))
    for r in range(first, end):
        pixel_lines.slope[:], pixel_lines.share[:], pixel_lines.velocity[:] = slope, share, 0.0
        begin(map_lines, low, high)
        out[r] = least(pixels, pixel_lines, layers, map_lines, forms[r], pixel_form)
        for step in range(steps):
            improve(pixels, pixel_lines, layers, map_lines, forms[r], pixel_form, 1 - step / steps)
            out[r] = max(out[r], least(pixels, pixel_lines, layers, map_lines, forms[r], pixel_form))


@compiled
def lead_rows(
    pixels, slope, share, layers, rivals, low, high, hidden_low, hidden_high, target, steps, enough, keep, out,
    splits, first, end,
):  # fmt: skip
    """Of the greatest other logit less the target's.

    Args:
        pixels, slope, share, layers, steps, first, end: as for `hidden_rows`.
        rivals: (L,): where the rivals' shares begin.
        low, high: (R, m, m, D, 4): a box for each row. hidden_low, hidden_high: (R, K).
        target: the class.
        enough: a bound that needs no improvement.
        keep: whether `slope`, `share` and `rivals` become those that the last row ends with.
        out: (R,), splits: (R, 3): are set, `splits` as `widest` says.
    """
    n, _, channels, _ = slope.shape
    pixel_lines, map_lines = room_for_pixel_lines(n, channels), room_for_map_lines(low.shape[1], low.shape[3])
    pixel_form, form = np.empty((n, n, channels)), np.empty(low.shape[1:4])
    top = room_for_top(hidden_low.shape[1], len(rivals))
    for r in range(first, end):
        pixel_lines.slope[:], pixel_lines.share[:], pixel_lines.velocity[:] = slope, share, 0.0
        begin(map_lines, low[r], high[r])
        begin_top(top, hidden_low[r], hidden_high[r], rivals)
        out[r] = -np.inf
        for step in range(steps + 1):
            bound = through_top(top, layers, target, form)
            bound += least(pixels, pixel_lines, layers, map_lines, form, pixel_form)
            out[r] = max(out[r], bound)
            if out[r] > enough or step == steps:
                break
            left_over = 1 - step / steps
            improve(pixels, pixel_lines, layers, map_lines, form, pixel_form, left_over)
            improve_top(top, layers, target, map_lines.height, left_over)
        widest(top, form, map_lines, splits[r])
    if keep:
        slope[:], share[:], rivals[:] = pixel_lines.slope, pixel_lines.share, top.rivals
