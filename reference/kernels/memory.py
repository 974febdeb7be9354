"""Large results in memory that is already there.

The C library hands large blocks back to the system when they are freed, and the system gives new ones page by
page, each at its first touch: about a microsecond per 4 KB, several times what it takes a good kernel to fill
them. A training step asks for the same sizes again and again, so blocks whose tensors are gone wait here for the
next result of their size.
"""

from __future__ import annotations

import math
import weakref

import numpy as np
import torch

# Smaller blocks come from the C library's own lists, without a page fault.
SMALLEST_BYTES = 1 << 18
# What may wait in all: several results of the largest layers, and little beside what a training run holds anyway.
WAITING_BYTES = 1 << 28
ALIGNMENT = 64  # bytes; a cache line and the widest vector register

_waiting: dict[int, list[np.ndarray]] = {}  # blocks by their size, the size that was longest not used first


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An uninitialised tensor on the CPU, contiguous, in recycled memory where that pays.

    Args:
        shape: its sizes.
        dtype: its type.

    Returns:
        A tensor like `torch.empty`'s, but for one thing: its storage cannot be resized.
    """
    count = math.prod(shape) * dtype.itemsize
    if count < SMALLEST_BYTES:
        return torch.empty(shape, dtype=dtype)
    block = _take(count)
    start = -block.ctypes.data % ALIGNMENT
    lent = block[start : start + count]
    # The tensor's storage keeps `lent` alive, nothing else does: when it goes, the block is free.
    weakref.finalize(lent, _give_back, block).atexit = False
    return torch.from_numpy(lent).view(dtype).view(shape)


def _take(count: int) -> np.ndarray:
    # Eight sizes between a power of two and the next: a last, smaller batch can use what a whole one left.
    step = 1 << count.bit_length() - 4
    size = -(-count // step) * step + ALIGNMENT
    try:
        return _waiting[size].pop()
    except (KeyError, IndexError):
        return np.empty(size, np.uint8)


def _give_back(block: np.ndarray) -> None:
    blocks = _waiting.pop(block.size, [])
    blocks.append(block)
    _waiting[block.size] = blocks
    while sum(size * len(same) for size, same in _waiting.items()) > WAITING_BYTES:
        del _waiting[next(iter(_waiting))]
