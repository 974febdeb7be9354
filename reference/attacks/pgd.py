"""Projected gradient descent: equal signed steps on cross-entropy.

Reference: Mądry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018;
the step of 2.5 ε / steps is that of its section 5, and reaches every corner of the ball.
"""

from reference.attacks.template import GradientSteps, Walk


class PGD(GradientSteps):
    """Equal steps, together two and a half times as long as the ball is wide."""

    def step_size(self, walk: Walk) -> float:
        """The same for every step."""
        return min(1.0, 2.5 / walk.steps)
