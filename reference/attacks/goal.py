"""What an attack is after: away from a label, or towards one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# In logits. A model computed by another library, or in another precision, may round differently by
# 1e-5; an example that only just crosses the boundary here might not cross it there.
CLEAR = 1e-3


@dataclass(frozen=True)
class Goal:
    """The wish for each instance of a batch.

    Args:
        labels: (N,), int64: the classes to reach, or to leave.
        targeted: reach them (True) or leave them (False).
    """

    labels: Tensor
    targeted: bool

    def margin(self, logits: Tensor) -> Tensor:
        """How far the wish is fulfilled, in logits: positive if and only if it is. (N, K) → (N,).

        Reference: Carlini, Wagner, Towards evaluating the robustness of neural networks, S&P
        2017, section V-A, objective f6.
        """
        own = logits.gather(1, self.labels[:, None]).squeeze(1)
        others = logits.scatter(1, self.labels[:, None], -torch.inf).amax(1)
        return own - others if self.targeted else others - own

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """The training loss, signed so that more is better. (N, K) → (N,).

        Where the model is certain its gradient underflows to 0 in float32, and a step goes nowhere.
        """
        loss = F.cross_entropy(logits, self.labels, reduction="none")
        return -loss if self.targeted else loss

    def reached(self, logits: Tensor) -> Tensor:
        """Whether the wish is fulfilled beyond doubt. (N, K) → bool (N,)."""
        return self.margin(logits) > CLEAR

    def of(self, chosen: Tensor) -> Goal:
        """The same for some of the instances, by index or mask."""
        return Goal(self.labels[chosen], self.targeted)
