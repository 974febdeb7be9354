"""Jobs on this machine, each in a process of its own, some of them at once.

Not a `ProcessPoolExecutor`: when one of its processes is killed, it gives up all the others' work.
"""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from grader.classroom.events import ATTEMPTS, Ended, Event, Said, Started
from grader.classroom.jobs import Job, Task

LARGEST_REPORT = 256 << 20  # bytes
PATIENCE = 5.0  # seconds that a job gets to clean up when it is stopped
PASSABLE = 0o711
SAID, DONE, FAILED = b"s", b"d", b"f"  # first byte of what a job's process sends


@dataclass
class _Running:
    job: Job
    attempt: int
    process: multiprocessing.process.BaseProcess
    connection: Connection
    scratch: Path
    until: float  # time.monotonic() after which it is stopped


def run_all(jobs: Iterator[Job], task: Task, *, at_once: int, seconds: float) -> Iterator[Event]:
    """Run jobs, and tell what happens to them.

    A job whose process is lost is run once more. Closing the iterator stops what is running.

    Args:
        jobs: asked for the next one when there is room for it.
        task: what is done with each; a function that another process can import.
        at_once: processes.
        seconds: that a job may take; far more than its checks' limits together.
    """
    # Not below the class's folder: sessions may run as another user, who must be able to pass.
    scratch = Path(tempfile.mkdtemp(prefix="chalkbench-class-"))
    scratch.chmod(PASSABLE)
    context = _context()
    running: dict[Connection, _Running] = {}
    again: list[tuple[Job, int]] = []
    jobs = iter(jobs)
    try:
        while True:
            while len(running) < at_once:
                job, attempt = again.pop(0) if again else (next(jobs, None), 1)
                if job is None:
                    break
                started = _start(context, task, job, attempt, seconds, scratch)
                running[started.connection] = started
                yield Started(job, attempt)
            if not running:
                return
            for connection in wait(list(running), timeout=1.0):
                one = running[connection]
                message = _receive(connection)
                if message[:1] == SAID:
                    yield Said(one.job, message[1:].decode("utf-8", "replace"))
                    continue
                del running[connection]
                printed = _printed(one.scratch)
                _stop([one])
                if message[:1] == DONE:
                    yield Ended(one.job, message[1:], attempts=one.attempt)
                else:
                    yield from _lost(one, message[1:].decode("utf-8", "replace"), again, printed)
            for one in [one for one in running.values() if time.monotonic() > one.until]:
                del running[one.connection]
                _stop([one])
                yield from _lost(one, f"no result within {seconds:.0f} s", again)
    finally:
        _stop(list(running.values()))
        shutil.rmtree(scratch, ignore_errors=True)


def _lost(one: _Running, reason: str, again: list, printed: str = "") -> Iterator[Event]:
    if not reason:
        status = one.process.exitcode
        how = "its process ended" if status is None else f"its process ended with status {status}"
        if status is not None and status < 0:
            how = f"its process was killed ({signal.Signals(-status).name})"
        reason = f"{how}; the machine may be short of memory" + (f"; it printed: {printed}" if printed else "")
    if one.attempt < ATTEMPTS:
        again.append((one.job, one.attempt + 1))
        yield Said(one.job, f"{reason.splitlines()[0]}: it is run once more")
    else:
        yield Ended(one.job, None, reason, one.attempt)


def _printed(scratch: Path) -> str:
    """The last line that a job's process printed to stderr, where it left one."""
    try:
        lines = (scratch / "stderr").read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")[:300]


def _context():
    """Processes forked from one that has everything imported, where the system has such.

    Every one of them starts from the same state; a job begins in no time, and not with two seconds
    of importing torch.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grader.classroom.local"])
    return context


def _start(context, task: Task, job: Job, attempt: int, seconds: float, scratch: Path) -> _Running:
    own = Path(tempfile.mkdtemp(prefix=f"{job.slug}-", dir=scratch))
    own.chmod(PASSABLE)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_grade, args=(task, job, theirs, own), name=job.slug)
    process.start()
    theirs.close()
    return _Running(job, attempt, process, ours, own, time.monotonic() + seconds)


def _receive(connection: Connection) -> bytes:
    """The next message, or nothing where the process is gone."""
    try:
        return connection.recv_bytes(LARGEST_REPORT)
    except (EOFError, OSError):
        return b""


def _stop(all_of_them: list[_Running]) -> None:
    """End processes, also ones that have nothing left to say, and remove their files."""
    for one in all_of_them:
        one.connection.close()
        if one.process.exitcode is None:
            one.process.join(0.2)  # most often it is just about to end
        if one.process.exitcode is None:
            one.process.terminate()
    until = time.monotonic() + PATIENCE
    for one in all_of_them:
        one.process.join(max(0.0, until - time.monotonic()))
        if one.process.exitcode is None:
            one.process.kill()
            one.process.join()
        shutil.rmtree(one.scratch, ignore_errors=True)


# ------------------------------------------------------------------------- in the job's process
def _grade(task: Task, job: Job, connection: Connection, scratch: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What the grader prints to stderr about its own faults would tear the table apart.
    log = os.open(scratch / "stderr", os.O_CREAT | os.O_WRONLY)
    os.dup2(log, 2)
    tempfile.tempdir = str(scratch)
    os.environ["TMPDIR"] = str(scratch)
    try:
        report = task(job, lambda text: connection.send_bytes(SAID + text.encode("utf-8", "replace")))
    except Exception as error:
        told = "".join(traceback.format_exception(error)[-3:])[-2000:]
        with contextlib.suppress(OSError):
            connection.send_bytes(FAILED + f"the grader itself failed:\n{told}".encode("utf-8", "replace"))
    else:
        connection.send_bytes(DONE + report)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not multiprocessing.parent_process().is_alive():
            with contextlib.suppress(OSError):
                scratch.parent.rmdir()  # nobody else will; the last job finds it empty


def _end_with_parent() -> None:
    """When the class's process is gone, even by SIGKILL, nobody is left to take the result."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)
