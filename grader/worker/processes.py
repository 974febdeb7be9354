"""Ending and measuring the tree of processes below a worker."""

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

MARK = "CHALKBENCH_WORKER"  # environment variable that every process of a worker is born with


@dataclass(frozen=True)
class Usage:
    """What the processes of a session hold at one moment."""

    processes: int
    resident: int  # bytes; files' pages that several of them map are counted once
    computed: float = 0.0  # seconds of CPU time, of those that are alive
    files: int = 0  # in the scratch folder
    file_bytes: int = 0


class Tree:
    """All that a zygote's sessions have started, wherever it went.

    Args:
        zygote: process id. It adopts the orphans below it while it lives.
        mark: value of `MARK` in its environment; by it the orphans of a dead zygote are
            told from other processes that the grader adopted.
    """

    def __init__(self, zygote: int, mark: str) -> None:
        self._zygote, self._mark = zygote, mark
        self._killed: set[psutil.Process] = set()

    def end_sessions(self, patience: float = 5.0) -> bool:
        """Kill everything below the zygote; whether it was over within `patience` seconds."""
        self._killed.clear()
        return self._end(lambda: descendants(self._zygote), patience)

    def end_strays(self, patience: float = 5.0) -> bool:
        """Kill what a dead zygote has left to this process, and collect the dead."""
        gone = self._end(lambda: [p for p in descendants(os.getpid()) if self._is_marked(p)], patience)
        for process in self._killed:
            with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
                if process.ppid() == os.getpid():
                    os.waitpid(process.pid, os.WNOHANG)
        self._killed.clear()
        return gone

    def usage(self) -> Usage:
        """Count, memory and CPU time of the processes below the zygote."""
        own = mapped = count = 0
        computed = 0.0
        for process in descendants(self._zygote):
            with contextlib.suppress(psutil.Error, OSError):
                held, files = _memory(process)
                times = process.cpu_times()
                computed += times.user + times.system
                count += 1
                own += held
                mapped = max(mapped, files)
        return Usage(count, own + mapped, computed)

    def is_stopped(self) -> bool:
        """Whether the zygote is there and does not run."""
        try:
            return psutil.Process(self._zygote).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def _end(self, find: Callable[[], list[psutil.Process]], patience: float) -> bool:
        until, pause = time.monotonic() + patience, 0.001
        # A process that is dying can no longer be found by its mark, so those killed
        # before are looked at again.
        while left := {*find(), *filter(_lives, self._killed)}:
            if time.monotonic() > until:
                return False
            for process in left:  # none of them forks while the others are being killed
                _signal(process.suspend)
            for process in left:
                _signal(process.kill)
            self._killed |= left
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return True

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self._mark
        except (psutil.Error, OSError):
            return False


def descendants(root: int) -> list[psutil.Process]:
    """All living processes below `root`; zombies are not living."""
    try:
        return [process for process in psutil.Process(root).children(recursive=True) if _lives(process)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> tuple[int, int]:
    """Bytes that a process holds: its own with shared memory, and those of files that it maps.

    Memory that processes share without a file counts for each, or many could hide it from a sum.
    """
    if sys.platform != "linux":
        return process.memory_info().rss, 0
    sizes = {}
    with open(f"/proc/{process.pid}/status") as lines:
        for line in lines:
            if line.startswith("Rss"):
                name, kilobytes, _ = line.split()
                sizes[name] = int(kilobytes) << 10
    return sizes.get("RssAnon:", 0) + sizes.get("RssShmem:", 0), sizes.get("RssFile:", 0)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(action: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.Error):
        action()
