"""Jobs that stand in for grading: they end at once, or the way a test wants them to."""

import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import msgspec

from grader import result_cache, runner
from grader.assignments import ASSIGNMENTS
from grader.assignments.hw3.deliverable4 import trained_resnet
from grader.checks.trained import Trial
from grader.classroom import jobs
from grader.classroom.jobs import Job, Report
from grader.declaration import Assignment
from grader.result import CheckResult, DeliverableResult, Result
from tests.grader.submissions import trained


def result(student: str = "alice", earned: float = 3.0, number: int = 1, scores=None, verdict: str = "pass") -> Result:
    """A result of one check of 4 points."""
    check = CheckResult("a.check", "a check", 4.0, earned, verdict, "", 0.1, scores or {})
    return Result(
        assignment="hw3", submission=student, digest="ab" * 32, data="none", data_source="", data_digest="", seed=1,
        isolation="process", started="2026-01-02T03:04:05Z", seconds=1.0, versions={}, hardware="",
        deliverables=[DeliverableResult(number, "a deliverable", [check])],
    )  # fmt: skip


def report(student: str = "alice", **options) -> bytes:
    """What a job that graded `result` returns."""
    graded = msgspec.Raw(msgspec.json.encode(result(student, **options)))
    return msgspec.json.encode(Report("graded", "", [], graded, 1.5, 0.5, 1.0))


def graded(job: Job, say, workers=None) -> bytes:
    """Notes that it ran, beside the class's results, and ends."""
    noted(job)
    say("deliverable 1")
    return report(job.student)


def noted(job: Job) -> int:
    """How often a job of this student has run, this time included."""
    log = Path(job.archive).parent.parent / "ran.log"
    with open(log, "a") as file:
        file.write(f"{job.student} {job.options.seed}\n")
    return [line.split()[0] for line in log.read_text().splitlines()].count(job.student)


def slow(job: Job, say, workers=None) -> bytes:
    """Takes half a second."""
    time.sleep(0.5)
    return graded(job, say)


def killed_once(job: Job, say, workers=None) -> bytes:
    """Loses its process the first time."""
    if noted(job) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return report(job.student)


def mallory_kills(job: Job, say, workers=None) -> bytes:
    """Mallory's job always loses its process; all others are graded."""
    if job.student == "mallory":
        noted(job)
        os.kill(os.getpid(), signal.SIGKILL)
    return graded(job, say)


def dies_at_once(task, connection, scratch) -> None:
    """Stands in for a job's process, and is killed before it takes a job."""
    os.kill(os.getpid(), signal.SIGKILL)


def raises(job: Job, say, workers=None) -> bytes:
    """A fault of the grader."""
    raise ZeroDivisionError("by us")


def tells(job: Job, say, workers=None) -> bytes:
    """Tells its process id, and ends."""
    say(str(os.getpid()))
    return report(job.student)


def endless(job: Job, say, workers=None) -> bytes:
    """Tells its process id, and sleeps."""
    say(str(os.getpid()))
    time.sleep(600)
    return b""


def other_version(job: Job, say, workers=None) -> bytes:
    """Ends in bytes that are no report."""
    return b'{"state": "graded", "more": 1}'


def deliverable_4(job: Job, say, workers=None) -> bytes:
    """A checkpoint that is worth 3 points, and a training that is worth none."""
    noted(job)
    if job.options.whole_training is None:
        return report(job.student, number=4)
    return report(job.student, number=4, earned=0.0, verdict="fail")


def two_parts(job: Job, say, workers=None) -> bytes:
    """Two checkpoints, and bob's only the first; a training is worth nothing, and notes of what and how long."""
    training = job.options.whole_training
    if training is None:
        first, second = result(job.student, number=2), result(job.student, earned=2.0, number=4)
        if job.student == "bob":
            second = result(job.student, earned=0.0, number=4, verdict="not-run")
        both = msgspec.structs.replace(first, deliverables=[*first.deliverables, *second.deliverables])
        return msgspec.json.encode(Report("graded", "", [], msgspec.Raw(msgspec.json.encode(both)), 1.5, 0.5, 1.0))
    (number,) = job.options.deliverables
    with open(Path(job.archive).parent.parent / "trained.log", "a") as file:
        file.write(f"{job.student} {number} {training.epochs}\n")
    return report(job.student, number=number, earned=0.0, verdict="fail")


def on_tiles(job: Job, say, workers) -> bytes:
    """Deliverable 4 graded for real, its network on images that are learnt in a second."""
    tiles, small = trained.tiles(), Assignment("hw3", "small", (trained_resnet(epochs=2, trial=Trial(3, 400)),))
    with (
        mock.patch.object(runner, "load", lambda *args, **kwargs: tiles),
        mock.patch.dict(ASSIGNMENTS, hw3=small),
        mock.patch.object(result_cache.platformdirs, "user_cache_dir", lambda name: tempfile.gettempdir()),
    ):
        return jobs.run(job, say, workers)


@dataclass(frozen=True)
class OnCluster:
    """A job of half a second that notes in which process it ran."""

    log: str

    def __call__(self, job: Job, say, workers=None) -> bytes:
        assert isinstance(job.archive, bytes)
        with open(self.log, "a") as file:
            file.write(f"{job.student} {os.getpid()}\n")
        time.sleep(0.5)
        return report(job.student)
