"""Memory whose neighbours must not be touched: a kernel that reads or writes a number too many is stopped by the system.

Kernels read and write whole vectors, and are right to where the numbers that are too many are known to be there. Where
they are not, most calls are none the worse for it: a heap goes on behind a tensor. So here the page behind a block, or
the one before it, is protected. Run what uses this in a process of its own, which a wrong kernel ends.
"""

import ctypes
import math
import mmap

import numpy as np
import torch

from reference.kernels import memory, scratch

_LIBC = ctypes.CDLL(None, use_errno=True)
_NO_ACCESS = 0  # PROT_NONE


def block(size: int, side: str) -> np.ndarray:
    """`size` bytes that end where a protected page starts (`side` "after"), or start where one ends ("before")."""
    page, pages = mmap.PAGESIZE, max(1, -(-size // mmap.PAGESIZE))
    memory_map = mmap.mmap(-1, (pages + 2) * page)
    whole = np.frombuffer(memory_map, np.uint8)
    for place in (0, (pages + 1) * page):
        if _LIBC.mprotect(ctypes.c_void_p(whole.ctypes.data + place), ctypes.c_size_t(page), _NO_ACCESS):
            raise OSError(ctypes.get_errno(), "mprotect")
    first = page if side == "before" else (pages + 1) * page - size
    return whole[first : first + size]


def array(shape: tuple[int, ...], dtype: np.dtype, side: str) -> np.ndarray:
    """An array of a `block`, filled with NaN: a number that is read before it is written shows."""
    numbers = np.ndarray(shape, dtype, block(math.prod(shape) * np.dtype(dtype).itemsize, side))
    numbers.fill(np.nan if numbers.dtype.kind == "f" else 77)
    return numbers


def tensor(values: torch.Tensor, side: str) -> torch.Tensor:
    """A tensor's numbers in a `block`, in row-major order."""
    numbers = array(tuple(values.shape), memory.NUMPY[values.dtype], side)
    numbers[...] = values.detach().numpy()
    return torch.from_numpy(numbers)


def guard_all(side: str) -> None:
    """From here on, every result and all working memory of the kernels lies in blocks of its own."""

    def result(shape, dtype):
        numbers = array(tuple(shape), memory.NUMPY[dtype], side)
        return torch.from_numpy(numbers), numbers

    def enter(loan):
        loan.buffer = block(loan.size, side)
        numbers = np.ndarray(loan.shape, loan.dtype, loan.buffer)
        if numbers.dtype.kind == "f":
            numbers.fill(np.nan)
        return numbers

    memory.result = result
    scratch._Loan.__enter__, scratch._Loan.__exit__ = enter, lambda loan, *failure: None
