"""One cycle of the learning rate over augmented images: how the course's networks on CIFAR-10 are trained.

Reference: Smith & Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning
Rates, 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reference.training.batches import Batches
from reference.training.compute import Compute
from reference.training.resumable import fit_resumably

if TYPE_CHECKING:  # a checkpoint writes files, which needs more than a worker has
    from reference.training.checkpoint import Checkpoint


def fit_cycle(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    *,
    transform: Callable[[Tensor], Tensor],
    batch_size: int,
    max_lr: float,
    warm_up: float,
    epochs: int,
    compute: Compute,
    on_epoch: Callable[[int, float, float], None],
    checkpoint: Callable[..., Checkpoint] | None = None,
) -> None:
    """Train `net` in place, resumably where there is a checkpoint.

    Args:
        net: placed where `compute` says.
        images: (N, C, H, W), uint8; labels: (N,), int64.
        optimizer: over the parameters of `net`.
        transform: uint8 images of a batch → what the network takes, augmented.
        batch_size: images per step.
        max_lr: the learning rate at the peak.
        warm_up: share of the run in which the rate rises; it falls to 0 after.
        epochs, compute, on_epoch, checkpoint: as of `fit_resumably`.

    Raises:
        ValueError, FloatingPointError, RuntimeError: see `fit_resumably`.
    """
    batches = Batches(
        compute.images(images),
        labels.to(compute.device),
        batch_size=batch_size,
        transform=lambda batch: compute.images(transform(batch)),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=max_lr, pct_start=warm_up, total_steps=epochs * len(batches)
    )
    fit_resumably(
        net,
        batches,
        optimizer,
        epochs=epochs,
        schedule=schedule,
        compute=compute,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
