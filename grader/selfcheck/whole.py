"""The reference and the stubs, graded as any submission is: the one earns everything, the other nothing."""

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import torch
from rich.console import Console

from grader.declaration import Assignment
from grader.progress import Progress
from grader.result import Result
from grader.runner import REFERENCE, Options, grade, limits_for
from grader.selfcheck.mutant import write
from grader.stubs import make_stubs
from grader.worker import Worker


class Whole(msgspec.Struct, frozen=True):
    """What a whole submission earned."""

    earned: float
    points: float
    data: str  # "real", "synthetic" or "none"
    checks: dict[str, str]  # check → verdict
    reasons: dict[str, str]  # check → reason, of those that did not pass


class Unsteady(msgspec.Struct, frozen=True):
    """A check whose verdict hung on the seed."""

    check: str
    verdicts: dict[str, list[int]]  # verdict → seeds
    reason: str  # of one run that did not pass


def reference(assignment: Assignment, options: Options, progress: Progress) -> Whole:
    """Grade the reference, at full size and on the data that a grade has."""
    with _worker(options) as worker:
        return _whole(grade(assignment, str(REFERENCE), options, worker, progress))


def stubs(assignment: Assignment, options: Options, progress: Progress) -> Whole:
    """Grade what students begin with."""
    home = "/".join(assignment.home or (assignment.name,)) + "/"
    files = {path: stub.text for path, stub in make_stubs().items() if path.startswith(home)}
    with _worker(options) as worker, tempfile.TemporaryDirectory(prefix="chalkbench-stubs-") as folder:
        write(files, folder)
        return _whole(grade(assignment, folder, options, worker, progress))


def runs(assignment: Assignment, options: Options, count: int, progress: Progress) -> Iterator[Result]:
    """Grade the reference again and again, each time with another secret seed; nothing is kept between the runs."""
    with _worker(options) as worker, Progress(Console(quiet=True)) as silent:
        progress.deliverable(f"{count} runs of the reference", count)
        for _ in range(count):
            seed = secrets.randbits(53)
            progress.check(f"seed {seed}")
            yield grade(assignment, str(REFERENCE), replace(options, seed=seed, fresh=True), worker, silent)
            progress.checked()


def unsteady(results: list[Result]) -> list[Unsteady]:
    """The checks that did not come to the same verdict in every run."""
    verdicts: dict[str, dict[str, list[int]]] = {}
    reasons: dict[str, str] = {}
    for result in results:
        for deliverable in result.counted:
            for check in deliverable.checks:
                verdicts.setdefault(check.id, {}).setdefault(check.verdict, []).append(result.seed)
                if check.verdict != "pass":
                    reasons[check.id] = check.reason
    return [
        Unsteady(check, found, reasons.get(check, "")) for check, found in verdicts.items() if len(found) > 1
    ]


def _worker(options: Options) -> Worker:
    threads = torch.get_num_threads()
    return Worker(threads=threads, limits=limits_for(options, threads), isolation=options.isolation)


def _whole(result: Result) -> Whole:
    checks = [check for deliverable in result.counted for check in deliverable.checks]
    return Whole(
        earned=result.earned,
        points=result.points,
        data=result.data,
        checks={check.id: check.verdict for check in checks},
        reasons={check.id: check.reason for check in checks if check.verdict != "pass"},
    )
