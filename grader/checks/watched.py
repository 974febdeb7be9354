"""What a worker saw of a training, epoch by epoch, as checks take it; it is not believed before it fits together."""

from dataclasses import dataclass

import torch

from grader.oracles.batches import Batches, explain
from grader.result import Training
from grader.worker import Reply
from grader.worker.messages import Observed


@dataclass(frozen=True)
class Seen:
    """One epoch of a loop, as the worker saw it.

    Args:
        forward: images that passed forward.
        backward: images whose gradient came back.
        updates: backward passes before which the parameters had been changed.
        stale: of these, passes whose gradients were added to those of the pass before.
        batches: what the gradients say; None where they are not there.
    """

    forward: int
    backward: int
    updates: int
    stale: int
    batches: Batches | None


@dataclass(frozen=True)
class Watched:
    """A training, and what was seen of it.

    Args:
        training: as it was measured.
        seen: epoch by epoch.
    """

    training: Training
    seen: list[Seen]


def read(reply: Reply, observed: Observed | None, classes: int) -> Seen:
    """What a worker says that it saw; what does not fit together is not there."""
    if observed is None:
        return Seen(0, 0, 0, 0, None)
    counts = observed.forward, observed.backward, observed.updates, observed.stale
    indices = observed.rows, observed.values, observed.gradients
    if None in indices:
        return Seen(*counts, None)
    rows, values, gradients = (reply.arrays[index] for index in indices)
    fits = (
        rows.dim() == 1
        and rows.dtype == torch.int64
        and bool(((rows > 0) & (rows < 1 << 32)).all())
        and values.shape == gradients.shape
        and values.dim() == 2
        and values.shape[1] == classes
        and values.is_floating_point()
        and gradients.is_floating_point()
    )
    if not fits:
        return Seen(*counts, None)
    kept = rows[rows.cumsum(0) <= len(values)]
    if not len(kept) or int(kept.sum()) != len(values):
        return Seen(*counts, None)
    return Seen(*counts, explain(values, gradients, kept))
