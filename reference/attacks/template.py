"""Projected gradient steps: the walk that the attacks share, and the hooks in which they differ.

Reference: Mądry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018,
section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.attacks.ball import Ball
from reference.attacks.goal import Goal

Model = Callable[[Tensor], Tensor]  # raw pixels (N, C, H, W) → logits (N, K)


@dataclass
class Walk:
    """Where the instances that have not reached their goal are.

    Args:
        rows: (M,): which instances of the batch these are.
        ball: where they may go.
        goal: what they are after.
        point: (M, C, H, W): where they are; not rounded, so that small steps add up.
        velocity: (M, C, H, W): sum of past gradients, for hooks that want one.
        step: steps taken in this run, from 0.
        steps: how many there will be.
        run: restarts so far, from 0.
        generator: randomness, so that the attack's seed decides everything.
    """

    rows: Tensor
    ball: Ball
    goal: Goal
    point: Tensor
    velocity: Tensor
    step: int
    steps: int
    run: int
    generator: torch.Generator

    def keep(self, chosen: Tensor) -> None:
        """Go on with some of the instances."""
        self.rows, self.ball, self.goal = self.rows[chosen], self.ball.of(chosen), self.goal.of(chosen)
        self.point, self.velocity = self.point[chosen], self.velocity[chosen]


class GradientSteps:
    """Template of the attacks: from a start, `steps` times along the gradient, back into the ball.

    The model is asked at whole pixel values only, so what counts as a success is one for the
    image that is returned. An instance that has reached its goal is left alone from then on.

    Args:
        steps: backward passes per instance, all restarts together.
        restarts: into how many runs they are divided; a run takes up what the others left open.
        seed: of everything random.
    """

    def __init__(self, *, steps: int, restarts: int = 1, seed: int = 0):
        if not 1 <= restarts <= steps:
            raise ValueError(f"restarts: expected 1 to steps ({steps}), found {restarts}")
        self.steps, self.restarts, self.seed = steps, restarts, seed

    # ------------------------------------------------------------------- hooks
    def start(self, walk: Walk) -> Tensor:
        """Where a run begins: at the original, then anywhere in the ball."""
        if walk.run == 0:
            return walk.ball.x.clone()
        share = torch.rand(walk.point.shape, generator=walk.generator, dtype=walk.point.dtype)
        return walk.ball.low + share * (walk.ball.high - walk.ball.low)

    def loss(self, walk: Walk, logits: Tensor) -> Tensor:
        """What a step is to increase. (M, K) → (M,)."""
        return walk.goal.cross_entropy(logits)

    def direction(self, walk: Walk, gradient: Tensor) -> Tensor:
        """Where a step goes, from −1 to 1 per pixel."""
        return gradient.sign()

    def step_size(self, walk: Walk) -> float:
        """How far a step goes, as a fraction of ε."""
        raise NotImplementedError

    # ---------------------------------------------------------------- template
    def perturb(self, model: Model, x: Tensor, goal: Goal, epsilon: float) -> Tensor:
        """Attack a batch.

        Args:
            model: what is attacked, in evaluation mode.
            x: (N, C, H, W), whole pixel values from 0 to 255.
            goal: for each instance.
            epsilon: greatest change of a pixel, in grey values.

        Returns:
            Images like `x` of whole pixel values within ε; for each instance the best one met.
        """
        x = x.detach()
        ball, best = Ball(x, epsilon), x.clone()
        best_margin = torch.full((len(x),), -torch.inf, dtype=x.dtype)
        generator = torch.Generator().manual_seed(self.seed)
        lengths = [self.steps // self.restarts + (run < self.steps % self.restarts) for run in range(self.restarts)]
        for run, steps in enumerate(lengths):
            rows = (~(best_margin > 0)).nonzero().squeeze(1) if run else torch.arange(len(x))
            walk = Walk(
                rows, ball.of(rows), goal.of(rows), x[rows], torch.zeros_like(x[rows]), 0, steps, run, generator
            )
            walk.point = self.start(walk)
            self._walk(model, walk, best, best_margin)
        return best

    def _walk(self, model: Model, walk: Walk, best: Tensor, best_margin: Tensor) -> None:
        """One run; writes what it finds into `best` and `best_margin`, (N, …) and (N,)."""
        for walk.step in range(walk.steps + 1):
            last = walk.step == walk.steps  # the last step's end is looked at, and not left any more
            with torch.set_grad_enabled(not last):
                query = walk.point.round().requires_grad_(not last)
                logits = model(query)  # (M, K)
            margin = walk.goal.margin(logits.detach())
            better = margin > best_margin[walk.rows]
            best[walk.rows[better]] = query.detach()[better]
            best_margin[walk.rows[better]] = margin[better]
            still_open = ~walk.goal.reached(logits.detach())
            if last or not still_open.any():
                return
            (gradient,) = torch.autograd.grad(self.loss(walk, logits).sum(), query)
            walk.keep(still_open)
            move = self.direction(walk, gradient[still_open]) * (self.step_size(walk) * walk.ball.epsilon)
            walk.point = walk.ball.project(walk.point + move)
