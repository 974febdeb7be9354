"""Run a submission's own training loop, and let the grader see the network after each epoch."""

import math
import types
from collections.abc import Callable

import torch
from torch import nn

from .messages import Epoch, Train, Trained
from .observation import Observation
from .outgoing import Answer, Parcel

KEPT = 1.25  # passes per image and epoch whose outputs and gradients are sent to the grader


def normalised(images: torch.Tensor, request: Train) -> torch.Tensor:
    """Pixels in 0-255 as the network is given them.

    Args:
        images: uint8 (N, H, W) or (N, H, W, C).
        request: says mean and standard deviation per channel, of values in [0, 1].

    Returns:
        float32 (N, C, H, W).
    """
    planes = channels_first(images)
    mean = torch.tensor(request.mean).reshape(1, -1, 1, 1)
    std = torch.tensor(request.std).reshape(1, -1, 1, 1)
    return planes.float().div_(255).sub_(mean).div_(std).contiguous()


def channels_first(images: torch.Tensor) -> torch.Tensor:
    """(N, H, W) or (N, H, W, C) → (N, C, H, W)."""
    return images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)


def train(
    request: Train,
    module: types.ModuleType,
    networks: types.ModuleType,
    arrays: list[torch.Tensor],
    parcel: Parcel,
    interim: Callable[[Answer], None],
    objects: dict[str, object],
) -> Trained:
    """Seed, build the network, train it, and send its outputs after each epoch.

    `module` has the loop and the seeding, `networks` the network. The loop is called as
    `train(net, images, labels, epochs, on_epoch)`, and calls `on_epoch(epoch, loss, accuracy)` itself; what
    passes through the network meanwhile is observed. The network stays among the session's `objects`.
    """
    images, labels, *evaluations = arrays
    arrays.clear()  # all of them lie in one piece of memory, which is given back when the last is let go
    labels, evaluations = labels.long().clone(), [batch.clone() for batch in evaluations]
    if request.seeding is not None:
        getattr(module, request.seeding)(request.seed)
    network = getattr(networks, request.network)()
    observation = Observation(network, int(KEPT * len(labels)))
    reported = 0
    per_reply = parcel.left

    def logits() -> list[torch.Tensor]:
        return [evaluate(network, images, request) for images in evaluations]

    def on_epoch(epoch: int, loss: float, accuracy: float | None = None) -> None:
        """What the student's loop calls after each epoch."""
        nonlocal reported
        reported += 1
        if reported > request.epochs:
            raise ValueError(f"on_epoch was called {reported} times in a training of {request.epochs} epochs")
        parts = Parcel(per_reply)
        with observation.paused():
            outputs = [parts.output(values) for values in logits()]
        seen = observation.take(parts)
        interim(Answer(Epoch(int(epoch), _number(loss), _number(accuracy), outputs, seen), parts.arrays))

    given = channels_first(images).contiguous() if request.augments else normalised(images, request)
    del images
    with observation:
        getattr(module, request.handle)(network, given, labels, request.epochs, on_epoch)
    objects[request.kept] = network.cpu()
    return Trained(reported, [parcel.output(values) for values in logits()])


def evaluate(network: nn.Module, images: torch.Tensor, request: Train) -> torch.Tensor:
    """The network's outputs in evaluation mode; every part of it keeps the mode it was in.

    Returns:
        What the network gives for each batch, one after the other; (N, classes) if it is
        the network that was asked for.
    """
    modes = [(part, part.training) for part in network.modules()]
    place = next(network.parameters(), torch.empty(0)).device  # a loop may have moved it to a GPU
    network.eval()
    try:
        with torch.no_grad():
            # (B, H, W) -> (B, classes)
            batches = [
                network(normalised(batch, request).to(place)).cpu() for batch in images.split(request.batch_size)
            ]
        return torch.cat(batches)
    finally:
        for part, mode in modes:
            part.training = mode


def _number(value: object) -> float | None:
    """A figure as the student reported it, None if it is not a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
