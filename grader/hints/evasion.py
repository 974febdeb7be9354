"""Hints about adversarial examples: what brings them within reach, and why they fool nobody."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.evasion import BRIGHTEST, SLACK, logits

MOST = 0.9  # share of the images that a statement about the attack has to hold for


def hint(answer: Tensor, originals: Tensor, epsilon: float) -> str:
    """What makes adversarial examples of what came, in one sentence; "" where that is not known.

    Args:
        answer: what the attack returned.
        originals: (N, 1, 28, 28), whole numbers from 0 to 255.
        epsilon: greatest L∞ distance, in pixel values.
    """
    if answer.shape != originals.shape:
        same = answer.numel() == originals.numel() and len(answer) == len(originals)
        return "the axes of x are not kept: return a tensor of x's shape" if same else ""
    given, start = answer.double(), originals.double()

    def within(images: Tensor, slack: float = SLACK) -> bool:
        return bool((images - start).abs().max() <= epsilon + slack)

    if not answer.is_floating_point() and answer.dtype is not torch.uint8:
        return ".int() and .long() change the dtype: .round() keeps it" if within(given) else ""
    if within(given):
        if (given - given.clamp(0, BRIGHTEST)).abs().max() > SLACK:
            return f"they are within ε and leave the range by at most ε: clamp(0, {BRIGHTEST}) after the last step, too"
        return ""
    if not given.isfinite().all():
        return ""
    if within(BRIGHTEST * given, BRIGHTEST * SLACK):
        return f"your images are divided by {BRIGHTEST}; this model takes raw pixels from 0 to {BRIGHTEST}"
    if 0 <= given.min() and given.max() <= 1:
        return f"all pixels of your images lie from 0 to 1: those of this model lie from 0 to {BRIGHTEST}"
    if within(given / BRIGHTEST):
        return f"your images are multiplied by {BRIGHTEST}; this model takes raw pixels from 0 to {BRIGHTEST}"
    if within(given.mT):
        return "your images are the transpose of what they should be: height and width are swapped"
    if within(given + start):
        return "what you return is the perturbation alone: return x plus it"
    if _owners(given, start, epsilon):
        return "your images are those of x in another order: image i of the answer belongs to image i of x"
    around = BRIGHTEST + 1
    turned = (given - start).remainder(around)
    if torch.minimum(turned, around - turned).max() <= epsilon + SLACK:
        return f"pixels below 0 or above {BRIGHTEST} wrap around where they become uint8: clamp before that"
    farthest = (given - start).abs().max().item()
    if abs(farthest - (epsilon + 1)) <= SLACK:
        return "your farthest image is one grey level beyond ε: project back after rounding and after the last step"
    if abs(farthest - 2 * epsilon) <= 2 * SLACK:
        return "your farthest image is at exactly 2ε: two steps of ε add up; project back after every step"
    return ""


def _owners(given: Tensor, start: Tensor, epsilon: float) -> bool:
    """Whether each image is within reach of one of the originals, and some of another one than their own."""
    distances = torch.stack([(given - one).abs().amax((1, 2, 3)) for one in start], 1)  # (N, N)
    return bool((distances.amin(1) <= epsilon + SLACK).all())


def of_weakness(
    parameters: Mapping[str, np.ndarray],
    answer: Tensor,
    originals: Tensor,
    labels: Tensor,
    epsilon: float,
    *,
    targeted: bool,
) -> str:
    """Why images that are adversarial examples by their distance fool nobody; "" where that is not known.

    Args:
        parameters: of the network, by the names of `NAMES`.
        answer: (N, 1, 28, 28), within ε of the originals.
        originals: likewise, whole numbers from 0 to 255.
        labels: (N,), the target classes or the true ones.
        epsilon: greatest L∞ distance, in pixel values.
        targeted: which of the two.
    """
    given, start = answer.double(), originals.double()
    farthest = (given - start).abs().max().item()
    if farthest == 0:
        return "your images are the originals: no step is ever added to them"
    if farthest <= epsilon / BRIGHTEST + SLACK:
        return (
            f"your images differ from the originals by at most ε/{BRIGHTEST}: ε is in pixel values from 0 to "
            f"{BRIGHTEST}"
        )
    if torch.equal(given.round(), start):
        return "your images are the originals after rounding: no pixel changes by half a grey level"
    before, after = (F.cross_entropy(logits(parameters, images), labels, reduction="none") for images in (start, given))
    wrong_way = (after > before) if targeted else (after < before)
    if wrong_way.double().mean() >= MOST:
        name, falls, wanted = ("target", "rises", "fall") if targeted else ("true class", "falls", "rise")
        return (
            f"the loss of the {name} {falls} where it should {wanted}, from {before.mean():.3g} to {after.mean():.3g} "
            "on average: the step has the wrong sign"
        )
    if farthest <= epsilon / 2:
        return (
            f"your images differ from the originals by at most {farthest:.3g}, and ε is {epsilon:g}: the steps "
            "together do not come up to it"
        )
    predicted = logits(parameters, given.round()).argmax(1)
    reached, count = predicted.mode().values.item(), (predicted == predicted.mode().values).double().mean()
    started = logits(parameters, start).argmax(1)
    if targeted and count >= MOST and not (labels == reached).any() and not (started == reached).any():
        return (
            f"the network takes your images for {reached} and not for the target {labels[0].item()}: is that the "
            "loss's?"
        )
    return ""


def of_passes(passes: int, budget: int) -> str:
    """Why an image took more backward passes than allowed; "" where that is not known."""
    if passes == budget + 1:
        return "one pass too many: one before the loop, after it, or range(steps + 1)"
    if passes % budget == 0 and passes > budget:
        return f"that is {passes // budget} times the budget: each start anew, and each network that is asked, counts"
    return ""


def of_strays(stray: int, passes: int) -> str:
    """Why the model was asked about images that are near no original; "" where too few of them are."""
    if stray < MOST * (stray + passes):
        return ""
    return (
        "the model is asked for gradients at images that are near none of the originals: it takes raw pixels from 0 "
        f"to {BRIGHTEST}, undivided and within ε of x"
    )


def of_accuracy(found: float, right: float, count: int) -> str:
    """What a wrong accuracy is instead; "" where that is not known."""
    known = {
        "this is in percent: from 0 to 1 is asked for": 100 * right,
        "this is the number of images that are right: divide by the number of all": count * right,
        "this is the share of images that are wrong": 1 - right,
    }
    fitting = [said for said, value in known.items() if abs(found - value) < 1e-4]
    return fitting[0] if len(fitting) == 1 else ""
