"""Results in memory that is already there.

The C library hands large blocks back to the system when they are freed, and the system gives new ones page by
page, each at its first touch: about a microsecond per 4 KB, several times what it takes a good kernel to fill
them. A training step asks for the same sizes again and again, so blocks whose tensors are gone wait here for the
next result of their size. Small ones the C library keeps itself: an array of numpy's and a tensor over it take half the
time of `torch.empty` and its array, and a fourth of what the bookkeeping here takes.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque

import numpy as np
import torch

# What may wait in all: several results of the largest layers, and little beside what a training run holds anyway.
WAITING_BYTES = 1 << 28
ALIGNMENT = 64  # bytes; a cache line and the widest vector register
# Up to here a result is a plain array of numpy's, aligned as the C library does, which maps larger blocks anew.
SMALL_BYTES = 120 << 10

NUMPY = {dtype: torch.empty(0, dtype=dtype).numpy().dtype for dtype in (
    torch.float32, torch.float64, torch.uint8, torch.int16)}  # fmt: skip
NONE = {dtype: np.empty(0, numbers) for dtype, numbers in NUMPY.items()}  # an array of each type


class _Waiting:
    """Blocks by their size, the size that was longest not used first.

    A block is bytes, the first that is aligned, and how many can be used from there. One may come back at any moment,
    in the midst of `take` too: when Python collects a circle of objects. So nobody waits for the lock: who does not
    get it takes new memory, or leaves what comes back in a queue for whoever has it next.
    """

    def __init__(self):
        self.blocks: dict[int, list[tuple[np.ndarray, int]]] = {}
        self.bytes = 0
        # Short, so that little is held if nobody has the lock again: in a child that was forked while it was taken.
        self.returned: deque[tuple[np.ndarray, int, int]] = deque(maxlen=16)
        self.lock = threading.Lock()

    def take(self, count: int) -> tuple[np.ndarray, int, int]:
        # Eight sizes between a power of two and the next: a last, smaller batch can use what a whole one left.
        step = 1 << max(count.bit_length() - 4, 6)
        size = -(-count // step) * step
        if self.lock.acquire(blocking=False):
            try:
                if self.returned:
                    self._sort()
                if self.blocks.get(size):
                    self.bytes -= size
                    return *self.blocks[size].pop(), size
            finally:
                self.lock.release()
        block = np.empty(size + ALIGNMENT, np.uint8)
        return block, -block.ctypes.data % ALIGNMENT, size

    def give_back(self, *block) -> None:
        self.returned.append(block)
        if self.lock.acquire(blocking=False):
            try:
                self._sort()
            finally:
                self.lock.release()

    def _sort(self) -> None:
        while self.returned:
            block, start, size = self.returned.popleft()
            same = self.blocks.pop(size, [])
            same.append((block, start))
            self.blocks[size] = same
            self.bytes += size
        while self.bytes > WAITING_BYTES:
            oldest = next(iter(self.blocks))
            self.bytes -= oldest * len(self.blocks.pop(oldest))


class _Loan(weakref.ref):
    """A reference to an array that keeps the block under it, until the array is gone."""

    __slots__ = ("block",)

    def __hash__(self):
        return id(self)


_waiting = _Waiting()
_lent: set[_Loan] = set()


def _returned(loan: _Loan) -> None:
    _lent.discard(loan)
    _waiting.give_back(*loan.block)


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """An uninitialised tensor on the CPU, contiguous, in recycled memory.

    Args:
        shape: its sizes.
        dtype: its type, one of `NUMPY`.

    Returns:
        A tensor like `torch.empty`'s, but for one thing: its storage cannot be resized.
    """
    return result(shape, dtype)[0]


def result(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[torch.Tensor, np.ndarray]:
    """As `empty`, and an array over the same memory, which these two keep; a view of the array alone does not."""
    numbers = NUMPY[dtype]
    count = math.prod(shape) * numbers.itemsize
    if count <= SMALL_BYTES:
        array = np.empty(shape, numbers)
        return torch.from_numpy(array), array
    block, start, size = _waiting.take(count)
    array = np.ndarray(shape, numbers, block, start)
    # The tensor's storage keeps the array alive, and whoever works on it: when both are gone, the block is free.
    loan = _Loan(array, _returned)
    loan.block = block, start, size
    _lent.add(loan)
    return torch.from_numpy(array), array
