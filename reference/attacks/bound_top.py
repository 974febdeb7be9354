"""The hidden units between linear functions of what goes into them, and the rivals' shares. Compiled loops.

A hidden unit is the greater of z and 0, for z in a box: as `bound_maps`, with one input. The lead over the target is
that of the greatest other logit, and so at least that of any mean of the others: shares once more, which the ascent
moves to those that are greatest where the lead is least.

Reference: as `bound_maps`; Bunel et al., Branch and bound for piecewise linear neural network verification, JMLR 21,
2020 (what to split).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reference.attacks.bound_maps import MEMORY, MULTIPLIER_RATE, borrowed
from reference.attacks.bound_pixels import CHOICES
from reference.kernels.compiled import compiled

SHARE_RATE = 0.3
RIVAL_RATE = 0.1


class Layers(NamedTuple):
    """What follows the first pool.

    Args:
        weight: (D, 5, 5 C), bias: (D,): the second convolution, channels last.
        hidden: (K, m, m, D), hidden_bias: (K,): the first linear layer.
        logits: (L, K), logits_bias: (L,): the second.
    """

    weight: np.ndarray
    bias: np.ndarray
    hidden: np.ndarray
    hidden_bias: np.ndarray
    logits: np.ndarray
    logits_bias: np.ndarray


class Top(NamedTuple):
    """The hidden units' lines, the rivals' shares, and room to improve them.

    Args:
        low, high: (K,): the box of the hidden units before their ReLU.
        rise: (K,): coefficients of the units. inner: (K,): of what goes into them.
        share, multiplier: (K,): as in `MapLines`.
        values, mean, height: (K,): what goes into the units where the form is least, its moving mean, and what the
            lines make of it.
        rivals: (L,): shares of the other logits.
    """

    low: np.ndarray
    high: np.ndarray
    rise: np.ndarray
    inner: np.ndarray
    share: np.ndarray
    multiplier: np.ndarray
    values: np.ndarray
    mean: np.ndarray
    height: np.ndarray
    rivals: np.ndarray


@compiled
def room_for_top(units, logits):
    """Uninitialised `Top`."""
    return Top(
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(units),
        np.empty(logits),
    )


@compiled
def begin_top(top, low, high, rivals):
    """Put the lines of a box where CROWN has them."""
    top.low[:], top.high[:], top.rivals[:] = low, high, rivals
    top.multiplier[:], top.mean[:] = 0.0, (low + high) / 2
    for k in range(len(low)):
        top.share[k] = 1.0 if low[k] + high[k] > 0.0 else 0.0


@compiled
def through_top(top, layers, target, form):
    """The form (m, m, D), which is set, of the greatest other logit less the target's; returns its constant."""
    total = -layers.logits_bias[target]
    top.rise[:] = -layers.logits[target]
    form[:] = 0.0
    for rival in range(len(top.rivals)):
        if top.rivals[rival] > 0.0:
            total += top.rivals[rival] * layers.logits_bias[rival]
            top.rise[:] += top.rivals[rival] * layers.logits[rival]
    for k in range(len(top.rise)):
        low, high, rise = top.low[k], top.high[k], top.rise[k]
        if high <= 0.0:
            inner = 0.0
        elif low >= 0.0:
            inner = rise
        elif rise > 0.0:
            inner = rise * top.share[k]
        else:
            inner = rise * high / (high - low)
            total -= inner * low
        total += min(top.multiplier[k] * low, top.multiplier[k] * high)
        inner -= top.multiplier[k]
        top.inner[k] = inner
        if inner != 0.0:
            total += inner * layers.hidden_bias[k]
            form += inner * layers.hidden[k]
    return total


@compiled
def improve_top(top, layers, target, height, left_over):
    """One step of the hidden units' lines and of the rivals, for the heights (m, m, D) of the second pool."""
    size = np.abs(top.rise).mean()
    for k in range(len(top.rise)):
        low, high = top.low[k], top.high[k]
        value = layers.hidden_bias[k] + (layers.hidden[k] * height).sum()
        top.values[k] = value
        top.mean[k] = MEMORY * top.mean[k] + (1 - MEMORY) * value
        if high <= 0.0:
            top.height[k] = 0.0
        elif low >= 0.0:
            top.height[k] = value
        elif top.rise[k] > 0.0:
            top.height[k] = top.share[k] * value
            top.share[k] += SHARE_RATE * left_over * ((value > 0.0) - top.share[k])
        else:
            top.height[k] = high / (high - low) * (value - low)
        top.multiplier[k] = borrowed(top.multiplier[k], value, low, high, MULTIPLIER_RATE * left_over * size)
    best, winner = -np.inf, 0
    for rival in range(len(top.rivals)):
        logit = layers.logits_bias[rival] + (layers.logits[rival] * top.height).sum()
        if rival != target and logit > best:
            best, winner = logit, rival
    top.rivals[:] *= 1.0 - RIVAL_RATE * left_over
    top.rivals[winner] += RIVAL_RATE * left_over


@compiled
def widest(top, form, lines, row):
    """Where a narrower box would help most: (layer, place, threshold) into `row`.

    Only upper lines lose something: at the mean of the points where the form was least (the solution of the linear
    programme that all lines together make up) each lies above its unit by so much. A pool's inputs have layer 2, the
    hidden units' layer 3; layer 0: nowhere.
    """
    row[:] = 0.0
    most = 1e-9
    for k in range(len(top.rise)):
        low, high, rise = top.low[k], top.high[k], top.rise[k]
        if rise < 0.0 and low < 0.0 < high:
            mean = max(low, min(high, top.mean[k]))
            lost = -rise * (high / (high - low) * (mean - low) - max(mean, 0.0))
            if lost > most:
                most = lost
                row[0], row[1], row[2] = 3, k, 0.0
    m, _, channels = form.shape
    for y in range(m):
        for x in range(m):
            for c in range(channels):
                if form[y, x, c] < 0.0 and lines.only[y, x, c] < 0:
                    line, unit = lines.offset[y, x, c], 0.0
                    level, greatest_input, rest = 0.0, 0, 0.0
                    for j in range(CHOICES):
                        low, high = lines.low[y, x, c, j], lines.high[y, x, c, j]
                        mean = max(low, min(high, lines.mean[y, x, c, j]))
                        line += lines.slope[y, x, c, j] * mean
                        unit, level = max(unit, mean), max(level, low)
                        if high > lines.high[y, x, c, greatest_input]:
                            greatest_input = j
                    lost = -form[y, x, c] * (line - unit)
                    if lost > most:
                        most = lost
                        for j in range(CHOICES):
                            if j != greatest_input:
                                rest = max(rest, lines.high[y, x, c, j])
                        high = lines.high[y, x, c, greatest_input]
                        low = lines.low[y, x, c, greatest_input]
                        row[0] = 2
                        row[1] = ((y * m + x) * channels + c) * CHOICES + greatest_input
                        row[2] = min(max(rest, low), (max(level, low) + high) / 2)
