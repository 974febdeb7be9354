"""What happens while jobs run, told in the same words by every scheduler."""

from dataclasses import dataclass

from grader.classroom.jobs import Job

ATTEMPTS = 2  # of a job whose process was lost; a third one would only be lost again


@dataclass(frozen=True)
class Started:
    """A job begins, or begins again."""

    job: Job
    attempt: int = 1


@dataclass(frozen=True)
class Said:
    """A line from a running job."""

    job: Job
    text: str


@dataclass(frozen=True)
class Ended:
    """A job is over.

    Args:
        job: which.
        report: a `grader.classroom.jobs.Report` as JSON; None where there is none.
        reason: why there is none.
        attempts: how often it began.
    """

    job: Job
    report: bytes | None
    reason: str = ""
    attempts: int = 1


Event = Started | Said | Ended
