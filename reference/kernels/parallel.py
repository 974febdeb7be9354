"""Split a kernel's work among threads: those that torch has already.

The compiled kernels release the interpreter lock, so any threads run them side by side. After each of its own
operators torch's OpenMP threads spin for milliseconds, waiting for the next one, on the very cores that threads of
ours would need: beside torch's ReLU and Adam a second pool gets half of the machine. So the parts are given to torch's
own team, through the entry point that compilers emit for `#pragma omp parallel`, and by machine code (`team`). Where
torch brings no such library (macOS, Windows), and in a child that was forked while the team was running (OpenMP does
not survive that), plain Python threads take the parts.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path

import numba
import numpy as np
import torch

from reference.kernels.compiled import on_team, on_team_at
from reference.kernels.placed import Place, arrays_at
from reference.kernels.team import takes_part

# Handing a part to a thread that is waiting for it takes a microsecond or two; so much work takes 4 us alone.
OPERATIONS_PER_THREAD = 200_000


def parts(count: int, operations: int) -> int:
    """How many equal ranges of `range(count)` are worth a thread each.

    Args:
        count: number of independent items, images mostly.
        operations: multiply-adds in all of them together.

    Returns:
        At least 1, at most `torch.get_num_threads()`.
    """
    return max(1, min(torch.get_num_threads(), count, operations // OPERATIONS_PER_THREAD))


def run(kernel: Callable, parts: int, count: int, *arguments) -> None:
    """Call `kernel(*arguments, first, end)` for `parts` equal ranges of `range(count)`, side by side.

    Args:
        kernel: what `compiled` returned, for a function without a result. If its last arguments are
            (part, first, end), it is told which part it does as well.
        parts: how many; the calling thread takes some of them.
        count: the items in all of them together.
        *arguments: arrays, numbers, None, and tuples of these.

    Raises:
        What a part raised; the other parts are done all the same.
    """
    if numba.config.DISABLE_JIT:
        _run_in_pool(kernel, parts, count, arguments)
    elif parts == 1:
        _launcher(kernel)(0, 1, 1, count, *arguments)
    elif team := 0 if _forked else _team():
        # Always the whole team: OpenMP ends threads that a smaller one has no use for, and starts them anew.
        _launcher(kernel)(team, torch.get_num_threads(), parts, count, *arguments)
    else:
        _run_in_pool(kernel, parts, count, arguments)


def run_at(kernel: Callable, parts: int, count: int, like, places: tuple[Place, ...], *arguments) -> None:
    """As `run`, and the kernel's first arguments are arrays at some places, of the type of `like`, which may be a tuple
    of arrays, one for each place: see `placed`."""
    if numba.config.DISABLE_JIT:
        _run_in_pool(kernel, parts, count, (*arrays_at(like, places), *arguments))
    elif parts == 1:
        _launcher_at(kernel)(0, 1, 1, count, like, places, *arguments)
    elif team := 0 if _forked else _team():
        _launcher_at(kernel)(team, torch.get_num_threads(), parts, count, like, places, *arguments)
    else:
        _run_in_pool(kernel, parts, count, (*arrays_at(like, places), *arguments))


_launcher, _launcher_at = lru_cache(maxsize=None)(on_team), lru_cache(maxsize=None)(on_team_at)


@lru_cache(maxsize=1)
def _team() -> int:
    """The address of `GOMP_parallel` in the OpenMP library that torch came with, 0 if it has none."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        start = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
        if start is not None:
            return ctypes.cast(start, ctypes.c_void_p).value
    return 0


_threads_at_fork, _forked = 1, False  # whether this process was forked from one whose team was running


def _before_fork() -> None:
    global _threads_at_fork
    _threads_at_fork = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 2


def _after_fork() -> None:
    global _forked
    _forked = _forked or _threads_at_fork > 1


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def _run_in_pool(kernel, parts: int, count: int, arguments: tuple) -> None:
    numbered = takes_part(getattr(kernel, "py_func", kernel))

    def work(part: int) -> None:
        first, end = count * part // parts, count * (part + 1) // parts
        kernel(*arguments, *([part] if numbered else []), first, end)

    waiting = [_pool(os.getpid()).submit(work, part) for part in range(1, parts)]
    try:
        work(0)
    finally:
        wait(waiting)
    for future in waiting:
        future.result()


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    # Asked for by process: a forked child inherits the pool's bookkeeping but none of its threads.
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="convolution")
