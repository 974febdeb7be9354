"""Split a kernel's images among threads: those that torch has already.

The compiled kernels release the interpreter lock, so any threads run them side by side. After each of its own
operators torch's OpenMP threads spin for milliseconds, waiting for the next one, on the very cores that threads of
ours would need: beside torch's ReLU and Adam a second pool gets half of the machine. So the parts are given to torch's
own team, through the entry point that compilers emit for `#pragma omp parallel`. Where torch brings no such library
(macOS, Windows), and in a child that was forked while the team was running (OpenMP does not survive that), plain
Python threads take the parts.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import torch

# Handing a part to another thread takes some 30 us, half of which is Python's lock; so much work takes 30 us alone.
OPERATIONS_PER_THREAD = 1_500_000


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
    """Call `work(part, first, end)` for every range, side by side; the calling thread takes some of them."""
    if len(parts) == 1:
        work(0, *parts[0])
        return
    team = None if _forked else _team()
    if team is None:
        _run_in_pool(work, parts)
        return
    job = _Job(work, parts)
    # Always the whole team: OpenMP ends threads that a smaller one has no use for, and starts them anew.
    team(_MEMBER, job, torch.get_num_threads(), 0)
    for failure in job.failures:
        raise failure


class _Job:
    """Parts to be done; each member of a team takes the next one until there is none."""

    def __init__(self, work, parts):
        self.work, self.parts = work, parts
        self.next = itertools.count()
        self.failures: list[BaseException] = []

    def help(self) -> None:
        try:
            while (part := next(self.next)) < len(self.parts):
                self.work(part, *self.parts[part])
        except BaseException as failure:  # an exception must not travel through the frames of OpenMP
            self.failures.append(failure)


_Member = ctypes.CFUNCTYPE(None, ctypes.py_object)
_MEMBER = _Member(lambda job: job.help())


@lru_cache(maxsize=1)
def _team() -> Callable | None:
    """`GOMP_parallel(function, argument, threads, flags)` of the OpenMP library that torch came with, if it has one."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*")):
        start = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
        if start is not None:
            start.argtypes, start.restype = (_Member, ctypes.py_object, ctypes.c_uint, ctypes.c_uint), None
            return start
    return None


_threads_at_fork, _forked = 1, False  # whether this process was forked from one whose team was running


def _before_fork() -> None:
    global _threads_at_fork
    _threads_at_fork = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 2


def _after_fork() -> None:
    global _forked
    _forked = _forked or _threads_at_fork > 1


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def _run_in_pool(work, parts) -> None:
    waiting = [_pool(os.getpid()).submit(work, part, *parts[part]) for part in range(1, len(parts))]
    work(0, *parts[0])
    for future in waiting:
        future.result()


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    # Asked for by process: a forked child inherits the pool's bookkeeping but none of its threads.
    return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="convolution")
