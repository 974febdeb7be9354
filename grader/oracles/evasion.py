"""HW3 deliverable 6: the network that is attacked, and what counts as an adversarial example."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.compare import first
from grader.worker.messages import Layer

BRIGHTEST = 255  # pixels are raw grey values from 0
# The parameters of `Net`, in the order of its layers; the hand-out's state dicts name them so.
NAMES = (
    "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
    "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
)  # fmt: skip
# The same network for the worker; weights and biases are the frame's first eight arrays.
LAYERS = (
    Layer("conv2d", 0, 1),
    Layer("max_pool2d", size=2),
    Layer("relu"),
    Layer("conv2d", 2, 3),
    Layer("dropout2d"),
    Layer("max_pool2d", size=2),
    Layer("relu"),
    Layer("flatten"),
    Layer("linear", 4, 5),
    Layer("relu"),
    Layer("dropout"),
    Layer("linear", 6, 7),
)
# A float32 image that was clipped to x ± ε may miss the limit by the rounding of one subtraction
# and one addition of numbers up to 255: 2 × 255 × 2⁻²⁴ < 1e-4.
SLACK = 1e-4


def starter_images(images: np.ndarray) -> Tensor:
    """MNIST's images (N, 28, 28), uint8, as the starter code feeds them: (N, 1, 28, 28), transposed."""
    return torch.from_numpy(np.array(images)).transpose(1, 2).unsqueeze(1).float().contiguous()


def logits(parameters: Mapping[str, np.ndarray], images: Tensor) -> Tensor:
    """What the network computes in evaluation mode, in float64.

    Args:
        parameters: by the names of `NAMES`.
        images: (N, 1, 28, 28), raw pixels, transposed.

    Returns:
        (N, 10).
    """
    p = {name: torch.from_numpy(np.array(parameters[name], dtype=np.float64)) for name in NAMES}
    x = F.relu(F.max_pool2d(F.conv2d(images.double(), p["conv1.weight"], p["conv1.bias"]), 2))
    x = F.relu(F.max_pool2d(F.conv2d(x, p["conv2.weight"], p["conv2.bias"]), 2))  # (N, 20, 4, 4)
    x = F.relu(F.linear(x.flatten(1), p["fc1.weight"], p["fc1.bias"]))  # (N, 50)
    return F.linear(x, p["fc2.weight"], p["fc2.bias"])


def fault(answer: Tensor, originals: Tensor, epsilon: float) -> str | None:
    """Why `answer` holds no adversarial examples for `originals`; None if it may.

    Judged as floats and after rounding to whole pixel values, as a file would store them.

    Args:
        answer: what the attack returned.
        originals: (N, 1, 28, 28), whole numbers from 0 to 255.
        epsilon: greatest L∞ distance, in pixel values; a whole number.
    """
    if answer.shape != originals.shape:
        return f"wrong shape {tuple(answer.shape)}; expected {tuple(originals.shape)}, the images'"
    if not answer.is_floating_point() and answer.dtype is not torch.uint8:
        return f"wrong dtype {answer.dtype}; expected {originals.dtype}, the images'"
    answer = answer.double()
    finite = torch.isfinite(answer)
    if not finite.all():
        index = first(~finite)
        return f"{answer[index].item()} at {list(index)}; expected pixel values"
    for name, values in (("", answer), (" after rounding", answer.round())):
        outside = (values < -SLACK) | (values > BRIGHTEST + SLACK)
        if outside.any():
            index = first(outside)
            return (
                f"{int(outside.any((1, 2, 3)).sum())} of {len(answer)} images leave the range 0 to "
                f"{BRIGHTEST}{name}: {values[index].item():.6g} at {list(index)}; clamp to the range"
            )
        distance = (values - originals.double()).abs().amax((1, 2, 3))  # (N,)
        if (distance > epsilon + SLACK).any():
            return (
                f"{int((distance > epsilon + SLACK).sum())} of {len(answer)} images are farther than "
                f"ε = {epsilon:g} from their originals{name}, the farthest {distance.max():.6g} "
                "(L∞, grey values); project back after every step"
            )
    return None


@dataclass(frozen=True)
class Success:
    """How many adversarial examples do what they are meant to."""

    reached: int
    of: int

    @property
    def rate(self) -> float:
        """From 0 to 1."""
        return self.reached / self.of

    def __str__(self) -> str:
        return f"{self.rate:.1%} ({self.reached}/{self.of})"


def success(
    parameters: Mapping[str, np.ndarray], answer: Tensor, labels: Tensor, *, targeted: bool
) -> Success:
    """How often the network predicts `labels` (targeted) or something else (untargeted).

    Args:
        parameters: of the network, by the names of `NAMES`.
        answer: (N, 1, 28, 28); judged after rounding to whole pixel values.
        labels: (N,), the target classes or the true ones.
        targeted: which of the two.
    """
    predicted = logits(parameters, answer.double().round()).argmax(1)
    reached = (predicted == labels) if targeted else (predicted != labels)
    return Success(int(reached.sum()), len(labels))
