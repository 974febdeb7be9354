"""One submission graded, as a job: plain values in, bytes out, the same in a process and on a cluster."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import psutil
import torch

from grader.assignments import ASSIGNMENTS
from grader.classroom.intake import unpack
from grader.classroom.members import Unreadable
from grader.classroom.workers import Workers
from grader.digest import grader_digest
from grader.result import CheckResult
from grader.runner import Options, grade, limits_for
from grader.submission import SubmissionError
from grader.worker.scratch import Scratch


@dataclass(frozen=True)
class Job:
    """What is needed to grade a submission.

    Args:
        student: the hand-in's key.
        slug: the same as a file name.
        assignment: its name.
        archive: the packed material; a path where the job runs on this machine.
        options: how to grade; the seed is set.
        threads: that the grader and the submission's process each compute with.
    """

    student: str
    slug: str
    assignment: str
    archive: Path | bytes
    options: Options
    threads: int


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a job ends in."""

    state: Literal["graded", "refused"]
    reason: str  # of a refusal
    notes: list[str]
    result: msgspec.Raw  # a `grader.result.Result` as JSON; null if refused
    seconds: float  # start to verdict
    waited: float  # of these, for the submission's processes
    processor: float  # CPU seconds of the grader and all processes below it


Task = Callable[[Job, Callable[[str], None], Workers], bytes]  # what `run` is


class Progress:
    """What `grader.progress.Progress` does, into a function instead of onto a terminal."""

    def __init__(self, say: Callable[[str], None]):
        self.line = say

    def deliverable(self, title: str, checks: int) -> None:
        self.line(title)

    def check(self, title: str) -> None:
        self.line(title)

    def checked(self, result: CheckResult | None = None) -> None:
        pass


def run(job: Job, say: Callable[[str], None], workers: Workers) -> bytes:
    """Grade one submission.

    Args:
        job: which, and how.
        say: takes a line about what is going on.
        workers: where its code runs.

    Returns:
        A `Report` as JSON.

    Raises:
        Exception: the grader or the machine failed; the submission is not to blame.
    """
    began, used = time.monotonic(), _processor()
    torch.set_num_threads(job.threads)
    waited, notes, reason, result = 0.0, [], "", None
    with Scratch("job") as folder:
        archive = job.archive
        if isinstance(archive, bytes):
            archive = Path(folder, "archive.tar")
            archive.write_bytes(job.archive)
        place = Path(folder, "submission", job.slug)
        place.mkdir(parents=True)
        try:
            notes = unpack(archive, place)
            limits = limits_for(job.options, job.threads)
            with workers.lend(threads=job.threads, limits=limits, isolation=job.options.isolation) as worker:
                before = worker.waited
                result = grade(ASSIGNMENTS[job.assignment], str(place), job.options, worker, Progress(say))
                waited = worker.waited - before
        except (Unreadable, SubmissionError) as error:
            # The folder is one of this machine; the student knows the submission by its name.
            reason = str(error).replace(str(place.resolve()), job.slug).replace(str(place), job.slug)
    if result is not None:
        result = msgspec.structs.replace(result, submission=job.student)
    return msgspec.json.encode(
        Report(
            state="refused" if result is None else "graded",
            reason=reason,
            notes=notes,
            result=msgspec.Raw(msgspec.json.encode(result)),
            seconds=time.monotonic() - began,
            waited=waited,
            processor=max(0.0, _processor() - used),
        )
    )


def _processor() -> float:
    """CPU seconds of this process and of all below it, those that have ended included."""
    seconds = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            seconds += used.user + used.system + getattr(used, "children_user", 0) + getattr(used, "children_system", 0)
    return seconds
