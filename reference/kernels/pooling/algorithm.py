"""What a pooling algorithm is: two forward kernels and the adjoint of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from reference.kernels.pooling.geometry import PoolGeometry


@dataclass(frozen=True)
class PoolAlgorithm:
    """One way to compute max- and average-pooling and their gradients.

    Once the winners are known max-pooling only copies numbers, and average-pooling is linear to begin
    with, so an adjoint beside each is all that any derivative needs (see `autograd`). Each takes and
    returns plain tensors of one dtype on one device and records nothing for differentiation.

    Args:
        name: what a caller writes as `algorithm=`.
        maxima: (input (N, C, H, W), geometry, winners wanted?) -> output (N, C, OH, OW) and the winners, of
            the same shape: for each window the winning pixel's place in its plane, y*W + x, as int64, or
            its tap i*KW + j as uint8 or int16. Where no winners are wanted they may be None.
        scatter: (grad (N, C, OH, OW), winners, geometry, (H, W)) -> (N, C, H, W), each number added to the
            pixel that won.
        averages: (input, geometry, row divisors (OH,), column divisors (OW,)) -> (N, C, OH, OW), each
            window's sum over the product of its two divisors.
        spread: (grad, geometry, row divisors, column divisors, (H, W)) -> (N, C, H, W), the adjoint of that.
        supports: (tensor) -> whether tensors of this dtype on this device can be taken.
    """

    name: str
    maxima: Callable[[torch.Tensor, PoolGeometry, bool], tuple[torch.Tensor, torch.Tensor | None]]
    scatter: Callable[[torch.Tensor, torch.Tensor, PoolGeometry, tuple[int, int]], torch.Tensor]
    averages: Callable[[torch.Tensor, PoolGeometry, torch.Tensor, torch.Tensor], torch.Tensor]
    spread: Callable[[torch.Tensor, PoolGeometry, torch.Tensor, torch.Tensor, tuple[int, int]], torch.Tensor]
    supports: Callable[[torch.Tensor], bool]
