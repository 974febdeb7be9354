"""Ending and measuring whole process trees."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

MARK = "CHALKBENCH_WORKER"  # environment variable that every process of a worker is born with


@dataclass(frozen=True)
class Usage:
    """What the processes of a session hold at one moment."""

    processes: int
    resident: int  # bytes; pages that several of them share are counted once


def descendants(root: int) -> list[psutil.Process]:
    """All living processes below `root`; zombies are not living."""
    try:
        below = psutil.Process(root).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in below if _lives(process)]


def strays(mark: str) -> list[psutil.Process]:
    """Processes marked with `mark` that this process had to adopt: their parents are gone."""
    return [process for process in descendants(os.getpid()) if _marked(process, mark)]


def end(find: Callable[[], list[psutil.Process]], patience: float = 5.0) -> bool:
    """Kill what `find` finds until it finds nothing more.

    Returns:
        Whether nothing is left; False if something outlived `patience` seconds.
    """
    until, pause = time.monotonic() + patience, 0.001
    while left := find():
        if time.monotonic() > until:
            return False
        for process in left:  # none of them forks while the others are being killed
            _signal(process.suspend)
        for process in left:
            _signal(process.kill)
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return True


def reap(mark: str) -> None:
    """Collect the exit status of killed strays, so that they do not stay as zombies."""
    for process in psutil.Process().children():
        try:
            if process.status() == psutil.STATUS_ZOMBIE and process.pid in _adopted.get(mark, ()):
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            continue


def usage(root: int) -> Usage:
    """Count and memory of the processes below `root`."""
    private = shared = count = 0
    for process in descendants(root):
        try:
            memory = process.memory_info()
        except psutil.Error:
            continue
        count += 1
        private += memory.rss - getattr(memory, "shared", 0)
        shared = max(shared, getattr(memory, "shared", 0))
    return Usage(count, private + shared)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False


def _signal(action: Callable[[], None]) -> None:
    try:
        action()
    except psutil.Error:
        pass
