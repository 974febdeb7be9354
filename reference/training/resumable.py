"""`fit` that goes on where it was killed, and shows how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from reference.training.batches import Batches
from reference.training.compute import Compute
from reference.training.loop import fit
from reference.training.progress import Watched

if TYPE_CHECKING:  # a checkpoint writes files, which needs more than a worker has
    from reference.training.checkpoint import Checkpoint


def fit_resumably(
    net: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    compute: Compute,
    on_epoch: Callable[[int, float, float], None],
    checkpoint: Callable[..., Checkpoint] | None = None,
) -> None:
    """Train `net` in place; with a checkpoint, after the whole epochs that it has behind it.

    Args:
        net, batches, optimizer, epochs, schedule, compute, on_epoch: as of `fit`.
        checkpoint: makes a `Checkpoint` of the parts that it is given by name (`net`, `optimizer`,
            `schedule`); it is saved after every epoch, once `on_epoch` has returned.

    Raises:
        ValueError, FloatingPointError: see `fit`.
        ValueError, RuntimeError: the checkpoint is not of this run; see `Checkpoint.resume`.
    """
    kept = checkpoint and checkpoint(net=net, optimizer=optimizer, schedule=schedule)
    done = kept.resume() if kept else 0

    def after(epoch: int, loss: float, accuracy: float) -> None:
        on_epoch(epoch, loss, accuracy)
        if kept:
            kept.save(epoch)

    fit(
        net,
        Watched(batches, epochs=epochs, done=done),
        optimizer,
        epochs=epochs,
        done=done,
        schedule=schedule,
        compute=compute,
        on_epoch=after,
    )
