"""Momentum: each step follows the sum of all gradients so far.

Reference: Dong et al., Boosting adversarial attacks with momentum, CVPR 2018, algorithm 1.
"""

from torch import Tensor

from reference.attacks.pgd import PGD
from reference.attacks.template import Walk


class MomentumPGD(PGD):
    """PGD along a decaying sum of gradients.

    Args:
        decay: what is left of the sum after a step; the paper's is 1.
    """

    def __init__(self, *, steps: int, restarts: int = 1, seed: int = 0, decay: float = 1.0):
        super().__init__(steps=steps, restarts=restarts, seed=seed)
        self.decay = decay

    def direction(self, walk: Walk, gradient: Tensor) -> Tensor:
        """Sign of the sum; every gradient counts alike, however long it is."""
        size = gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-30)  # (M, 1, 1, 1)
        walk.velocity = self.decay * walk.velocity + gradient / size
        return walk.velocity.sign()
