"""The images that an attack may return."""

from __future__ import annotations

import torch
from torch import Tensor

BRIGHTEST = 255  # pixels are whole numbers from 0


class Ball:
    """All images of whole pixel values whose L∞ distance to the original is at most ε.

    Args:
        x: the originals (N, C, H, W); whole numbers from 0 to 255, any floating dtype.
        epsilon: ε in grey values, at least 0.

    Raises:
        ValueError: `x` or `epsilon` is something else, such as images scaled to [0, 1].
    """

    def __init__(self, x: Tensor, epsilon: float):
        if not x.is_floating_point():
            raise ValueError(f"x: expected a floating-point tensor of pixel values, found {x.dtype}; call x.float()")
        if x.numel() and not (x.amin() >= 0 and x.amax() <= BRIGHTEST and torch.equal(x, x.round())):
            raise ValueError(
                f"x: expected raw pixels, whole numbers from 0 to {BRIGHTEST}, found values from {x.amin():g} to "
                f"{x.amax():g} that are not; undo the scaling (x * 255).round()"
            )
        if not epsilon >= 0:
            raise ValueError(f"epsilon: expected grey values, 0 or more, found {epsilon}")
        self.x, self.epsilon = x, float(epsilon)
        # Whole numbers: rounding a point between the limits cannot leave them.
        self.low = (x - epsilon).clamp_min(0).ceil()  # (N, C, H, W)
        self.high = (x + epsilon).clamp_max(BRIGHTEST).floor()  # (N, C, H, W)

    def project(self, point: Tensor) -> Tensor:
        """The nearest point between the limits, not rounded."""
        return point.clamp(self.low, self.high)

    def of(self, chosen: Tensor) -> Ball:
        """The same for some of the instances, by index or mask."""
        part = Ball.__new__(Ball)
        part.x, part.epsilon = self.x[chosen], self.epsilon
        part.low, part.high = self.low[chosen], self.high[chosen]
        return part
