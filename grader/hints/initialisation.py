"""Hints about weights that He initialisation did not draw: which other one has their variance."""

import math
from collections.abc import Mapping

from torch import Tensor

from grader.oracles.initialisation import FALSE_ALARM, fans, he_fault, square_sum_interval


def _named(shape: tuple[int, ...]) -> dict[str, float]:
    """What is said about a weight of this shape → the variance that it is said of."""
    fan_in, fan_out = fans(shape)
    return {
        "it is the one that PyTorch gives a fresh layer: was the weight never initialised?": 1 / (3 * fan_in),
        "it is the one of a gain of 1: He initialisation for a ReLU has nonlinearity='relu'": 1 / fan_in,
        "it is the one of a gain of 1 and of fan_out: He initialisation has nonlinearity='relu'": 1 / fan_out,
        "it is the one of Xavier initialisation: use kaiming_normal_ or kaiming_uniform_": 2 / (fan_in + fan_out),
        "it is the one of a gain of 2, which is √2 squared": 4 / fan_in,
        "it is the one of a standard normal distribution: scale by √(2/fan_in)": 1.0,
        "it is the square of He's: √(2/fan_in) is the standard deviation, not the variance": (2 / fan_in) ** 2,
        "it is the root of He's: 2/fan_in is the variance, not the standard deviation": math.sqrt(2 / fan_in),
        "it is the one of a standard deviation of 0.01": 1e-4,
        "it is the one of a standard deviation of 0.02": 4e-4,
    }


def hint(weights: Mapping[str, Tensor]) -> str:
    """Where the variance of the weights that He initialisation did not draw comes from; "" where that is not known.

    One layer as wide as it is deep does not tell fan_in from fan_out; all refused layers together do.

    Args:
        weights: name → weight, as `grader.oracles.initialisation.he_fault` takes them.
    """
    share = FALSE_ALARM / len(weights)
    refused = {name: weight for name, weight in weights.items() if he_fault({name: weight}, false_alarm=share)}
    if refused and all((weight == weight.flatten()[0]).all() for weight in refused.values()):
        return "all numbers of a weight are the same: draw them"
    if refused and all((weight >= 0).all() for weight in refused.values()):
        return "no number is below 0: He's distributions are symmetric about it"
    said = None
    for weight in refused.values():
        squares = (weight.double() ** 2).sum().item()
        low, high = square_sum_interval(weight.numel(), share)
        variances = _named(tuple(weight.shape))
        fitting = {text for text, variance in variances.items() if low <= squares / variance <= high}
        said = fitting if said is None else said & fitting
    return f"the variance is a known one: {said.pop()}" if said and len(said) == 1 else ""
