"""The attack of deliverable 6, task 1, and the ground of task 3's: momentum, margin loss, shrinking steps.

Three faults of PGD on cross-entropy, and what is done about each:

- Where the model is certain, softmax saturates and the gradient underflows. The margin between
  the wanted logit and the largest other one keeps its slope.
- Equal steps jump to and fro over the same kink of a piecewise linear network. Steps that shrink
  to nothing begin by crossing the ball, and end by settling.
- A single run ends in the basin that it started in. `restarts` tries what is still open again
  elsewhere, from the same budget; on models A and B one long run finds more, so that is the default.

Reference: Carlini, Wagner, Towards evaluating the robustness of neural networks, S&P 2017 (the
loss); Dong et al., CVPR 2018 (the momentum); Croce, Hein, Reliable evaluation of adversarial
robustness with an ensemble of diverse parameter-free attacks, ICML 2020 (why steps should shrink).
"""

from torch import Tensor

from reference.attacks.momentum import MomentumPGD
from reference.attacks.template import Walk


class MarginAttack(MomentumPGD):
    """Signed momentum steps on the margin, shrinking to nothing.

    Args:
        steps: backward passes per instance, all runs together.
        restarts: into how many runs they are divided.
        decay: of the momentum.
        first_step: length of each run's first step, as a fraction of ε.
    """

    def __init__(
        self, *, steps: int, restarts: int = 1, seed: int = 0, decay: float = 0.5, first_step: float = 2.0
    ):
        super().__init__(steps=steps, restarts=restarts, seed=seed, decay=decay)
        self.first_step = first_step

    def loss(self, walk: Walk, logits: Tensor) -> Tensor:
        """The margin, which is what decides."""
        return walk.goal.margin(logits)

    def step_size(self, walk: Walk) -> float:
        """From `first_step` down to nearly 0, by the square of what is left to go."""
        return self.first_step * (1 - walk.step / walk.steps) ** 2
