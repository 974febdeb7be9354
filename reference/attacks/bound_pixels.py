"""The first pool's units between linear functions of the pixels, and how these are improved. Compiled loops.

Such a unit is the greatest of five affine functions of the 36 pixels that it sees, the ReLU's 0 among them:

    h(x) = max over j = 0 … 4 of  w_j·x + b_j,   w_0 = 0,  b_0 = 0

Where the pixels lie in a box, low ≤ x ≤ high,

    h(x) ≥ sum over j of  share_j (w_j·x + b_j)      for all shares ≥ 0 whose sum is 1 (that of 0 is not kept),
    h(x) ≤ slope·x + max over j of [b_j + max over the box of (w_j - slope)·x]      for every slope.

No single unit can be bounded better than by these. A linear form of the units lies above the form of their lines, by
sign the lower or the upper ones, whose least value in the box is known exactly. Which shares and slopes make that
value greatest is found by going along its gradient: with p the pixels where the form is least, and q_j those where
the greatest j of an upper line is attained, a slope's gradient is (p - q_j) times the unit's coefficient. Whatever
lines are found, the bound is true.

Reference: Xu et al., Fast and complete: enabling complete neural network verification with rapid and massively
parallel incomplete verifiers, ICLR 2021, section 3 (gradient ascent); Tjandraatmadja et al., The convex relaxation
barrier, revisited, NeurIPS 2020, section 3 (the upper lines, there for two functions).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.kernels.compiled import compiled

WIDTH = 6  # of the square of pixels that a pooled unit sees: a pool of 2 over a kernel of 5
AREA = WIDTH * WIDTH
CHOICES = 4  # of a pool
# Of a step's length at the first step; it shrinks linearly to 0. Any rates are sound; these are tight.
SLOPE_RATE = 0.3  # times the mean size of the unit's weights
SHARE_RATE = 0.3
DECAY = 0.9  # of the slopes' momentum


class Pixels(NamedTuple):
    """The first layer on one image.

    Args:
        low, high: (H, W): the box.
        weight: (C, 4, 36), bias: (C,): the affine functions of a unit, on the pixels that it sees.
        size: (C,): mean absolute weights.
        only: (n, n, C): which function is the greatest all over the box, −1 where none is known to be.
    """

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    size: np.ndarray
    only: np.ndarray


class PixelLines(NamedTuple):
    """Two lines for each of n × n × C units, and room to improve them.

    Args:
        slope: (n, n, C, 36); share: (n, n, C, 4).
        velocity: like `slope`: sum of past gradients.
        offset, winner: (n, n, C): of the upper line, and the function where it is attained.
        height: (n, n, C): the lines' values where the form is least.
        point: (2n + 4, 2n + 4): these pixels.
    """

    slope: np.ndarray
    share: np.ndarray
    velocity: np.ndarray
    offset: np.ndarray
    winner: np.ndarray
    height: np.ndarray
    point: np.ndarray


@compiled
def room_for_pixel_lines(n, channels):
    """Uninitialised `PixelLines`."""
    return PixelLines(
        np.empty((n, n, channels, AREA)),
        np.empty((n, n, channels, CHOICES)),
        np.empty((n, n, channels, AREA)),
        np.empty((n, n, channels)),
        np.empty((n, n, channels), np.int64),
        np.empty((n, n, channels)),
        np.empty((2 * n + 4, 2 * n + 4)),
    )


@compiled
def copy_window(source, y, x, window):
    """(H, W) → (36,): the pixels that the unit at (y, x) sees."""
    for i in range(WIDTH):
        for j in range(WIDTH):
            window[WIDTH * i + j] = source[2 * y + i, 2 * x + j]


@compiled
def set_offset(pixels, lines, y, x, c, low, high):
    """The least offset that leaves the upper line above all functions in the box; a unit's 36 limits are given."""
    best, winner = 0.0, 0
    for i in range(AREA):
        best += max(-lines.slope[y, x, c, i] * low[i], -lines.slope[y, x, c, i] * high[i])
    for j in range(CHOICES):
        value = pixels.bias[c]
        for i in range(AREA):
            steeper = pixels.weight[c, j, i] - lines.slope[y, x, c, i]
            value += max(steeper * low[i], steeper * high[i])
        if value > best:
            best, winner = value, j + 1
    lines.offset[y, x, c], lines.winner[y, x, c] = best, winner


@compiled
def least_over_pixels(pixels, lines, form, top, left):
    """What the form of the units cannot fall below.

    Args:
        pixels: the layer.
        lines: of the units from (top, left) on; their offsets, winners and point are set.
        form: (n, n, C): coefficients of these units.
    """
    n, _, channels = form.shape
    lines.point[:] = 0.0
    total = 0.0
    low, high, slopes = np.empty(AREA), np.empty(AREA), np.empty(AREA)
    for y in range(n):
        for x in range(n):
            copy_window(pixels.low, top + y, left + x, low)
            copy_window(pixels.high, top + y, left + x, high)
            slopes[:] = 0.0
            for c in range(channels):
                f, only = form[y, x, c], pixels.only[top + y, left + x, c]
                if f == 0.0 or only == 0:
                    continue
                if only > 0:
                    total += f * pixels.bias[c]
                    for i in range(AREA):
                        slopes[i] += f * pixels.weight[c, only - 1, i]
                elif f > 0.0:
                    for j in range(CHOICES):
                        part = f * lines.share[y, x, c, j]
                        if part > 0.0:
                            total += part * pixels.bias[c]
                            for i in range(AREA):
                                slopes[i] += part * pixels.weight[c, j, i]
                else:
                    set_offset(pixels, lines, y, x, c, low, high)
                    total += f * lines.offset[y, x, c]
                    for i in range(AREA):
                        slopes[i] += f * lines.slope[y, x, c, i]
            for i in range(WIDTH):
                for j in range(WIDTH):
                    lines.point[2 * y + i, 2 * x + j] += slopes[WIDTH * i + j]
    for y in range(2 * n + 4):
        for x in range(2 * n + 4):
            value = lines.point[y, x]
            at = pixels.low[2 * top + y, 2 * left + x] if value > 0.0 else pixels.high[2 * top + y, 2 * left + x]
            total += value * at
            lines.point[y, x] = at
    return total


@compiled
def improve_pixel_lines(pixels, lines, form, top, left, left_over, heights):
    """One step of all lines that the form uses, after `least_over_pixels`.

    Args:
        pixels, lines, form, top, left: as there.
        left_over: how much of the rates is left, from 1 to 0.
        heights: whether the heights of all units are asked for.
    """
    n, _, channels = form.shape
    low, high, point = np.empty(AREA), np.empty(AREA), np.empty(AREA)
    for y in range(n):
        for x in range(n):
            copy_window(pixels.low, top + y, left + x, low)
            copy_window(pixels.high, top + y, left + x, high)
            copy_window(lines.point, y, x, point)
            for c in range(channels):
                f, only = form[y, x, c], pixels.only[top + y, left + x, c]
                if only >= 0:
                    height = 0.0
                    if heights and only > 0:
                        height = pixels.bias[c]
                        for i in range(AREA):
                            height += pixels.weight[c, only - 1, i] * point[i]
                    lines.height[y, x, c] = height
                elif f < 0.0:
                    lower_slope(pixels, lines, y, x, c, low, high, point, SLOPE_RATE * left_over * pixels.size[c])
                elif f > 0.0 or heights:
                    raise_share(pixels, lines, y, x, c, point, SHARE_RATE * left_over if f > 0.0 else 0.0)


@compiled
def lower_slope(pixels, lines, y, x, c, low, high, point, rate):
    """A step of one upper line, to be lower at `point`."""
    winner, height = lines.winner[y, x, c], lines.offset[y, x, c]
    for i in range(AREA):
        slope = lines.slope[y, x, c, i]
        height += slope * point[i]
        steeper = (pixels.weight[c, winner - 1, i] if winner > 0 else 0.0) - slope
        attained = high[i] if steeper > 0.0 else low[i]
        gradient = (attained - point[i]) / max(high[i] - low[i], 1e-9)
        lines.velocity[y, x, c, i] = DECAY * lines.velocity[y, x, c, i] + (1 - DECAY) * gradient
        lines.slope[y, x, c, i] = slope + rate * lines.velocity[y, x, c, i]
    lines.height[y, x, c] = height


@compiled
def raise_share(pixels, lines, y, x, c, point, rate):
    """A step of one lower line, towards the function that is greatest at `point`."""
    best, winner, height = 0.0, -1, 0.0
    for j in range(CHOICES):
        value = pixels.bias[c]
        for i in range(AREA):
            value += pixels.weight[c, j, i] * point[i]
        height += lines.share[y, x, c, j] * value
        if value > best:
            best, winner = value, j
    lines.height[y, x, c] = height
    for j in range(CHOICES):
        lines.share[y, x, c, j] *= 1.0 - rate
    if winner >= 0:
        lines.share[y, x, c, winner] += rate
