"""Hints about adversarial examples that are too far from their originals."""

from torch import Tensor

from grader.oracles.evasion import BRIGHTEST, SLACK


def hint(answer: Tensor, originals: Tensor, epsilon: float) -> str:
    """What brings the examples within reach, in one sentence; "" where that is not known.

    Args:
        answer: what the attack returned.
        originals: (N, 1, 28, 28), whole numbers from 0 to 255.
        epsilon: greatest L∞ distance, in pixel values.
    """
    if answer.shape != originals.shape:
        return ""
    given, start = answer.double(), originals.double()

    def farthest(images: Tensor) -> float:
        return (images - start).abs().max().item()

    if not farthest(given) > epsilon + SLACK:  # near enough, or not a number
        return ""
    if farthest(BRIGHTEST * given) <= epsilon + BRIGHTEST * SLACK:
        return f"your images are divided by {BRIGHTEST}; this model takes raw pixels from 0 to {BRIGHTEST}"
    if farthest(given.mT) <= epsilon + SLACK:
        return "your images are the transpose of what they should be: height and width are swapped"
    if abs(farthest(given) - (epsilon + 1)) <= SLACK:
        return "your farthest image is one grey level beyond ε: project back after rounding and after the last step"
    if abs(farthest(given) - 2 * epsilon) <= 2 * SLACK:
        return "your farthest image is at exactly 2ε: two steps of ε add up; project back after every step"
    return ""
