"""Correct submissions of any style get every point that there is."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from data_scripts import Dataset
from data_scripts.digits import generate
from grader import runner
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable3 import resnet
from grader.assignments.hw3.deliverable5 import class_maps
from grader.assignments.hw3.deliverable6 import evasion_attacks
from grader.checks.attacks import Counts
from grader.declaration import Assignment
from grader.oracles.figure3 import Figure3
from grader.progress import Progress
from grader.runner import Options, grade, locate
from grader.worker import Worker

STYLES = Path(__file__).parent / "styles"
EXAMPLES = 6  # cases that a check draws: a grade has 25
ATTACKED = Counts(tried=6, measured=12)

# Figure 3, so narrow that a grade takes a second; the submissions' own numbers are replaced.
FIGURE = Figure3(stem=8, blocks=((16, 2), (24, 2), (32, 2)))
NARROWER = {"64": "8", "128": "16", "256": "24", "512": "32"}
SMALL = Assignment("hw3", "small", (resnet(FIGURE), class_maps(FIGURE), evasion_attacks(ATTACKED)))


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
def quick(monkeypatch) -> Iterator[None]:
    """Fewer cases, one thread."""
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", EXAMPLES)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


@pytest.fixture(scope="module")
def blots() -> Dataset:
    """800 training and 300 validation images of ten very different blots."""
    random = np.random.default_rng(0)

    def images(count: int):
        labels = np.arange(count) % 10
        noise = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(noise, labels, strict=True):
            row, column = divmod(int(label), 4)
            image[2 + 8 * row : 9 + 8 * row, 7 * column : 7 * column + 6] = 255
        return noise, labels.astype(np.uint8)

    return Dataset("mnist", "synthetic", "blots", *images(800), *images(300), tuple("0123456789"), "0" * 64)


@pytest.fixture(scope="module")
def patches() -> Dataset:
    """Twenty random images, each of 16 patches and noise."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 200, (20, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    images = (images + generator.integers(0, 56, images.shape)).astype(np.uint8)
    labels = np.zeros(20, np.int64)
    return Dataset("cifar10", "synthetic", "patches", images, labels, images, labels, tuple("0123456789"), "0" * 64)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Ten training and 240 test images of the stand-in."""
    return Dataset("mnist", "synthetic", "few digits", *generate(0, 10, 240), tuple("0123456789"), "0" * 64)


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
def test_a_cnn_and_its_training_of_any_style_get_everything(lost, name, blots):
    assert lost(STYLES / name, 2, blots) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(3))
def test_a_resnet_of_any_style_gets_everything(lost, name, narrow):
    assert lost(narrow(name), 3, assignment=SMALL) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(5))
def test_maps_of_any_style_get_everything(lost, name, narrow, patches):
    assert lost(narrow(name), 5, patches, SMALL) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", handed_in(6))
def test_attacks_of_any_style_get_everything(lost, name, digits):
    assert lost(STYLES / name, 6, digits, SMALL) == {}
