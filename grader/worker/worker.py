"""Start a worker, and open sessions in it."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from . import linux, residue
from .code import Code
from .envelopes import Opening, encode
from .forbid import Rules
from .isolation import Isolation, choose, interpreter, site_packages
from .limits import Limits
from .processes import MARK, Tree, Usage
from .protocol import frame
from .scratch import Scratch
from .session import Session
from .view import lay_out

START = 120.0  # seconds for `import torch`: 2 from memory, a minute from a cold network disk


class WorkerStartError(RuntimeError):
    """The worker's own process did not come up; no submission is to blame."""


class Worker:
    """A process that has torch imported and forks fresh sessions; one session at a time.

    Starting takes about two seconds, which pass in the background: the first call of
    `session` waits for what is left of them. A worker that a submission has killed or
    stopped is replaced by the next call of `session`. On Linux it ends with the thread that
    started it, should that be killed.

    Args:
        limits: ceilings for each session.
        threads: threads that torch and numba use in a session.
        preload: packages that are imported once, for all sessions.
        scratch: folder for the sessions' temporary files; default is the system's.
        isolation: tier, or a name for `isolation.choose`; "auto" is the strongest that holds here.
        pulse: called some times a second while a reply is awaited; what it raises ends the session.

    Attributes:
        isolation: the tier that sessions run in.

    Raises:
        IsolationError: the tier that is asked for does not hold here.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        threads: int = 1,
        preload: Sequence[str] = ("torch", "numpy", "numba"),
        scratch: Path | None = None,
        isolation: Isolation | str = "auto",
        pulse: Callable[[], None] = lambda: None,
    ) -> None:
        self.isolation = isolation if isinstance(isolation, Isolation) else choose(isolation)
        linux.adopt_orphans()
        self._limits, self._threads, self._preload = limits or Limits(), threads, preload
        self._pulse = pulse
        self._temporary = Scratch("worker", scratch)
        self._folder = Path(self._temporary.name).resolve()
        self._folder.chmod(0o711)  # another user has to pass through it
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
        folder = self._folder / f"session-{self._count}"
        scratch, jit_cache = self._furnish(folder, code)
        files, packages = lay_out(code, folder / "code")
        opening = Opening(
            files=files,
            packages=packages,
            scratch=str(scratch),
            scratch_bytes=self._limits.scratch_bytes,
            scratch_files=self._limits.scratch_files,
            jit_cache=str(jit_cache or ""),
            keeps_jit_cache=code.keeps_jit_cache and jit_cache is not None,
            threads=threads or self._threads,
            seed=seed,
            limits=_resource_limits(self._limits, self.isolation),
            operators=rules.operators if rules else (),
            allowed=rules.allowed if rules else (),
            modules=rules.modules if rules else (),
            functions=rules.functions if rules else (),
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
            ours, output, status, self._limits,
            usage=lambda: self._usage(scratch), ended=lambda lost: self._clear(folder, code, lost),
            pulse=self._pulse,
        )  # fmt: skip
        return self._session

    def close(self) -> None:
        """End everything and remove the scratch folder."""
        if self._session is not None:
            self._session.close()
        self._stop()
        self._temporary.cleanup()

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
        folder, packages, isolation = str(self._folder), site_packages(), self.isolation
        command = [*isolation.command(folder, packages), interpreter(), "-I", "-S", "-B", "-X", "utf8"]
        command += [isolation.entry("child.py"), str(theirs.fileno()), ",".join(self._preload), isolation.tier]
        command += ["" if isolation.user is None else str(isolation.user), ":".join(isolation.hidden())]
        # One thread for numpy's linear algebra: a process with two cannot be forked safely.
        environment = {"HOME": folder, "TMPDIR": folder, "OPENBLAS_NUM_THREADS": "1", MARK: mark}
        self._process = subprocess.Popen(
            [*command, *packages],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            cwd=folder,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._tree, self._mark = Tree(self._process.pid, mark), mark

    def _ensure(self) -> None:
        """Have a zygote that listens, a new one if need be."""
        if self._process.poll() is not None or self._tree.is_stopped():
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
        if self.isolation.starts_below:
            (zygote,) = psutil.Process(self._process.pid).children()
            self._tree = Tree(zygote.pid, self._mark)

    def _furnish(self, folder: Path, code: Code) -> tuple[Path, Path | None]:
        """The folders of one session: where it works, and where kept machine code lies."""
        for place in (folder, folder / "scratch", folder / "code"):
            place.mkdir()
        jit_cache = None
        if code.jit_cache is not None and (code.keeps_jit_cache or any(code.jit_cache.iterdir())):
            jit_cache = folder / "jit"
            shutil.copytree(code.jit_cache, jit_cache)
        if self.isolation.user is not None:
            mine = [folder / "scratch"] + [jit_cache] * (jit_cache is not None and code.keeps_jit_cache)
            for place in mine:
                residue.give(place, self.isolation.user)
        return folder / "scratch", jit_cache

    def _usage(self, scratch: Path) -> Usage:
        """What the session holds; its files only where no wall limits them."""
        usage = self._tree.usage()
        if self.isolation.sandboxed:
            return usage
        files, size = residue.count(scratch, most=self._limits.scratch_files)
        return replace(usage, files=files, file_bytes=size)

    def _clear(self, folder: Path, code: Code, lost: bool) -> None:
        """After a session: none of its processes is left, nor its files."""
        if not self._tree.end_sessions() or lost:
            self._stop()
        if code.keeps_jit_cache and code.jit_cache is not None:
            shutil.copytree(folder / "jit", code.jit_cache, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        if self.isolation.user is not None and not self.isolation.sandboxed:
            residue.remove_all_of(self.isolation.user)

    def _stop(self) -> None:
        """End the zygote and what it may have left; more than once does no harm."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        self._process.wait()
        self._tree.end_strays()
        self._errors.close()


def _resource_limits(limits: Limits, isolation: Isolation) -> dict[str, int]:
    return {
        "CPU": limits.cpu_seconds,
        "DATA": limits.data,
        "FSIZE": limits.file_bytes,
        "NOFILE": limits.open_files,
        "NPROC": limits.shared_user_threads if isolation.user is None else limits.user_threads,
        "CORE": 0,
    }
