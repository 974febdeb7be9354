"""Split a kernel's images among threads.

The compiled kernels release the interpreter lock, so plain Python threads run them side by side. That
keeps to one pool of our own: numba's `prange` would bring a second OpenMP beside torch's, whose idle
threads spin on the cores that the other one needs, and which does not survive a fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

# Handing half of the work to another thread takes about 40 us; below this much work per part it does not pay.
OPERATIONS_PER_THREAD = 8_000_000


def ranges(count: int, operations: int) -> list[tuple[int, int]]:
    """Equal ranges of `range(count)`, as many as are worth a thread each.

    Args:
        count: number of independent items, images mostly.
        operations: multiply-adds in all of them together.

    Returns:
        [(first, last + 1), ...], at least one range, at most `torch.get_num_threads()`.
    """
    parts = max(1, min(torch.get_num_threads(), count, operations // OPERATIONS_PER_THREAD))
    cuts = [count * part // parts for part in range(parts + 1)]
    return list(zip(cuts, cuts[1:]))


def run(work: Callable[[int, int, int], None], parts: list[tuple[int, int]]) -> None:
    """Call `work(part, first, end)` for every range, side by side; the calling thread takes the first."""
    waiting = [_pool(os.getpid()).submit(work, part, *parts[part]) for part in range(1, len(parts))]
    work(0, *parts[0])
    for future in waiting:
        future.result()


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    # Asked for by process: a forked child inherits the pool's bookkeeping but none of its threads.
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="convolution")
