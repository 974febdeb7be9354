"""The fast gradient sign method: one step to the ball's edge.

Reference: Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, ICLR 2015,
section 4.
"""

from reference.attacks.template import GradientSteps, Walk


class FGSM(GradientSteps):
    """One gradient step of length ε."""

    def __init__(self, *, steps: int = 1, seed: int = 0):
        super().__init__(steps=steps, seed=seed)

    def step_size(self, walk: Walk) -> float:
        """All of ε at once."""
        return 1.0
