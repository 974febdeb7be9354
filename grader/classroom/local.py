"""Jobs on this machine, in processes of which each has one job at a time.

Not a `ProcessPoolExecutor`: when one of its processes is killed, it gives up all the others' work. A
process whose job went well takes the next one, with the worker that it has started.
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
from grader.classroom.workers import Workers
from grader.worker.scratch import Scratch, is_empty

LARGEST_REPORT = 256 << 20  # bytes
PATIENCE = 5.0  # seconds that a job gets to clean up when it is stopped
PASSABLE = 0o711
BEGUN, SAID, DONE, FAILED = b"b", b"s", b"d", b"f"  # first byte of what a job's process sends
JOBS = 25  # that a process takes; what it has gathered by then, in memory above all, goes with it


@dataclass
class _Process:
    process: multiprocessing.process.BaseProcess
    connection: Connection
    scratch: Path
    jobs: int = 0  # so far


@dataclass
class _Running:
    job: Job
    attempt: int
    seat: _Process
    until: float  # time.monotonic() after which it is stopped
    begun: bool = False  # as its process says


def run_all(jobs: Iterator[Job], task: Task, *, at_once: int, seconds: float) -> Iterator[Event]:
    """Run jobs, and tell what happens to them.

    A job whose process is lost is run once more; that of a process which was lost between two jobs had not
    begun, and goes to another one. Closing the iterator stops what is running.

    Args:
        jobs: asked for the next one when there is room for it.
        task: what is done with each; a function that another process can import.
        at_once: processes.
        seconds: that a job may take; far more than its checks' limits together.
    """
    # Not below the class's folder: sessions may run as another user, who must be able to pass.
    temporary = Scratch("class")
    scratch = Path(temporary.name)
    scratch.chmod(PASSABLE)
    context = _context()
    running: dict[Connection, _Running] = {}
    idle: list[_Process] = []
    again: list[tuple[Job, int]] = []
    jobs = iter(jobs)
    try:
        while True:
            while len(running) < at_once:
                job, attempt = again.pop(0) if again else (next(jobs, None), 1)
                if job is None:
                    break
                seat = idle.pop() if idle else _start(context, task, scratch)
                running[seat.connection] = _Running(job, attempt, seat, time.monotonic() + seconds)
                _send(seat, job)
                yield Started(job, attempt)
            if not running:
                return
            for connection in wait(list(running), timeout=1.0):
                one = running[connection]
                message = _receive(connection)
                if message[:1] == BEGUN:
                    one.begun = True
                    continue
                if message[:1] == SAID:
                    yield Said(one.job, message[1:].decode("utf-8", "replace"))
                    continue
                del running[connection]
                if message[:1] == DONE:
                    if one.seat.jobs < JOBS:
                        idle.append(one.seat)
                    else:
                        _stop([one.seat], PATIENCE)
                    yield Ended(one.job, message[1:], attempts=one.attempt)
                else:
                    printed = _printed(one.seat.scratch)
                    _stop([one.seat])
                    yield from _lost(one, message[1:].decode("utf-8", "replace"), again, printed)
            for one in [one for one in running.values() if time.monotonic() > one.until]:
                del running[one.seat.connection]
                _stop([one.seat])
                yield from _lost(one, f"no result within {seconds:.0f} s", again)
    finally:
        _stop([one.seat for one in running.values()])
        _stop(idle, PATIENCE)
        temporary.cleanup()


def _lost(one: _Running, reason: str, again: list, printed: str = "") -> Iterator[Event]:
    # A process that was started for this job counts in any case: where none can begin, this has an end.
    if not one.begun and one.seat.jobs > 1:
        again.append((one.job, one.attempt))
        yield Said(one.job, "the process that should take it had ended: another one takes it")
        return
    if not reason:
        status = one.seat.process.exitcode
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


def _start(context, task: Task, scratch: Path) -> _Process:
    own = Path(tempfile.mkdtemp(prefix="jobs-", dir=scratch))
    own.chmod(PASSABLE)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(task, theirs, own))
    process.start()
    theirs.close()
    return _Process(process, ours, own)


def _send(seat: _Process, job: Job) -> None:
    seat.jobs += 1
    with contextlib.suppress(OSError):  # it is gone; who waits for its answer sees it
        seat.connection.send(job)


def _receive(connection: Connection) -> bytes:
    """The next message, or nothing where the process is gone."""
    try:
        return connection.recv_bytes(LARGEST_REPORT)
    except (EOFError, OSError):
        return b""


def _stop(seats: list[_Process], patience: float = 0.2) -> None:
    """End processes, also ones that have nothing left to say, and remove their files.

    Args:
        seats: which.
        patience: seconds in which they may end by themselves, as those do that have no job.
    """
    for seat in seats:
        seat.connection.close()
    for seat in seats:
        seat.process.join(patience)
        if seat.process.exitcode is None:
            seat.process.terminate()
    until = time.monotonic() + PATIENCE
    for seat in seats:
        seat.process.join(max(0.0, until - time.monotonic()))
        if seat.process.exitcode is None:
            seat.process.kill()
            seat.process.join()
        shutil.rmtree(seat.scratch, ignore_errors=True)


# ------------------------------------------------------------------------- in a job's process
def _serve(task: Task, connection: Connection, scratch: Path) -> None:
    """Do one job after the other until the connection is closed, or one has failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # What the grader prints to stderr about its own faults would tear the table apart.
    log = os.open(scratch / "stderr", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    tempfile.tempdir = str(scratch)
    os.environ["TMPDIR"] = str(scratch)
    try:
        with Workers() as workers, contextlib.suppress(EOFError, OSError):
            while _grade(task, connection.recv(), connection, workers):
                os.ftruncate(log, 0)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not multiprocessing.parent_process().is_alive():
            with contextlib.suppress(OSError):
                if is_empty(scratch.parent):  # nobody else will; the last process finds it so
                    shutil.rmtree(scratch.parent)


def _grade(task: Task, job: Job, connection: Connection, workers: Workers) -> bool:
    """Do a job and send what it ends in; whether it went well."""
    connection.send_bytes(BEGUN)
    try:
        report = task(job, lambda text: connection.send_bytes(SAID + text.encode("utf-8", "replace")), workers)
    except Exception as error:
        told = "".join(traceback.format_exception(error)[-3:])[-2000:]
        connection.send_bytes(FAILED + f"the grader itself failed:\n{told}".encode("utf-8", "replace"))
        return False
    connection.send_bytes(DONE + report)
    return True


def _end_with_parent() -> None:
    """When the class's process is gone, even by SIGKILL, nobody is left to take the result."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os._exit(1)
