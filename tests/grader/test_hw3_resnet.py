"""Deliverable 3 graded: right networks of any style keep their points, each fault loses its own."""

import re
from pathlib import Path

import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.declaration import Assignment
from grader.progress import Progress
from grader.result import Result
from grader.runner import REFERENCE, Options, grade
from grader.selfcheck.submissions.deliverable3 import BY_HAND, EXPLICIT, narrow
from grader.selfcheck.terms import TERMS
from grader.worker import Worker

pytestmark = pytest.mark.slow

# A figure of the same form, so narrow that a grade takes a second.
NARROW = TERMS["hw3"][3].assignment

STUDENT = REFERENCE.parent / "student"


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=2) as worker:
        yield worker


@pytest.fixture
def graded(worker):
    """Grades deliverable 3 of a folder."""

    def graded(folder: Path, assignment: Assignment = HW3) -> Result:
        with Progress(Console(quiet=True)) as progress:
            return grade(assignment, str(folder), Options(deliverables=(3,), seed=1), worker, progress)

    return graded


@pytest.fixture
def hand_in(tmp_path, graded):
    """Grades a submission with this `model.py`."""

    def hand_in(text: str, assignment: Assignment = HW3) -> Result:
        place = tmp_path / "alice" / "deliverable3-5"
        place.mkdir(parents=True)
        (place / "model.py").write_text(text)
        return graded(tmp_path / "alice", assignment)

    return hand_in


def lost(result: Result) -> set[str]:
    return {c.id for c in result.deliverables[0].checks if c.verdict != "pass"}


def reasons(result: Result) -> dict[str, str]:
    return {check.id: check.reason for check in result.deliverables[0].checks}


def test_deliverable_3_is_worth_twenty_points():
    assert sum(check.points for check in HW3.deliverable(3).checks) == 20


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="a hand-out has no reference")
def test_the_reference_gets_everything(graded):
    result = graded(REFERENCE)
    assert result.passed, reasons(result)
    assert result.earned == 20


@pytest.mark.skipif(not STUDENT.is_dir(), reason="a hand-out has no student/")
def test_the_stub_earns_nothing_and_says_what_is_missing(graded):
    result = graded(STUDENT)
    assert result.earned == 0
    for check in result.deliverables[0].checks:
        if check.points:
            assert "NotImplementedError: hw3 deliverable 3: " in check.reason, check.id


@pytest.mark.parametrize("text", [EXPLICIT, BY_HAND], ids=["explicit", "by-hand"])
def test_a_right_network_of_another_style_gets_everything(hand_in, text):
    result = hand_in(text)
    assert lost(result) == set(), reasons(result)


def test_layers_that_are_made_by_their_first_pass_are_given_one(hand_in):
    """nn.LazyConv2d, nn.LazyBatchNorm2d and nn.LazyLinear have no shapes, and no numbers, before it."""
    text = re.sub(r"nn\.Conv2d\(\w+, ", "nn.LazyConv2d(", narrow(EXPLICIT))
    text = re.sub(r"nn\.Linear\(\w+, ", "nn.LazyLinear(", text)
    text = re.sub(r"nn\.BatchNorm2d\(\w+(, )?", "nn.LazyBatchNorm2d(", text)
    assert [text.count(f"nn.{name}(") for name in ("LazyConv2d", "LazyLinear", "LazyBatchNorm2d")] == [4, 1, 4]
    result = hand_in(text, NARROW)
    assert lost(result) == set(), reasons(result)


def test_torchvisions_block_is_told_by_its_name(hand_in):
    text = narrow(EXPLICIT) + "\n\ndef unused():\n    from torchvision.models.resnet import BasicBlock\n    return BasicBlock\n"
    result = hand_in(text, NARROW)
    assert lost(result) == {"deliverable3.sources"}
    assert "torchvision.models.resnet" in reasons(result)["deliverable3.sources"]


def test_the_narrow_figure_is_judged_by_its_own_numbers(hand_in):
    result = hand_in(narrow(EXPLICIT), NARROW)
    assert lost(result) == set(), reasons(result)
