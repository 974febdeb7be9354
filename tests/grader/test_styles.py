"""Correct submissions of any style get every point that there is."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from data_scripts import Dataset
from grader import runner
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable3 import resnet
from grader.assignments.hw3.deliverable5 import class_maps
from grader.assignments.hw3.deliverable6 import evasion_attacks
from grader.checks.attacks import Counts
from grader.declaration import Assignment
from grader.progress import Progress
from grader.runner import Options, grade, locate
from grader.selfcheck.images import blots, few_digits, patches
from grader.selfcheck.terms import NARROW
from grader.worker import Worker

STYLES = Path(__file__).parent / "styles"
EXAMPLES = 6  # cases that a check draws: a grade has 25
ATTACKED = Counts(tried=6, measured=12)

# The submissions' own numbers of channels → those of the narrow figure, so that a grade takes a second.
NARROWER = {"64": "8", "128": "16", "256": "24", "512": "32"}
SMALL = Assignment("hw3", "small", (resnet(NARROW), class_maps(NARROW), evasion_attacks(ATTACKED)))


def handed_in(number: int) -> list[str]:
    """The styles that have a deliverable."""
    asked = HW3.deliverable(number)
    names = sorted(path.name for path in STYLES.iterdir() if path.is_dir() and not path.name.startswith("__"))
    found = {name: locate(HW3, str(STYLES / name)) for name in names}
    return [name for name in names if found[name].file(asked.folder, asked.judged) is not None]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(threads=1) as worker:
        yield worker


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    """Fewer cases."""
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", EXAMPLES)


@pytest.fixture
def lost(worker, monkeypatch):
    """Grades a style; the checks that it lost, and why."""

    def lost(folder: Path, number: int, data: Dataset | None = None, assignment: Assignment = HW3) -> dict[str, str]:
        monkeypatch.setattr(runner, "load", lambda *args, **kwargs: data)
        options = Options((number,), seed=1, data="synthetic")
        with Progress(Console(quiet=True)) as progress:
            result = grade(assignment, str(folder), options, worker, progress)
        checks = result.deliverables[0].checks
        assert [check.id for check in checks] == [check.id for check in assignment.deliverable(number).checks]
        return {check.id: f"{check.verdict}: {check.reason}" for check in checks if check.verdict != "pass"}

    return lost


@pytest.fixture
def narrow(tmp_path):
    """A copy of a style with the narrow figure's numbers."""

    def narrow(name: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(STYLES / name, copy)
        for path in locate(HW3, str(copy)).folders["deliverable3_5"].rglob("*.py"):
            path.write_text(re.sub(r"\b(64|128|256|512)\b", lambda match: NARROWER[match[0]], path.read_text()))
        return copy

    return narrow


def test_there_are_styles_of_every_kind_and_each_says_what_it_is():
    assert len(handed_in(1)) >= 12
    assert all(len(handed_in(number)) >= 3 for number in (2, 3, 5, 6))
    for number in (1, 2, 3, 5, 6):
        for name in handed_in(number):
            file = locate(HW3, str(STYLES / name)).file(HW3.deliverable(number).folder, HW3.deliverable(number).judged)
            assert file.read_text().startswith(('"""', "'''")), file


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(1))
def test_convolution_and_pooling_of_any_style_get_everything(lost, name):
    assert lost(STYLES / name, 1) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(2))
def test_a_cnn_and_its_training_of_any_style_get_everything(lost, name):
    assert lost(STYLES / name, 2, blots()) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(3))
def test_a_resnet_of_any_style_gets_everything(lost, name, narrow):
    assert lost(narrow(name), 3, assignment=SMALL) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(5))
def test_maps_of_any_style_get_everything(lost, name, narrow):
    assert lost(narrow(name), 5, patches(), SMALL) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(6))
def test_attacks_of_any_style_get_everything(lost, name):
    assert lost(STYLES / name, 6, few_digits(), SMALL) == {}
