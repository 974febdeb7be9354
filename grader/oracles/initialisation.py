"""He initialisation, judged by the weights alone: a test of mean and variance per layer.

A weight of n elements drawn from N(0, σ²) has Σw²/σ² ~ χ²(n) and √n·mean/σ ~ N(0, 1). Both are
two-sided tests; a uniform distribution of the same variance has lighter tails in both.

Reference: He et al., Delving Deep into Rectifiers, ICCV 2015, equations 10 and 14.
"""

import math
from collections.abc import Mapping

import torch
from scipy.special import gammainccinv, gammaincinv, ndtri
from torch import Tensor

# The probability that a right initialisation is refused, over all layers of one run.
FALSE_ALARM = 1e-6


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """fan_in and fan_out of a weight (O, C, K, K) or (O, C), as torch.nn.init counts them."""
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def square_sum_interval(count: int, false_alarm: float) -> tuple[float, float]:
    """Where Σw²/σ² of `count` normal numbers lies, but for a probability of `false_alarm`."""
    return (
        2 * float(gammaincinv(count / 2, false_alarm / 2)),
        2 * float(gammainccinv(count / 2, false_alarm / 2)),
    )


def he_fault(weights: Mapping[str, Tensor], *, false_alarm: float = FALSE_ALARM) -> str | None:
    """Why these weights do not come from He initialisation; None if they may.

    Args:
        weights: name → weight (O, C, K, K) or (O, C), each with its own independent draws.
        false_alarm: probability to refuse normal weights of variance 2/fan_in, or 2/fan_out.

    Returns:
        one sentence about the first layer that is refused.
    """
    share = false_alarm / (2 * len(weights))  # two tests per layer
    for name, weight in weights.items():
        if fault := _layer_fault(weight.double(), share):
            return f"{name} {tuple(weight.shape)}: {fault}"
    return None


def _layer_fault(weight: Tensor, share: float) -> str | None:
    count = weight.numel()
    if not torch.isfinite(weight).all():
        return "holds values that are not finite"
    low, high = square_sum_interval(count, share)
    squares = (weight**2).sum().item()
    variances = [2 / fan for fan in fans(tuple(weight.shape))]
    fitting = [variance for variance in variances if low <= squares / variance <= high]
    if not fitting:
        fan_in, fan_out = variances
        gain = math.sqrt(squares / count / (fan_in / 2))
        return (
            f"the variance is {squares / count:.4g}; He initialisation has 2/fan_in = "
            f"{fan_in:.4g} (or 2/fan_out = {fan_out:.4g}), which is a gain of √2 ≈ 1.414, and "
            f"this is one of {gain:.3f}"
        )
    mean = weight.mean().item()
    if abs(mean) * math.sqrt(count) > -ndtri(share / 2) * math.sqrt(max(fitting)):
        return f"the mean is {mean:.3g}; He initialisation has 0"
    return None
