"""Deliverable 5 graded: right maps of any style keep their points, each fault loses its own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from grader import runner
from grader.assignments.hw3 import HW3
from grader.declaration import Assignment
from grader.progress import Progress
from grader.result import Result
from grader.runner import REFERENCE, Options, grade
from grader.selfcheck.images import patches
from grader.selfcheck.submissions.deliverable3 import BY_HAND, EXPLICIT, narrow
from grader.selfcheck.submissions.deliverable5 import HOOK, PAPER, PLAIN
from grader.selfcheck.terms import TERMS
from grader.worker import Worker

pytestmark = pytest.mark.slow

# A figure of the same form, so narrow that a grade takes a second.
NARROW = TERMS["hw3"][5].assignment
STUDENT = REFERENCE.parent / "student"


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=1) as worker:
        yield worker


@pytest.fixture
def graded(worker, monkeypatch):
    """Grades deliverable 5 of a folder, on the patches."""
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: patches())

    def graded(folder: Path, assignment: Assignment = HW3, seed: int = 1) -> Result:
        deliverable = assignment.deliverable(5)
        checks = tuple(replace(check, seconds=120.0) for check in deliverable.checks)  # a busy machine
        patient = replace(assignment, deliverables=(replace(deliverable, checks=checks),))
        options = Options(deliverables=(5,), seed=seed)
        with Progress(Console(quiet=True)) as progress:
            return grade(patient, str(folder), options, worker, progress)

    return graded


@pytest.fixture
def hand_in(tmp_path, graded):
    """Grades a submission with this `train.py` and `model.py`, both written for Figure 3."""

    def hand_in(train: str, model: str = EXPLICIT, seed: int = 1) -> Result:
        place = tmp_path / "alice" / "deliverable3-5"
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.py").write_text(narrow(model))
        (place / "train.py").write_text(train)
        return graded(tmp_path / "alice", NARROW, seed)

    return hand_in


def lost(result: Result) -> set[str]:
    return {c.id for c in result.deliverables[0].checks if c.verdict != "pass"}


def reasons(result: Result) -> dict[str, str]:
    return {check.id: check.reason for check in result.deliverables[0].checks}


def test_deliverable_5_is_worth_twenty_points():
    assert sum(check.points for check in HW3.deliverable(5).checks) == 20


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="a hand-out has no reference")
def test_the_reference_gets_everything(graded):
    result = graded(REFERENCE)
    assert result.passed, reasons(result)
    assert result.earned == 20


@pytest.mark.skipif(not STUDENT.is_dir(), reason="a hand-out has no student/")
def test_the_stub_earns_nothing(graded):
    result = graded(STUDENT)
    assert result.earned == 0
    for check in result.deliverables[0].checks:
        if check.points:
            assert "NotImplementedError: hw3 deliverable 3: " in check.reason, check.id


def test_a_missing_map_is_told_by_its_stub(hand_in):
    result = hand_in('def cam(net, inputs, labels, idx):\n    raise NotImplementedError("hw3 deliverable 5: cam")\n')
    assert result.earned == 0
    assert all("hw3 deliverable 5: cam" in c.reason for c in result.deliverables[0].checks if c.points)


@pytest.mark.parametrize(
    ("train", "model"), [(PLAIN, EXPLICIT), (PAPER, EXPLICIT), (HOOK, BY_HAND)], ids=["plain", "paper", "hook"]
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_right_map_of_any_style_gets_everything(hand_in, train, model, seed):
    result = hand_in(train, model, seed)
    assert lost(result) == set(), reasons(result)


@pytest.mark.parametrize(
    "large",
    [
        'F.interpolate(small[None, None], size=(32, 32), mode="nearest")[0, 0]',
        'F.interpolate(small[None, None], size=(32, 32), mode="bicubic")[0, 0]',
        "torch.from_numpy(__import__('scipy.ndimage').ndimage.zoom(small.numpy(), 8))",
        "torch.from_numpy(np.kron(small.numpy(), np.ones((8, 8))))",
        "0.25 * F.interpolate(small[None, None] + 3, scale_factor=8, mode='bilinear', align_corners=True)[0, 0]",
    ],
)
def test_any_usual_way_of_enlarging_gets_everything(hand_in, large):
    before = 'F.interpolate(small[None, None], size=(32, 32), mode="bilinear", align_corners=False)[0, 0]'
    result = hand_in(spoilt((before, large)))
    assert lost(result) == set(), reasons(result)


def spoilt(*replacements: tuple[str, str]) -> str:
    text = PLAIN
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    return text


def test_torchvisions_network_is_told_by_its_name(hand_in):
    result = hand_in(spoilt(("import numpy as np\n", "import numpy as np\nfrom torchvision.models import resnet18\n")))
    assert "deliverable5.sources" in lost(result)
    assert "torchvision.models" in reasons(result)["deliverable5.sources"]


def test_without_the_feature_map_nothing_can_be_judged(hand_in):
    model = EXPLICIT.replace("return x, logits", "return logits")
    result = hand_in(PLAIN, model)
    verdicts = {c.id: c.verdict for c in result.deliverables[0].checks if c.points}
    assert set(verdicts.values()) == {"not-run"}
    assert "return_embed=True does not give" in reasons(result)["cam.map"]


def test_a_network_that_is_not_figure_3_is_told_so(hand_in):
    model = EXPLICIT.replace("self.fc(pooled)", "self.fc(pooled.flip(1))")
    result = hand_in(PLAIN, model)
    assert "rests on MyResnet, which deliverable 3 judges" in reasons(result)["cam.map"]
    assert result.earned == 0


def test_the_seed_repeats_a_result(hand_in):
    wrong = spoilt(("small[None, None]", "small.roll(1, 0)[None, None]"))
    assert reasons(hand_in(wrong, seed=5)) == reasons(hand_in(wrong, seed=5)) != reasons(hand_in(wrong, seed=6))
