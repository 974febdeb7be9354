"""A worker whose zygote is forked from the stem, and not started with an import of torch of its own."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time

import psutil

from grader.export.stem import Stem
from grader.worker import Isolation, Limits, Worker
from grader.worker.isolation import site_packages
from grader.worker.processes import MARK, Tree


class LeanWorker(Worker):
    """A `Worker` in a tier without namespaces.

    Args:
        stem: what its zygotes are forked from.
        isolation: of the tier "process", with or without another user.
        limits: ceilings for each session.
        threads: threads that torch and numba use in a session.
    """

    def __init__(self, stem: Stem, *, isolation: Isolation, limits: Limits, threads: int):
        self._stem = stem
        super().__init__(limits=limits, threads=threads, isolation=isolation)

    def _start(self) -> None:
        mark = secrets.token_hex(8)
        self._control, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()
        self._ready = False
        folder, isolation = str(self._folder), self.isolation
        user = "" if isolation.user is None else str(isolation.user)
        walls = [isolation.tier, user, ":".join(isolation.hidden())]
        pid = self._stem.fork(
            isolation.entry("child.py"),
            ["{connection}", ",".join(self._preload), *walls, *site_packages()],
            environment={"HOME": folder, "TMPDIR": folder, "OPENBLAS_NUM_THREADS": "1", MARK: mark},
            folder=folder,
            files=[theirs.fileno(), self._errors.fileno()],
        )
        theirs.close()
        self._process, self._tree, self._mark = _Adopted(pid), _Kin(pid, mark, self._stem.pid), mark


class _Adopted:
    """What `subprocess.Popen` offers, for a child that was not started by it."""

    def __init__(self, pid: int):
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has collected it
                self._status = 0
            else:
                self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        until, pause = None if timeout is None else time.monotonic() + timeout, 0.001
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("zygote", timeout)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        return self._status

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class _Kin(Tree):
    """A forked process is born with the stem's environment, so its mark cannot be read from outside.

    In a container that grades one submission, all that hangs below the grader is the worker's, but the stem.
    """

    def __init__(self, zygote: int, mark: str, stem: int):
        super().__init__(zygote, mark)
        self._stem = stem

    def _is_marked(self, process: psutil.Process) -> bool:
        return process.pid != self._stem
