"""Proof that no attack can succeed: what the logits of models A and B cannot fall below in a ball.

Every unit max(0, the pool's inputs) lies between two linear functions of these inputs, so a
difference of logits lies above a linear function of the pixels, whose least value in the ball is
known exactly. Nothing here is a search: an instance whose bound is clearly positive is beyond every attack.

Reference: Zhang et al., Efficient neural network robustness certification with general activation
functions, NeurIPS 2018, section 3 (CROWN); the bounds of the second convolution, which sees 14×14
pixels, are computed on these alone.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference.attacks.ball import Ball

SEEN = 14  # pixels, by one unit of the second convolution: ((5 - 1) * 2 + 2) + 5 - 1


def windows(x: Tensor) -> Tensor:
    """(..., 2 H, 2 W) → (..., H, W, 4): what a pool of 2×2 chooses from."""
    return x.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).transpose(-3, -2).flatten(-2)


def unwindows(x: Tensor) -> Tensor:
    """The inverse of `windows`."""
    return x.unflatten(-1, (2, 2)).transpose(-3, -2).flatten(-2).flatten(-3, -2)


@dataclass
class Relaxation:
    """Two linear functions with max(0, x₁ … x_K) between them, for lower ≤ x ≤ upper.

    Args:
        below: (M, *, K): slopes of the lower one, which passes through 0.
        above: (M, *, K): slopes of the upper one.
        offset: (M, *): where the upper one passes.
    """

    below: Tensor
    above: Tensor
    offset: Tensor

    @classmethod
    def of(cls, lower: Tensor, upper: Tensor) -> Relaxation:
        """For bounds (M, *, K)."""
        middle, likely = (lower + upper).max(-1, keepdim=True)
        below = torch.zeros_like(lower).scatter(-1, likely, (middle > 0).to(lower))
        # max(x₁, rest) for the x₁ with the largest bound; `rest` bounds the others and 0.
        top, which = upper.max(-1, keepdim=True)
        rest = upper.scatter(-1, which, 0.0).amax(-1, keepdim=True).clamp_min(0)
        least = lower.gather(-1, which)
        decided = least >= rest  # it is x₁; else the chord from (least, rest) to (top, top)
        slope = torch.where(decided, 1.0, (top - rest).clamp_min(0) / (top - least).clamp_min(1e-30))
        offset = torch.where(decided, 0.0, rest - slope * least)
        return cls(below, torch.zeros_like(lower).scatter(-1, which, slope), offset.squeeze(-1))

    def back(self, form: Tensor) -> tuple[Tensor, Tensor]:
        """A lower bound of linear forms of the outputs, in terms of the inputs.

        Args:
            form: (M, R, *): coefficients of R forms.

        Returns:
            coefficients (M, R, *, K) and constants (M, R).
        """
        rising, falling = form.clamp_min(0), form.clamp_max(0)
        inner = rising[..., None] * self.below[:, None] + falling[..., None] * self.above[:, None]
        return inner, (falling * self.offset[:, None]).flatten(2).sum(2)


class Certificate:
    """Lower bounds of differences of logits.

    Args:
        net: two convolutions of 5×5, each with a pool of 2×2 and ReLU, and two linear layers: the
            `Net` of models A and B. Bounds are computed in float64.
        low, high: (M, 1, 28, 28): the least and greatest value of each pixel.
    """

    def __init__(self, net: nn.Module, low: Tensor, high: Tensor):
        self.net = copy.deepcopy(net).double()
        self.centre, self.radius = (low.double() + high.double()) / 2, (high.double() - low.double()) / 2
        conv1 = self.net.conv1
        middle = conv1(self.centre)  # (M, 10, 24, 24)
        reach = F.conv2d(self.radius, conv1.weight.abs())
        self.first = Relaxation.of(windows(middle - reach), windows(middle + reach))
        self.second = Relaxation.of(*(windows(bound) for bound in self._second_convolution()))
        rows = self.net.fc1.weight.unflatten(1, (20, 4, 4)).expand(len(low), -1, -1, -1, -1)  # (M, 50, 20, 4, 4)
        bias = self.net.fc1.bias
        self.hidden = Relaxation.of((self._pixels(rows) + bias)[..., None], (bias - self._pixels(-rows))[..., None])

    def _second_convolution(self) -> tuple[Tensor, Tensor]:
        """Bounds of the second convolution's outputs, (M, 20, 8, 8) each."""
        conv1, conv2 = self.net.conv1, self.net.conv2
        unit = torch.eye(SEEN**2, dtype=torch.float64).view(-1, 1, SEEN, SEEN)
        outputs = windows(F.conv2d(unit, conv1.weight))  # (196, 10, 5, 5, 4)
        patch = outputs.movedim(-1, 2).flatten(1).T  # (10 · 4 · 25, 196): pixels to pooled units
        m = len(self.centre)

        def patches(x: Tensor, size: int, stride: int) -> Tensor:
            return F.unfold(x, size, stride=stride).transpose(1, 2)  # (M, 64, …)

        below, above = (
            patches(slopes.movedim(-1, 2).flatten(1, 2), 5, 1).reshape(m, 64, 1, 10, 4, 25)
            for slopes in (self.first.below, self.first.above)
        )
        offset = patches(self.first.offset, 5, 1).reshape(m, 64, 1, 10, 25)
        centre, radius = (patches(x, SEEN, 2) for x in (self.centre, self.radius))  # (M, 64, 196)

        def least(weight: Tensor) -> Tensor:  # (20, 10, 25) → (M, 20, 8, 8)
            rising, falling = weight.clamp_min(0), weight.clamp_max(0)
            form = rising[:, :, None] * below + falling[:, :, None] * above  # (M, 64, 20, 10, 4, 25)
            constant = (falling * offset).sum((-2, -1)) + form.sum((-2, -1)) @ conv1.bias
            pixels = form.flatten(3) @ patch  # (M, 64, 20, 196)
            value = (pixels @ centre[..., None] - pixels.abs() @ radius[..., None]).squeeze(-1) + constant
            return value.transpose(1, 2).unflatten(-1, (8, 8))

        weight, bias = conv2.weight.flatten(2), conv2.bias[:, None, None]
        return least(weight) + bias, bias - least(-weight)

    def _pixels(self, form: Tensor) -> Tensor:
        """The least value of linear forms of the second pool's outputs: (M, R, 20, 4, 4) → (M, R)."""
        conv1, conv2 = self.net.conv1, self.net.conv2
        inner, constant = self.second.back(form)
        inner = unwindows(inner)  # (M, R, 20, 8, 8)
        constant = constant + inner.sum((-2, -1)) @ conv2.bias
        inner = F.conv_transpose2d(inner.flatten(0, 1), conv2.weight).unflatten(0, form.shape[:2])
        inner, more = self.first.back(inner)
        inner = unwindows(inner)  # (M, R, 10, 24, 24)
        constant = constant + more + inner.sum((-2, -1)) @ conv1.bias
        pixels = F.conv_transpose2d(inner.flatten(0, 1), conv1.weight).unflatten(0, form.shape[:2]).flatten(2)
        reach = (pixels.abs() @ self.radius.flatten(1)[..., None]).squeeze(-1)
        return (pixels @ self.centre.flatten(1)[..., None]).squeeze(-1) - reach + constant

    def leads(self, target: int) -> Tensor:
        """By how much each other logit surely exceeds the target's. (M, K − 1)."""
        fc1, fc2 = self.net.fc1, self.net.fc2
        others = [k for k in range(len(fc2.bias)) if k != target]
        form = (fc2.weight[others] - fc2.weight[target]).expand(len(self.centre), -1, -1)  # (M, K − 1, 50)
        inner, constant = self.hidden.back(form)
        inner = inner.squeeze(-1)
        constant = constant + inner @ fc1.bias + fc2.bias[others] - fc2.bias[target]
        return self._pixels((inner @ fc1.weight).unflatten(-1, (20, 4, 4))) + constant


@torch.no_grad()
def beyond_reach(net: nn.Module, x: Tensor, target: int, epsilon: float, batch: int = 25) -> Tensor:
    """How far every image of whole pixel values within ε of `x` stays from being taken for `target`, at the least.

    Args:
        net: as for `Certificate`.
        x: (N, 1, 28, 28), raw pixels.
        target: the class that is not to be reached.
        epsilon: greatest change of a pixel, in grey values.
        batch: instances at a time; each takes 25 MB.

    Returns:
        (N,), in logits: where it is above `goal.CLEAR`, no attack can succeed. Below that the bound's own roundings
        in float64, and those of a model in float32, could matter.
    """
    bounds = []
    for part in x.split(batch):
        ball = Ball(part, epsilon)
        bounds.append(Certificate(net, ball.low, ball.high).leads(target).amax(1))
    return torch.cat(bounds)
