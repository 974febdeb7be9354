"""Run an attack on a network that the grader describes, and count its backward passes."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .messages import Layer

_BACKWARD = torch.ops.aten.convolution_backward.default


def network(layers: Sequence[Layer], arrays: Sequence[torch.Tensor]) -> nn.Sequential:
    """The network that `layers` describe, in evaluation mode; its parameters need no gradient.

    Args:
        layers: from the images on; the first one is a convolution.
        arrays: the frame's arrays, which weights and biases are taken from.
    """
    parts = [_part(layer, arrays) for layer in layers]
    return nn.Sequential(*parts).eval().requires_grad_(False)


def _part(layer: Layer, arrays: Sequence[torch.Tensor]) -> nn.Module:
    match layer.type:
        case "relu":
            return nn.ReLU()
        case "dropout":
            return nn.Dropout()
        case "dropout2d":
            return nn.Dropout2d()
        case "flatten":
            return nn.Flatten()
        case "max_pool2d":
            return nn.MaxPool2d(layer.size)
    weight, bias = arrays[layer.weight], arrays[layer.bias]
    if layer.type == "conv2d":
        out_channels, in_channels, *kernel_size = weight.shape
        part = nn.Conv2d(in_channels, out_channels, tuple(kernel_size), device="meta")
    else:
        part = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    part.weight, part.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    return part


class BackwardPasses(TorchDispatchMode):
    """Counts, per image, the backward passes that are computed in the block.

    What is counted are the images in each call of the operator that differentiates a first
    convolution. It makes no difference which network that belongs to (the given one, a copy, one
    built anew from its parameters), nor how the images are batched, repeated or reordered, nor
    whether `backward`, `autograd.grad`, a batch of upstream gradients or `torch.func` asks.

    An image is counted for the original that is nearest in L∞, if that lies within `reach`; else it
    is a stray one. Not seen are threads that the submission starts, and convolutions that it
    computes by other operators.

    Args:
        originals: (N, C, H, W), no two alike.
        reach: in pixel values.
    """

    def __init__(self, originals: torch.Tensor, reach: float) -> None:
        super().__init__()
        self.originals, self.reach = originals.flatten(1).float(), reach  # (N, C·H·W)
        self.image = originals.shape[1:]
        self.passes = torch.zeros(len(originals), dtype=torch.int64)
        self.stray = 0
        self._owners = torch.arange(len(originals))  # of the last batch's rows; batches resemble each other

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: else the first operator imports all of torch's compiler, which takes seconds."""
        return False

    def __torch_dispatch__(
        self, operator: Callable, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> object:
        if operator is _BACKWARD and self._are_images(args[1]):
            self._count(args[1])
        return operator(*args, **(kwargs or {}))

    def _are_images(self, x: torch.Tensor) -> bool:
        # Under `vmap` images may lie side by side in the channels.
        return x.shape[-2:] == self.image[-2:] and x.numel() % self.image.numel() == 0

    def _count(self, x: torch.Tensor) -> None:
        rows = x.detach().reshape(-1, self.image.numel()).float()  # (M, C·H·W)
        if not self._belong_as_before(rows):
            self._find_owners(rows)
        stray = self._owners < 0
        self.passes += torch.bincount(self._owners[~stray], minlength=len(self.passes))
        self.stray += int(stray.sum())

    def _belong_as_before(self, rows: torch.Tensor) -> bool:
        if len(rows) != len(self._owners) or (self._owners < 0).any():
            return False
        return bool(((rows - self.originals[self._owners]).abs() <= self.reach).all())

    def _find_owners(self, rows: torch.Tensor) -> None:
        """Which original each row belongs to, −1 for none."""
        # Whatever lies within `reach` in L∞ lies within this in L2, which is a matrix product and
        # leaves few pairs to compare pixel by pixel. (1 % and 1 for its rounding.)
        radius = 1.01 * self.reach * self.image.numel() ** 0.5 + 1
        row, original = (torch.cdist(rows, self.originals) <= radius).nonzero(as_tuple=True)  # (P,)
        distance = (rows[row] - self.originals[original]).abs().amax(1)  # (P,)
        nearest = torch.full((len(rows),), torch.inf).scatter_reduce(0, row, distance, "amin")  # (M,)
        owns = (distance <= self.reach) & (distance == nearest[row])
        self._owners = torch.full((len(rows),), -1)
        self._owners[row[owns]] = original[owns]
