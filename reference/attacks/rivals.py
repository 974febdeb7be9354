"""The attack of deliverable 6, task 3: the margin attack, against two rivals at once.

The margin only pushes down the strongest rival of the wanted class. Soon another one is the
strongest, the gradient turns to that, and the walk goes to and fro between them while the wanted
class gains nothing. Here the second rival counts too, less and less: at the end of the walk the
loss is the margin, which is what decides.
"""

from torch import Tensor

from reference.attacks.margin import MarginAttack
from reference.attacks.template import Walk


class RivalsAttack(MarginAttack):
    """Shrinking momentum steps on the margin over the two strongest other classes.

    Args:
        steps, restarts, seed, decay, first_step: as for `MarginAttack`.
        second: weight of the second rival at the walk's start, from 0 (the margin) to 1; the
            strongest one's is the rest.
    """

    def __init__(
        self, *, steps: int, restarts: int = 1, seed: int = 0, decay: float = 0.5, first_step: float = 3.0,
        second: float = 0.5,
    ):  # fmt: skip
        super().__init__(steps=steps, restarts=restarts, seed=seed, decay=decay, first_step=first_step)
        self.second = second

    def loss(self, walk: Walk, logits: Tensor) -> Tensor:
        """The margin, its rival a weighted mean of two. Two classes have one rival."""
        if logits.shape[1] == 2:
            return walk.goal.margin(logits)
        labels = walk.goal.labels[:, None]  # (M, 1)
        first, second = logits.scatter(1, labels, -float("inf")).topk(2, 1).values.unbind(1)
        weight = self.second * (1 - walk.step / walk.steps) ** 2
        lead = logits.gather(1, labels).squeeze(1) - first.lerp(second, weight)
        return lead if walk.goal.targeted else -lead
