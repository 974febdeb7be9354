"""Every submission of the corpus gets what its entry says, in the strongest tier that is here."""

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from grader.assignments.hw3.deliverable1 import DELIVERABLE_1
from grader.declaration import Assignment
from grader.progress import Progress
from grader.result import CheckResult
from grader.runner import Options, grade
from grader.submission import SubmissionError
from grader.worker import Limits, Worker
from grader.worker.limits import MIB
from grader.worker.processes import MARK
from tests.grader.submissions import UNFOLD
from tests.hostile import exhausting, forging, intake, moods, operators, oracle, stealing
from tests.hostile.attack import Attack

PROJECT = Path(__file__).resolve().parents[2]
CORPUS = [
    attack for part in (operators, oracle, forging, stealing, exhausting, intake, moods) for attack in part.ATTACKS
]
# What waits for the grader's clock waits this long; an honest check takes a tenth of a second.
SECONDS = 5.0
EXAMPLES = 3  # cases that a check draws: a grade has 25
# Every limit that an attack runs into, where it costs the machine little.
LIMITS = Limits(
    data=3 << 30, resident=1200 * MIB, scratch_bytes=64 * MIB, scratch_files=2_000, output_bytes=8 * MIB,
    processes=8
)
STRENGTH = ("process", "process+user", "unshare", "unshare+user", "bwrap", "bwrap+user")


class Known(Worker):
    """Remembers by which marks its processes are known: one that was replaced had another."""

    def _start(self) -> None:
        super()._start()
        self.marks = {*getattr(self, "marks", ()), self._mark}

    @property
    def own(self) -> set[int]:
        """Processes that stay for the next submission: no session's."""
        return {self._process.pid, self._tree._zygote}


@pytest.fixture(scope="module")
def worker(isolation: str) -> Iterator[Known]:
    with Known(threads=1, limits=LIMITS, preload=("torch", "numpy"), isolation=isolation) as worker:
        yield worker


@pytest.fixture(scope="module")
def quick() -> Assignment:
    """Deliverable 1 as it is, with a shorter clock."""
    judged = tuple(replace(check, seconds=SECONDS) for check in DELIVERABLE_1.checks)
    return Assignment("hw3", "deliverable 1", (replace(DELIVERABLE_1, checks=judged),))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A service on this machine, as a database or another grader would be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """Another student's correct solution, beside the one that is graded."""
    path = tmp_path / "neighbour" / "deliverable1_2" / "mytorch.py"
    path.parent.mkdir(parents=True)
    path.write_text(UNFOLD)
    return path


def _judged(attack: Attack, graded: list[CheckResult]) -> list[str]:
    """What is not as the entry says."""
    problems = []
    for check in graded:
        if not check.points:
            continue  # it informs, and earns nothing
        allowed = _allowed(attack, check.id)
        if check.verdict not in allowed:
            problems.append(f"{check.id}: {check.verdict}, expected {' or '.join(allowed)}: {check.reason[:300]}")
        if (check.earned > 0) != (check.verdict == "pass"):
            problems.append(f"{check.id}: {check.earned} points for {check.verdict}")
    return problems


def _allowed(attack: Attack, check: str) -> set[str]:
    lost = [verdicts for pattern, verdicts in attack.lost.items() if fnmatchcase(check, pattern)]
    may = [verdicts for pattern, verdicts in attack.may.items() if fnmatchcase(check, pattern)]
    allowed = {verdict for verdicts in [*lost, *may] for verdict in verdicts.split("|")}
    return allowed if lost else allowed | {"pass"}


def _survivors(worker: Known) -> list[psutil.Process]:
    """Processes of its sessions, wherever they went: all below a worker are born with its mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) in worker.marks:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def _outside() -> set[str]:
    """What lies where a submission might leave something."""
    places = [*map(Path, ("/tmp", "/var/tmp", "/dev/shm")), Path.cwd(), PROJECT]
    return {str(path) for place in places if place.is_dir() for path in place.iterdir()}


def _marked(attacks: list[Attack]) -> list:
    return [pytest.param(a, id=a.name, marks=[pytest.mark.slow] if a.slow else []) for a in attacks]


@pytest.mark.parametrize("attack", _marked(CORPUS))
def test_it_gains_nothing_and_its_honest_parts_keep_their_points(
    attack: Attack, worker: Known, quick: Assignment, port: int, neighbour: Path, tmp_path: Path, monkeypatch
):
    if STRENGTH.index(worker.isolation.name) < STRENGTH.index(attack.needs):
        pytest.skip(f"holds from tier {attack.needs} on; this is {worker.isolation.name}")
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", EXAMPLES)
    monkeypatch.setattr("grader.bench.IMPORT_SECONDS", SECONDS)
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "labels")
    files = {
        name: text.replace("{PORT}", str(port)).replace("{NEIGHBOUR}", str(neighbour)) if isinstance(text,
        str) else text
        for name, text in attack.files.items()
    }
    folder = tmp_path / "student"
    folder.mkdir()
    replace(attack, files=files).build(folder, PROJECT)
    before, running = _outside(), {process.pid for process in _survivors(worker)}
    written = {str(path) for path in folder.rglob("*")}
    with Progress(Console(quiet=True)) as progress:
        if attack.refused:
            with pytest.raises(SubmissionError, match=attack.refused):
                grade(quick, str(folder), Options((1,), seed=1), worker, progress)
            return
        result = grade(quick, str(folder), Options((1,), seed=1), worker, progress)
    (deliverable,) = result.deliverables
    assert [check.id for check in deliverable.checks] == [check.id for check in DELIVERABLE_1.checks]
    assert not _judged(attack, deliverable.checks), "\n".join(_judged(attack, deliverable.checks))
    assert not any("grader itself failed" in check.reason for check in deliverable.checks)
    assert not any(re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", check.reason) for check in deliverable.checks)
    alone = [process for process in _survivors(worker) if process.pid not in running | worker.own]
    assert not alone, f"still running: {alone}"
    assert {str(path) for path in folder.rglob("*")} == written
    assert {path for path in _outside() - before if _is_ours(path)} == set()


def _is_ours(path: str | Path) -> bool:
    """Whether it can only come from a submission: other programs write to these folders as well."""
    path = Path(path)
    left = {"pwned", "x", "log.txt", "outside", "results.json", "result.json"}
    return path.name in left or (path.parent == PROJECT and not path.name.startswith((".", "__")))


def test_the_corpus_is_as_large_as_it_was_promised_and_every_name_is_one_entrys():
    names = [attack.name for attack in CORPUS]
    assert len(names) == len(set(names)) >= 70
    assert all(attack.tries and "\n" not in attack.tries for attack in CORPUS)


def test_an_honest_submission_keeps_everything_under_the_same_limits(worker, quick, tmp_path, monkeypatch):
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", EXAMPLES)
    (tmp_path / "deliverable1_2").mkdir()
    (tmp_path / "deliverable1_2" / "mytorch.py").write_text(UNFOLD)
    with Progress(Console(quiet=True)) as progress:
        result = grade(quick, str(tmp_path), Options((1,), seed=1), worker, progress)
    assert result.passed and result.isolation == worker.isolation.name
