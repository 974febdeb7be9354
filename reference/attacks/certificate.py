"""Proof that no attack can succeed: what the lead over a target cannot fall below in a ball, for models A and B.

Every unit lies between two linear functions of its inputs, so the lead of the other logits lies above a linear function
of the pixels, whose least value in the ball is known exactly. An instance whose bound is clearly positive is beyond
every attack. Layer by layer:

- the limits of the first convolution's outputs are exact; `bound_pixels` holds the pooled ones between lines;
- the limits of the second convolution's outputs, then of the hidden units, then of the lead: each is a form of the
  units below, bounded by lines that are improved for it alone (`bound_rows`);
- what is left is split into halves that are bounded one by one (`branching`).

Reference: Zhang et al., Efficient neural network robustness certification with general activation functions, NeurIPS
2018 (CROWN, where the lines begin), and those of the files named above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference.attacks.bound_pixels import WIDTH, Pixels
from reference.attacks.bound_rows import begin_pixels, hidden_rows, lead_rows, map_rows
from reference.attacks.bound_top import Layers
from reference.kernels import parallel


@dataclass(frozen=True)
class Effort:
    """How often the lines of each kind of form are improved."""

    maps: int
    hidden: int
    lead: int


class Box(NamedTuple):
    """Limits of the second convolution's outputs (m, m, D, 4) and of the hidden units (K,), before their ReLUs."""

    maps_low: np.ndarray
    maps_high: np.ndarray
    hidden_low: np.ndarray
    hidden_high: np.ndarray


def windows(x: Tensor) -> Tensor:
    """(C, 2 H, 2 W) → (H, W, C, 4): what a pool of 2×2 chooses from."""
    return x.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).permute(1, 3, 0, 2, 4).flatten(-2).contiguous()


def run(kernel: Callable, count: int, *arguments) -> None:
    """A kernel's rows on all threads."""
    parallel.run(kernel, max(1, min(torch.get_num_threads(), count)), count, *arguments)


class Certificate:
    """Lower bounds of the lead of the greatest other logit over the target's.

    Args:
        net: two convolutions of 5×5, each with a pool of 2×2 and ReLU, and two linear layers, as the `Net` of models
            A and B; of any size. Bounds are computed in float64.
        target: the class that is not to be reached.
        low, high: (1, H, W): the least and greatest value of each pixel.
    """

    def __init__(self, net: nn.Module, target: int, low: Tensor, high: Tensor):
        self.target, low, high = target, low.double(), high.double()
        parameters = {name: value.detach().double() for name, value in net.named_parameters()}
        self._begin(low, high, parameters["conv1.weight"], parameters["conv1.bias"])
        kernel = parameters["conv2.weight"].movedim(1, 3)  # (D, 5, 5, C)
        side = (len(self.pixels.only) - kernel.shape[1] + 1) // 2
        hidden = parameters["fc1.weight"].unflatten(1, (len(kernel), side, side)).movedim(1, 3)  # (K, m, m, D)
        arrays = (kernel.flatten(2), parameters["conv2.bias"], hidden, parameters["fc1.bias"])
        arrays = (*arrays, parameters["fc2.weight"], parameters["fc2.bias"])
        self.layers = Layers(*(array.contiguous().numpy() for array in arrays))
        self.kernel = kernel.contiguous().numpy()
        maps, units = (len(kernel), 2 * side, 2 * side), len(hidden)
        self.maps_low, self.maps_high = torch.full(maps, -torch.inf).double(), torch.full(maps, torch.inf).double()
        self.hidden_low, self.hidden_high = np.full(units, -np.inf), np.full(units, np.inf)
        with torch.no_grad():
            logits = net(((low + high) / 2)[None].to(net.fc2.bias))[0]
        logits[target] = -torch.inf
        rivals = np.zeros(len(logits))
        rivals[logits.argmax()] = 1
        self.lead_lines = self.slope.copy(), self.share.copy(), rivals

    def _begin(self, low: Tensor, high: Tensor, weight: Tensor, bias: Tensor) -> None:
        """The first layer, and CROWN's lines of it."""
        middle, reach = F.conv2d((low + high) / 2, weight, bias), F.conv2d((high - low) / 2, weight.abs())
        impulses = torch.eye(WIDTH**2, dtype=torch.float64).view(-1, 1, WIDTH, WIDTH)
        seen = torch.stack([windows(outputs)[0, 0] for outputs in F.conv2d(impulses, weight)], -1)  # (C, 4, 36)
        limits = windows(middle - reach).numpy(), windows(middle + reach).numpy()  # (n, n, C, 4)
        units = limits[0].shape[:3]
        self.slope, self.share = np.empty((*units, WIDTH**2)), np.empty((*units, 4))
        only, seen = np.empty(units, np.int64), seen.contiguous().numpy()
        begin_pixels(*limits, seen, self.slope, self.share, only)
        size = weight.abs().mean((1, 2, 3)).numpy()
        self.pixels = Pixels(*(array[0].contiguous().numpy() for array in (low, high)), seen, bias.numpy(), size, only)

    @property
    def box(self) -> Box:
        """The limits found so far."""
        bias = torch.from_numpy(self.layers.bias)[:, None, None]
        maps = (windows(limits + bias).numpy() for limits in (self.maps_low, self.maps_high))
        return Box(*maps, self.hidden_low.copy(), self.hidden_high.copy())

    def improve(self, effort: Effort, enough: float) -> tuple[float, np.ndarray]:
        """Narrow all limits, then bound the lead.

        Args:
            effort: how hard to try.
            enough: a bound that needs no improvement.

        Returns:
            the bound, and where to split, as `lead`.
        """
        self._limit_maps(effort.maps)
        self._limit_hidden(effort.hidden)
        bounds, splits = self.lead([self.box], effort.lead, enough, keep=True)
        return bounds[0], splits[0]

    def _limit_maps(self, steps: int) -> None:
        """Of those outputs of the second convolution that could be the greatest of their pool, and positive."""
        bias = torch.from_numpy(self.layers.bias)[:, None, None]
        least = F.max_pool2d(self.maps_low + bias, 2).clamp_min(0).repeat_interleave(2, 1).repeat_interleave(2, 2)
        matters = self.maps_high + bias > least
        places = matters.nonzero()
        for limits, sign, closer in ((self.maps_low, 1, torch.maximum), (self.maps_high, -1, torch.minimum)):
            rows = F.pad(places, (0, 1), value=sign).numpy()
            found = np.empty(len(rows))
            run(map_rows, len(rows), self.pixels, self.slope, self.share, self.kernel, rows, steps, found)
            limits[matters] = closer(limits[matters], sign * torch.from_numpy(found))

    def _limit_hidden(self, steps: int) -> None:
        """Of those hidden units whose sign is not known."""
        places = ((self.hidden_low < 0) & (self.hidden_high > 0)).nonzero()[0]
        box, bias = self.box, self.layers.hidden_bias[places]
        for limits, sign, closer in ((self.hidden_low, 1, np.maximum), (self.hidden_high, -1, np.minimum)):
            forms, found = sign * self.layers.hidden[places], np.empty(len(places))
            known = self.pixels, self.slope, self.share, self.layers, box.maps_low, box.maps_high
            run(hidden_rows, len(forms), *known, forms, steps, found)
            limits[places] = closer(limits[places], sign * found + bias)

    def lead(
        self, boxes: Sequence[Box], steps: int, enough: float, keep: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the lead where the layers' inputs lie in boxes.

        Args:
            boxes: R of them.
            steps: how often the lines are improved.
            enough: a bound that needs no improvement.
            keep: begin there the next time; for a single box.

        Returns:
            bounds (R,), and (R, 3) where each box is best split: layer 2 (maps), 3 (hidden) or 0 (no use), place in
            the flattened limits, threshold.
        """
        limits = (np.stack(parts) for parts in zip(*boxes, strict=True))
        bounds, splits = np.empty(len(boxes)), np.empty((len(boxes), 3))
        slope, share, rivals = self.lead_lines
        known = self.pixels, slope, share, self.layers, rivals
        run(lead_rows, len(boxes), *known, *limits, self.target, steps, enough, keep, bounds, splits)
        return bounds, splits
