"""The second pool's units between linear functions of the second convolution's outputs. Compiled loops.

As `bound_pixels`, with the identity for weights: such a unit is the greatest of its four inputs y and 0, and the
inputs lie in a box that was computed before. That box holds for every image, so a form may also borrow from it: for
every multiplier m,

    form·y ≥ (form - m)·y + min(m low, m high)

Narrower boxes (`branching`) make narrower lines, and a multiplier brings in what they exclude.

Reference: Wang et al., Beta-CROWN: efficient bound propagation with per-neuron split constraints, NeurIPS 2021,
section 3.2 (the multipliers, there for the signs of ReLUs).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.attacks.bound_pixels import CHOICES
from reference.kernels.compiled import compiled

KERNEL = 5
SLOPE_RATE, SHARE_RATE, DECAY = 0.1, 0.3, 0.9
MULTIPLIER_RATE = 0.1  # times the mean size of the form's coefficients
MEMORY = 0.9  # of what is left of the mean inputs after a step


class MapLines(NamedTuple):
    """The second pool's m × m × D units: their box, their lines, and room to improve them.

    Args:
        low, high: (m, m, D, 4): the box of their inputs.
        only: (m, m, D): which input is the greatest all over the box, from 1; 0 for none of them, −1: not known.
        slope, share, velocity, multiplier: (m, m, D, 4).
        offset, winner, height: (m, m, D), as in `PixelLines`.
        inner: (m, m, D, 4): coefficients of the inputs.
        inputs, mean: (m, m, D, 4): their values where the form is least, and a moving mean of these.
    """

    low: np.ndarray
    high: np.ndarray
    only: np.ndarray
    slope: np.ndarray
    share: np.ndarray
    velocity: np.ndarray
    multiplier: np.ndarray
    offset: np.ndarray
    winner: np.ndarray
    height: np.ndarray
    inner: np.ndarray
    inputs: np.ndarray
    mean: np.ndarray


@compiled
def room_for_map_lines(m, channels):
    """Uninitialised `MapLines`."""
    units, inputs = (m, m, channels), (m, m, channels, CHOICES)
    return MapLines(
        np.empty(inputs),
        np.empty(inputs),
        np.empty(units, np.int64),
        np.empty(inputs),
        np.empty(inputs),
        np.empty(inputs),
        np.empty(inputs),
        np.empty(units),
        np.empty(units, np.int64),
        np.empty(units),
        np.empty(inputs),
        np.zeros(inputs),
        np.empty(inputs),
    )


@compiled
def begin(lines, low, high):
    """Put the lines of a box where CROWN has them: the upper one through the corners of the two greatest inputs."""
    lines.low[:], lines.high[:] = low, high
    lines.share[:], lines.velocity[:], lines.multiplier[:] = 0.0, 0.0, 0.0
    lines.mean[:] = (low + high) / 2
    m, _, channels, _ = low.shape
    for y in range(m):
        for x in range(m):
            for c in range(channels):
                begin_unit(low[y, x, c], high[y, x, c], lines.slope[y, x, c], lines.share[y, x, c])
                lines.only[y, x, c] = greatest(low[y, x, c], high[y, x, c])


@compiled
def greatest(low, high):
    """Which of the inputs within (4,) limits is always the greatest, from 1; 0 if 0 is; −1 if that depends."""
    top, rest = 0, 0.0
    for j in range(1, len(high)):
        if high[j] > high[top]:
            top = j
    if high[top] <= 0.0:
        return 0
    for j in range(len(high)):
        if j != top:
            rest = max(rest, high[j])
    return top + 1 if low[top] >= rest else -1


@compiled
def begin_unit(low, high, slope, share):
    """CROWN's slopes and shares of a unit whose inputs lie within (4,) limits."""
    top, likely = 0, 0
    for j in range(1, len(high)):
        if high[j] > high[top]:
            top = j
        if low[j] + high[j] > low[likely] + high[likely]:
            likely = j
    level = 0.0
    for j in range(len(high)):
        level = max(level, low[j])
        if j != top:
            level = max(level, high[j])
    for j in range(len(high)):
        slope[j] = 0.0
    if high[top] > level:
        slope[top] = (high[top] - level) / (high[top] - low[top])
    if low[likely] + high[likely] > 0.0:
        share[likely] = 1.0


@compiled
def set_offset(lines, y, x, c):
    """The least offset that leaves the upper line above 0 and all inputs in the box."""
    base = 0.0
    for j in range(CHOICES):
        slope = lines.slope[y, x, c, j]
        base += max(-slope * lines.low[y, x, c, j], -slope * lines.high[y, x, c, j])
    best, winner = base, 0
    for j in range(CHOICES):
        slope, low, high = lines.slope[y, x, c, j], lines.low[y, x, c, j], lines.high[y, x, c, j]
        value = base - max(-slope * low, -slope * high) + max((1 - slope) * low, (1 - slope) * high)
        if value > best:
            best, winner = value, j + 1
    lines.offset[y, x, c], lines.winner[y, x, c] = best, winner


@compiled
def through_maps(lines, form):
    """Coefficients of the inputs, `lines.inner`, for a form (m, m, D) of the units.

    Returns:
        the constant that goes with them.
    """
    m, _, channels = form.shape
    total = 0.0
    for y in range(m):
        for x in range(m):
            for c in range(channels):
                f, only = form[y, x, c], lines.only[y, x, c]
                for j in range(CHOICES):
                    inner = 0.0
                    if only > 0:
                        inner = f if j == only - 1 else 0.0
                    elif only < 0:
                        inner = f * (lines.share[y, x, c, j] if f > 0.0 else lines.slope[y, x, c, j])
                    multiplier = lines.multiplier[y, x, c, j]
                    total += min(multiplier * lines.low[y, x, c, j], multiplier * lines.high[y, x, c, j])
                    lines.inner[y, x, c, j] = inner - multiplier
                if only < 0 and f < 0.0:
                    set_offset(lines, y, x, c)
                    total += f * lines.offset[y, x, c]
    return total


@compiled
def transposed_convolution(inner, weight, bias, form):
    """Coefficients of the first pool's units for those of the second convolution's outputs.

    Args:
        inner: (m, m, D, 4). weight: (D, 5, 5 C): of the convolution, channels last. bias: (D,).
        form: (n, n, C), is set.

    Returns:
        the biases' part.
    """
    m, _, channels, _ = inner.shape
    form[:] = 0.0
    flat = form.reshape(form.shape[0], -1)
    wide, step, total = weight.shape[2], form.shape[2], 0.0
    for y in range(m):
        for x in range(m):
            for c in range(channels):
                for j in range(CHOICES):
                    f = inner[y, x, c, j]
                    if f != 0.0:
                        total += f * bias[c]
                        row, column = 2 * y + j // 2, step * (2 * x + j % 2)
                        for k in range(KERNEL):
                            for i in range(wide):
                                flat[row + k, column + i] += f * weight[c, k, i]
    return total


@compiled
def convolution(height, weight, bias, lines):
    """The second convolution of (n, n, C), as `lines.inputs`, and into their mean."""
    m, _, channels, _ = lines.inputs.shape
    flat = height.reshape(height.shape[0], -1)
    wide, step = weight.shape[2], height.shape[2]
    for y in range(m):
        for x in range(m):
            for c in range(channels):
                for j in range(CHOICES):
                    row, column, value = 2 * y + j // 2, step * (2 * x + j % 2), bias[c]
                    for k in range(KERNEL):
                        for i in range(wide):
                            value += flat[row + k, column + i] * weight[c, k, i]
                    lines.inputs[y, x, c, j] = value
                    lines.mean[y, x, c, j] = MEMORY * lines.mean[y, x, c, j] + (1 - MEMORY) * value


@compiled
def clipped(value):
    """Into −1 … 1."""
    return max(-1.0, min(1.0, value))


@compiled
def borrowed(multiplier, value, low, high, rate):
    """A multiplier after a step: outside its limits a value asks for more, inside for less."""
    limit = low if multiplier > 0.0 or (multiplier == 0.0 and value < low) else high
    if multiplier == 0.0 and low <= value <= high:
        return 0.0
    moved = multiplier + rate * clipped(4 * (limit - value) / max(high - low, 1e-9))
    return 0.0 if moved * multiplier < 0.0 else moved


@compiled
def improve_map_lines(lines, form, left_over):
    """One step of all lines that the form uses, after `convolution`; sets the units' heights."""
    m, _, channels = form.shape
    size = np.abs(form).mean()
    for y in range(m):
        for x in range(m):
            for c in range(channels):
                f, only = form[y, x, c], lines.only[y, x, c]
                height, best, winner = 0.0, 0.0, -1
                if only < 0 and f < 0.0:
                    height = lines.offset[y, x, c]
                for j in range(CHOICES):
                    value, low, high = lines.inputs[y, x, c, j], lines.low[y, x, c, j], lines.high[y, x, c, j]
                    if only == j + 1:
                        height = value
                    elif only < 0 and f < 0.0:
                        slope = lines.slope[y, x, c, j]
                        height += slope * value
                        attained = high if (lines.winner[y, x, c] == j + 1) - slope > 0.0 else low
                        gradient = clipped((attained - value) / max(high - low, 1e-9))
                        lines.velocity[y, x, c, j] = DECAY * lines.velocity[y, x, c, j] + (1 - DECAY) * gradient
                        lines.slope[y, x, c, j] = slope + SLOPE_RATE * left_over * lines.velocity[y, x, c, j]
                    elif only < 0:
                        height += lines.share[y, x, c, j] * value
                        if f > 0.0:
                            lines.share[y, x, c, j] *= 1.0 - SHARE_RATE * left_over
                        if value > best:
                            best, winner = value, j
                    if only != 0:
                        rate = MULTIPLIER_RATE * left_over * size
                        lines.multiplier[y, x, c, j] = borrowed(lines.multiplier[y, x, c, j], value, low, high, rate)
                if f > 0.0 and winner >= 0:
                    lines.share[y, x, c, winner] += SHARE_RATE * left_over
                lines.height[y, x, c] = height
