"""The training loop: one optimiser step per batch, one report per epoch."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference.training.compute import FLOAT32_CPU, Compute


def fit(
    net: nn.Module,
    batches: Iterable,
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    done: int = 0,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    compute: Compute = FLOAT32_CPU,
    on_epoch: Callable[[int, float, float], None] = lambda epoch, loss, accuracy: None,
) -> None:
    """Train `net` in place with cross-entropy.

    Args:
        net: maps a batch of images to logits (B, classes).
        batches: yields (images, labels) anew at every iteration, one pass per epoch.
        optimizer: over the parameters of `net`.
        epochs: passes over the data, at least 1.
        done: how many of them an interrupted run has behind it; training starts after those.
        schedule: stepped after every batch.
        compute: in which number format the net runs; the loss is float32 always.
        on_epoch: called as `on_epoch(epoch, loss, accuracy)` after each epoch, epoch from 1,
            with the means over the epoch's training batches. They trail the net, which
            improves while they are gathered; dropout and batch-norm are in training mode.

    Raises:
        ValueError: no epochs are asked for, or there are no batches.
        FloatingPointError: the loss is no longer finite.
    """
    if epochs < 1:
        raise ValueError(f"epochs: expected at least 1, found {epochs}")
    for epoch in range(done + 1, epochs + 1):
        net.train()
        # Summed on the device: reading a number back per batch would stall a GPU.
        loss_sum, correct, seen = 0.0, 0, 0
        for images, labels in batches:
            optimizer.zero_grad(set_to_none=True)
            with compute.autocast():
                logits = net(images)  # (B, classes)
            loss = F.cross_entropy(logits.float(), labels)
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
            loss_sum += loss.detach() * len(labels)
            correct += (logits.detach().argmax(1) == labels).sum()
            seen += len(labels)
        if not seen:
            raise ValueError(f"batches: expected at least one image, found none in epoch {epoch}")
        mean_loss, accuracy = float(loss_sum) / seen, int(correct) / seen
        if not mean_loss < float("inf"):
            raise FloatingPointError(
                f"the training loss of epoch {epoch} is {mean_loss}; lower the learning rate"
            )
        on_epoch(epoch, mean_loss, accuracy)


@torch.no_grad()
def predict(
    net: nn.Module,
    images: Tensor,
    *,
    transform: Callable[[Tensor], Tensor] = lambda images: images,
    batch_size: int = 500,
    compute: Compute = FLOAT32_CPU,
) -> Tensor:
    """Logits (N, classes), float32, of a whole set, in evaluation mode.

    Args:
        net: maps a batch of images to logits; left in the mode that it was in.
        images: (N, …), on the device of the net.
        transform: what happens to the images of a batch before.
        batch_size: images at once, which bounds the memory it takes.
        compute: in which number format the net runs.
    """
    training = net.training
    net.eval()
    try:
        with compute.autocast():
            logits = [net(transform(batch)).float() for batch in images.split(batch_size)]
    finally:
        net.train(training)
    return torch.cat(logits)
