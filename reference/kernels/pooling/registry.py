"""Which pooling algorithms there are, and which one a call gets."""

from __future__ import annotations

import torch

from reference.kernels.pooling.algorithm import PoolAlgorithm
from reference.kernels.pooling.direct import DIRECT
from reference.kernels.pooling.naive import NAIVE
from reference.kernels.pooling.unfold import UNFOLD
from reference.kernels.triton.pool import TRITON

# From the one to read first to the one to use.
ALGORITHMS = {algorithm.name: algorithm for algorithm in (NAIVE, UNFOLD, DIRECT, TRITON)}


def choose(name: str, input: torch.Tensor) -> PoolAlgorithm:
    """The algorithm called `name`, or for "auto" the fastest that takes `input`.

    Raises:
        ValueError: there is no such algorithm, or it cannot take this dtype on this device.
    """
    if name == "auto":
        return DIRECT if DIRECT.supports(input) else UNFOLD
    if name not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {['auto', *ALGORITHMS]}, found {name!r}")
    algorithm = ALGORITHMS[name]
    if not algorithm.supports(input):
        able = [other.name for other in ALGORITHMS.values() if other.supports(input)]
        raise ValueError(
            f"algorithm {name!r} does not take {input.dtype} on {input.device}; these do: {['auto', *able]}"
        )
    return algorithm
