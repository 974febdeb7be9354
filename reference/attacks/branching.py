"""Proofs by cases: a box in which the bound does not suffice is halved, and both halves are bounded.

A half fixes that one input of a pool, or of a hidden unit, lies above or below a threshold. That narrows the lines of
this unit, and the multipliers of `bound_maps` bring in the pixels that it excludes.

Reference: Bunel et al., Branch and bound for piecewise linear neural network verification, JMLR 21, 2020, section 3;
Wang et al., Beta-CROWN, NeurIPS 2021.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reference.attacks.ball import Ball
from reference.attacks.certificate import Box, Certificate, Effort
from reference.attacks.goal import CLEAR

# One after the other until one proves an instance. The first proves most, in a fifth of the last one's time.
EFFORTS = (Effort(maps=0, hidden=0, lead=50), Effort(maps=30, hidden=30, lead=100), Effort(maps=80, hidden=80, lead=200))
STEPS = 30  # for each half, which begins at the lines of the whole
BATCH = 16  # boxes that are halved at a time, the worst ones first


class Cut(NamedTuple):
    """One of a box's two halves: one input lies on one side of a threshold."""

    layer: int
    place: int
    threshold: float
    above: bool


def half(box: Box, cuts: Sequence[Cut]) -> Box:
    """What the cuts leave of a box."""
    part = Box(*(limits.copy() for limits in box))
    for cut in cuts:
        low, high = part[:2] if cut.layer == 2 else part[2:]
        (low if cut.above else high).reshape(-1)[cut.place] = cut.threshold
    return part


def split(certificate: Certificate, bound: float, where: np.ndarray, leaves: int, enough: float) -> float:
    """Improve a bound of the whole by halving boxes.

    Args:
        certificate: of one instance, whose limits hold.
        bound, where: what its `improve` returned.
        leaves: how many halves to bound, at most.
        enough: a bound that needs no improvement.

    Returns:
        the least bound of all boxes that are left.
    """
    whole, count, done = certificate.box, 0, np.inf
    waiting: list[tuple[float, int, tuple[Cut, ...], np.ndarray]] = [(bound, 0, (), where)]
    while waiting and count < leaves and waiting[0][3][0]:
        worst = [heapq.heappop(waiting) for _ in range(min(BATCH, len(waiting)))]
        halves = []
        for least, number, cuts, (layer, place, threshold) in worst:
            if layer:
                sides = [Cut(int(layer), int(place), threshold, above) for above in (True, False)]
                halves += [(least, (*cuts, side)) for side in sides]
            else:
                heapq.heappush(waiting, (least, number, cuts, np.zeros(3)))
        bounds, splits = certificate.lead([half(whole, cuts) for _, cuts in halves], STEPS, enough)
        for (least, cuts), found, place in zip(halves, bounds, splits, strict=True):
            count += 1
            found = max(found, least)  # a part cannot be worse than the whole
            if found > enough:
                done = min(done, found)
            else:
                heapq.heappush(waiting, (found, count, cuts, place))
    return min([done, *(box[0] for box in waiting)])


def beyond_reach(net: nn.Module, x: Tensor, target: int, epsilon: float, leaves: int = 0) -> Tensor:
    """How far every image of whole pixel values within ε of `x` stays from being taken for `target`, at the least.

    Args:
        net: as for `Certificate`.
        x: (N, 1, H, W), raw pixels.
        target: the class that is not to be reached.
        epsilon: greatest change of a pixel, in grey values.
        leaves: how many cases of one instance may be told apart.

    Returns:
        (N,), in logits: where it is above `goal.CLEAR`, no attack can succeed, and no better bound was looked for.
        Below that the bound's own roundings in float64, and those of a model in float32, could matter.
    """
    ball, bounds = Ball(x, epsilon), torch.empty(len(x), dtype=torch.float64)
    for i, (low, high) in enumerate(zip(ball.low, ball.high, strict=True)):
        certificate = Certificate(net, target, low, high)
        for effort in EFFORTS:
            bounds[i], where = certificate.improve(effort, CLEAR)
            if bounds[i] > CLEAR:
                break
        else:
            bounds[i] = split(certificate, bounds[i].item(), where, leaves, CLEAR)
    return bounds
