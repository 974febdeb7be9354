"""One submission graded in Gradescope's container: what `run_autograder` runs.

results.json is written before anything is graded and again after each deliverable, every time with all
declared checks, so that a run which is cut short leaves what it came to, and says of the rest why not.
"""

import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch

from data_scripts import DataError, atomic, machine
from grader.assignments import ASSIGNMENTS
from grader.classroom.intake import unpack
from grader.classroom.jobs import Progress
from grader.classroom.members import Unreadable, is_archive
from grader.conditions import file_digest
from grader.declaration import Assignment, Deliverable
from grader.digest import versions
from grader.export import container
from grader.export.lean_worker import LeanWorker
from grader.export.settings import Settings, read
from grader.export.stem import Stem
from grader.report import gradescope
from grader.result import CheckResult, DeliverableResult, Result
from grader.runner import Options, grade, locate
from grader.submission import Submission, SubmissionError
from grader.worker import Isolation, IsolationError, Limits, Worker
from grader.worker.isolation import choose

NOT_YET = "the run ended before this was graded: it ran out of time or memory"
# Bytes: of torch's code that has to stay in memory; of stacks that threads reserve and hardly touch; for a session.
LIBRARIES, STACKS, LEAST = 64 << 20, 32 << 20, 64 << 20


class _OutOfTime(BaseException):
    """SIGTERM came; no `Exception`, since checks catch these."""


def main(root: Path, stem: Stem) -> int:
    """Grade ROOT/submission into ROOT/results/results.json.

    Args:
        root: /autograder, as Gradescope lays it out.
        stem: what workers are forked from.

    Returns:
        0 where there is a verdict, 1 where the autograder itself failed.
    """
    settings = read(root / "source")
    run = _Run(settings, root)
    signal.signal(signal.SIGTERM, _end)
    note, status = "", 0
    try:
        run.write("")
        run.grade(stem)
    except _OutOfTime:
        note = run.end(f"the run ended before this was graded: its {settings.minutes:g} minutes were over")
    except (SubmissionError, Unreadable) as error:
        note = run.end(str(error).replace(str(root / "submission"), "the submission"))
    except (DataError, IsolationError) as error:
        print(error, file=sys.stderr)
        note, status = run.end("the autograder is not set up as it has to be; this is no fault of yours"), 1
    except Exception:
        traceback.print_exc()
        note, status = run.end("the autograder itself failed here; this is no fault of yours"), 1
    run.write(note)
    return status


class _Run:
    """What has been graded so far, and what all of it needs."""

    def __init__(self, settings: Settings, root: Path):
        self._settings, self._root = settings, root
        self._assignment: Assignment = settings.applied(ASSIGNMENTS[settings.assignment])
        self._deliverables = [self._assignment.deliverable(number) for number in settings.deliverables]
        self._began = time.monotonic()
        self._result = Result(
            assignment=settings.assignment, submission="submission", digest="", data="none", data_source="",
            data_digest="", seed=0, isolation="", started=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=0.0, versions=versions(), hardware=machine.hardware(),
            deliverables=[_ungraded(deliverable, NOT_YET) for deliverable in self._deliverables],
        )  # fmt: skip

    def grade(self, stem: Stem) -> None:
        """Grade one deliverable after the other, and write after each."""
        isolation = permitted(self._settings.isolation)
        threads = container.processors()
        torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory(prefix="chalkbench-") as folder:
            place = _unpacked(self._root / "submission", Path(folder))
            submission = locate(self._assignment, str(place))
            seed = _seed(self._settings, self._assignment, submission)
            with _worker(isolation, stem, threads) as worker:
                for deliverable in self._deliverables:
                    options = Options(
                        deliverables=(deliverable.number,), seed=seed, fresh=True,
                        data=self._settings.data, data_root=self._root / "source" / "data",
                    )  # fmt: skip
                    self._add(grade(self._assignment, str(place), options, worker, Progress(_say)))
                    self.write("")

    def end(self, reason: str) -> str:
        """Give a reason to all that is not graded; returns it, to stand above the checks."""
        graded = self._result.deliverables
        rest = [_ungraded(deliverable, reason) for deliverable in self._deliverables]
        merged = [new if _is_ungraded(old) else old for old, new in zip(graded, rest, strict=True)]
        self._result = msgspec.structs.replace(self._result, deliverables=merged)
        return reason

    def write(self, note: str) -> None:
        """Write results.json, whole or not at all."""
        result = msgspec.structs.replace(self._result, seconds=time.monotonic() - self._began)
        with tempfile.TemporaryDirectory(prefix="chalkbench-") as folder:
            (path,) = gradescope.write(result, Path(folder, "results.json"))
            content = json.loads(path.read_bytes())
        checks = [check for deliverable in result.deliverables for check in deliverable.checks]
        for test, check in zip(content["tests"], checks, strict=True):  # a hidden one's tags do not tell its id
            test["visibility"] = self._settings.visibility_of(check.id)
        if not self._settings.leaderboard:
            del content["leaderboard"]
        if note:
            content["output"] = f"{note[:gradescope.LONGEST]}\n\n{content['output']}"
        atomic.write(self._root / "results" / "results.json", json.dumps(content, ensure_ascii=False).encode())

    def _add(self, result: Result) -> None:
        (graded,) = result.deliverables
        for check in graded.checks:
            if check.hidden and check.reason:  # results.json does not have it
                _say(f"{check.id}: {check.verdict}: {check.reason}")
        merged = [graded if old.number == graded.number else old for old in self._result.deliverables]
        # Deliverables without data say nothing about it.
        data = self._result if result.data == "none" else result
        sources = list(dict.fromkeys(filter(None, [self._result.data_source, result.data_source])))
        digests = list(dict.fromkeys(filter(None, [self._result.data_digest, result.data_digest])))
        kind = "synthetic" if "synthetic" in (self._result.data, result.data) else data.data
        self._result = msgspec.structs.replace(
            self._result, digest=result.digest, seed=result.seed, isolation=result.isolation, data=kind,
            data_source="; ".join(sources), data_digest="; ".join(digests), deliverables=merged,
        )  # fmt: skip


def permitted(wanted: str) -> Isolation:
    """The tier to grade in.

    Raises:
        IsolationError: the submission would run as root, and read the tests, the data and the results.
    """
    isolation = choose(wanted)
    if wanted == "auto" and not isolation.sandboxed and isolation.user is None and os.geteuid() == 0:
        raise IsolationError(
            "submitted code would run as root and could read the grader; expected a Python that another user can "
            "read (not one below /root), as setup.sh installs it"
        )
    return isolation


def limits(available: int, own: dict[str, int], stem: dict[str, int]) -> Limits:
    """What a session may allocate of a container's memory, so that its own request fails, and no process is killed.

    Where a container's memory is all used the kernel ends the session first, and a moment later the grader: the
    memory of the dead is not back at once.

    Args:
        available: bytes that the container has.
        own: what the grader holds (`container.held`).
        stem: what the stem holds, and so a session from its start.
    """
    room = max(available - own["RssAnon"] - LIBRARIES, LEAST)
    return Limits(data=min(Limits().data, stem["VmData"] + room + STACKS))


def _worker(isolation: Isolation, stem: Stem, threads: int) -> Worker:
    ceilings = limits(container.memory(), container.held(os.getpid()), container.held(stem.pid))
    if isolation.tier == "process":
        return LeanWorker(stem, isolation=isolation, limits=ceilings, threads=threads)
    return Worker(isolation=isolation, limits=ceilings, threads=threads)


def _unpacked(given: Path, folder: Path) -> Path:
    """Where the submission's files are: an archive in place of files is unpacked into `folder`."""
    files = sorted(path for path in given.rglob("*") if path.is_file() and not path.is_symlink())
    archives = [path for path in files if path.parent == given and is_archive(path)]
    if len(archives) != 1 or any(path.suffix == ".py" for path in files):
        return given
    unpack(archives[0], folder)
    return folder


def _seed(settings: Settings, assignment: Assignment, submission: Submission) -> int:
    """Fresh, or from the course's secret and all files that a grade depends on: the same again for the same files."""
    if not settings.secret:
        return secrets.randbits(53)
    said = hmac.new(settings.secret.encode(), submission.digest.encode(), hashlib.sha256)
    for deliverable in assignment.deliverables:
        for path in submission.weights(deliverable.folder, deliverable.weights) if deliverable.weights else ():
            said.update(hashlib.sha256(path.read_bytes()).digest())
        documents = [submission.document(deliverable.folder, name) for name in deliverable.documents]
        for path in filter(None, documents):
            said.update(file_digest(path).encode())
    return int.from_bytes(said.digest()[:8], "big") >> 11  # exact in JSON


def _ungraded(deliverable: Deliverable, reason: str) -> DeliverableResult:
    checks = [
        CheckResult(check.id, check.title, check.points, 0.0, "not-run", reason, 0.0, hidden=check.hidden)
        for check in deliverable.checks
    ]
    return DeliverableResult(deliverable.number, deliverable.title, checks)


def _is_ungraded(result: DeliverableResult) -> bool:
    return all(check.verdict == "not-run" and check.reason == NOT_YET for check in result.checks)


def _say(text: str) -> None:
    """Progress goes to the log, which instructors see."""
    print(text, file=sys.stderr, flush=True)


def _end(number: int, frame: object) -> None:
    raise _OutOfTime
