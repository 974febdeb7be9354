"""Start a worker, and open sessions in it."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import site
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from . import linux
from .envelopes import Opening, encode
from .forbid import Rules
from .limits import Limits
from .processes import MARK, Tree
from .protocol import frame
from .session import Session
from .code import Code

CHILD = Path(__file__).with_name("child.py")
NEEDED = ("torch", "numpy", "msgspec", "psutil")
START = 120.0  # seconds for `import torch`: 2 from memory, a minute from a cold network disk


class WorkerStartError(RuntimeError):
    """The worker's own process did not come up; no submission is to blame."""


class Worker:
    """A process that has torch imported and forks fresh sessions; one session at a time.

    Starting takes about two seconds, which pass in the background: the first call of
    `session` waits for what is left of them. A worker that a submission has killed or
    stopped is replaced by the next call of `session`.

    Args:
        limits: ceilings for each session.
        threads: threads that torch and numba use in a session.
        preload: packages that are imported once, for all sessions.
        scratch: folder for the sessions' temporary files; default is the system's.
    """

    isolation = "process"  # own process, no sandbox around it

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        threads: int = 1,
        preload: Sequence[str] = ("torch", "numpy", "numba"),
        scratch: Path | None = None,
    ) -> None:
        linux.adopt_orphans()
        self._limits, self._threads, self._preload = limits or Limits(), threads, preload
        self._folder = tempfile.TemporaryDirectory(prefix="chalkbench-", dir=scratch, ignore_cleanup_errors=True)
        self._count = 0
        self._session: Session | None = None
        self._start()

    def session(
        self, code: Code, *, rules: Rules | None = None, threads: int | None = None, seed: int = 0
    ) -> Session:
        """A fresh process for `code`; an earlier session of this worker is ended.

        Args:
            code: the files that can be imported.
            rules: operators that are forbidden.
            threads: in place of the worker's number.
            seed: state of torch's, numpy's and Python's random generators at the start.
        """
        if self._session is not None:
            self._session.close()
        self._ensure()
        self._count += 1
        scratch = Path(self._folder.name, f"session-{self._count}")
        scratch.mkdir()
        jit_cache = code.jit_cache or scratch
        files, packages = code.resolved()
        opening = Opening(
            files=files,
            packages=packages,
            scratch=str(scratch),
            jit_cache=str(Path(jit_cache).resolve()),
            threads=threads or self._threads,
            seed=seed,
            limits=_resource_limits(self._limits),
            operators=rules.operators if rules else (),
            allowed=rules.allowed if rules else (),
        )
        ours, theirs = socket.socketpair()
        output, printing = os.pipe()
        status, telling = os.pipe()
        try:
            socket.send_fds(self._control, [frame(encode(opening), 0)], [theirs.fileno(), printing, telling])
        finally:
            theirs.close()
            os.close(printing)
            os.close(telling)
        self._session = Session(
            ours, output, status, self._limits, self._tree.usage, lambda lost: self._clear(scratch, lost)
        )
        return self._session

    def close(self) -> None:
        """End everything and remove the scratch folder."""
        if self._session is not None:
            self._session.close()
        self._stop()
        self._folder.cleanup()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------------- inside
    def _start(self) -> None:
        mark = secrets.token_hex(8)
        self._control, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()
        self._ready = False
        scratch = self._folder.name
        command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", str(CHILD), str(theirs.fileno())]
        # One thread for numpy's linear algebra: a process with two cannot be forked safely.
        environment = {"HOME": scratch, "TMPDIR": scratch, "OPENBLAS_NUM_THREADS": "1", MARK: mark}
        self._process = subprocess.Popen(
            [*command, ",".join(self._preload), *_site_packages()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            cwd=scratch,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._tree = Tree(self._process.pid, mark)

    def _ensure(self) -> None:
        """Have a zygote that listens, a new one if need be."""
        if self._process.poll() is not None or psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED:
            self._stop()
            self._start()
        if self._ready:
            return
        self._control.settimeout(START)
        try:
            self._ready = self._control.recv(1) == b"+"
        except TimeoutError:
            self._process.kill()
        if not self._ready:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read()[-2000:].decode("utf-8", "replace")
            raise WorkerStartError(f"the worker process did not start within {START:g} s; it said:\n{said}")
        self._control.settimeout(None)

    def _clear(self, scratch: Path, lost: bool) -> None:
        """After a session: none of its processes is left, nor its files."""
        if not self._tree.end_sessions() or lost:
            self._stop()
        shutil.rmtree(scratch, ignore_errors=True)

    def _stop(self) -> None:
        """End the zygote and what it may have left; more than once does no harm."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        self._process.wait()
        self._tree.end_strays()
        self._errors.close()


def _site_packages() -> list[str]:
    """The folders that packages are imported from here, without what .pth files add."""
    origins = [importlib.util.find_spec(name).origin for name in NEEDED]
    folders = [str(Path(origin).parents[1]) for origin in origins]
    folders += site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def _resource_limits(limits: Limits) -> dict[str, int]:
    return {
        "CPU": limits.cpu_seconds,
        "AS": limits.address_space,
        "FSIZE": limits.file_bytes,
        "NOFILE": limits.open_files,
        "NPROC": limits.user_threads,
        "CORE": 0,
    }
