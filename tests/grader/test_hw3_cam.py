"""Deliverable 5 graded: right maps of any style keep their points, each fault loses its own."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from data_scripts import Dataset
from grader import runner
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable5 import class_maps
from grader.declaration import Assignment
from grader.oracles.figure3 import Figure3
from grader.progress import Progress
from grader.result import Result
from grader.runner import REFERENCE, Options, grade
from grader.worker import Worker
from tests.grader.submissions.cams import HOOK, PAPER, PLAIN
from tests.grader.submissions.resnets import BY_HAND, EXPLICIT

# A figure of the same form, so narrow that a grade takes a second.
NARROW = Assignment(
    "hw3", "narrow", (class_maps(Figure3(stem=8, blocks=((16, 2), (24, 2), (32, 2)))),)
)
NARROWER = {"64 << i": "(8, 16, 24)[i]", "128 << i": "(16, 24, 32)[i]"} | {
    "64": "8", "128": "16", "256": "24", "512": "32"
}  # fmt: skip
STUDENT = REFERENCE.parent / "student"


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=1) as worker:
        yield worker


@pytest.fixture(scope="session")
def patches() -> Dataset:
    """Twenty random images, each of 16 patches and noise."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 200, (20, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    images = (images + generator.integers(0, 56, images.shape)).astype(np.uint8)
    labels = np.zeros(20, np.int64)
    return Dataset("cifar10", "synthetic", "patches", images, labels, images, labels, tuple("0123456789"), "0" * 64)


@pytest.fixture
def graded(worker, monkeypatch, patches):
    """Grades deliverable 5 of a folder, on the patches."""
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: patches)

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


def narrow(text: str) -> str:
    """The same text about the narrow figure."""
    known = "|".join(map(re.escape, NARROWER))
    return re.sub(rf"\b({known})\b", lambda match: NARROWER[match[0]], text)


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


MAPS = {"cam.map", "cam.class", "cam.idx"}
# (what is replaced in PLAIN, by what, what is lost by it and nothing else, what the reason says)
FAULTS = {
    "the label's class": (
        [("predicted = logits[idx].argmax()", "predicted = labels[0 if len(labels) == 1 else idx]")],
        {"cam.class"},
        "whatever the label says",
    ),
    "the least probable class": (
        [("logits[idx].argmax()", "logits[idx].argmin()")],
        MAPS | {"cam.quadrant"},
        "this is the map of class",
    ),
    "the first image's class": ([("logits[idx].argmax()", "logits[0].argmax()")], {"cam.idx"}, "predicts class"),
    "always the first image": (
        [("inputs, labels, idx):\n", "inputs, labels, idx):\n    idx = 0\n")],
        {"cam.idx", "cam.image", "cam.quadrant"},
        "the map of image 0",
    ),
    "without the weights": (
        [("net.fc.weight[predicted], features", "torch.ones(len(features[0])), features")],
        MAPS | {"cam.quadrant"},
        "without the linear layer's weights",
    ),
    "transposed": ([("small[None, None]", "small.T[None, None]")], MAPS | {"cam.quadrant"}, "are swapped"),
    "negative": ([("small[None, None]", "-small[None, None]")], MAPS | {"cam.quadrant"}, "negative"),
    "a ReLU": ([("small[None, None]", "small.relu()[None, None]")], MAPS, "(a ReLU, as in Grad-CAM)"),
    "rolled by a place": ([("small[None, None]", "small.roll(1, 0)[None, None]")], MAPS | {"cam.quadrant"}, "correlation"),
    "of another kernel": (
        [("small[None, None]", "F.avg_pool2d(small[None, None], 3, 1, 1, count_include_pad=False)")],
        MAPS,
        "correlation",
    ),
    "not rescaled": (
        [("    large = (large - large.min()) / (large.max() - large.min())\n", "")],
        {"cam.scaled"},
        "expected 0 to 1",
    ),
    "divided by the maximum only": (
        [("(large - large.min()) / (large.max() - large.min())", "large / large.max()")],
        # Where all of a map is negative, this turns it over.
        {"cam.scaled"},
        "expected 0 to 1",
    ),
    "in 8 bits": (
        [("return large.numpy()", "return (255 * large).byte().numpy()")],
        {"cam.shape", "cam.scaled"},
        "expected floating (32, 32)",
    ),
    "with an axis too many": ([("large.numpy()", "large[None].numpy()")], {"cam.shape"}, "(1, 32, 32)"),
    "not enlarged": (
        [("large = F.interpolate(small[None, None], size=(32, 32), mode=\"bilinear\", align_corners=False)[0, 0]", "large = small")],
        {"cam.shape", "cam.scaled", "cam.evaluation", "cam.randomised", "cam.quadrant"} | MAPS,
        "cam_img has shape (4, 4)",
    ),
    "after the pooling": (
        [("features, logits = net(inputs, return_embed=True)", "features, logits = net(inputs, return_embed=True)\n        features = features.mean((2, 3), keepdim=True)"),
         ("/ (large.max() - large.min())", "/ (large.max() - large.min()).clamp(min=1e-3)")],
        {"cam.scaled", "cam.evaluation", "cam.randomised", "cam.quadrant"} | MAPS,
        "before the pooling",
    ),
    "constant": (
        [("return large.numpy()", "return np.full((32, 32), 0.5)")],
        {"cam.scaled", "cam.evaluation", "cam.randomised", "cam.quadrant"} | MAPS,
        "the map is constant",
    ),
    "not a number": (
        [("return large.numpy()", "return large.numpy() * float('nan')")],
        {"cam.shape", "cam.scaled", "cam.evaluation", "cam.randomised", "cam.quadrant"} | MAPS,
        "not finite",
    ),
    "edges of the image, whatever the network": (
        [("return large.numpy()", "edges = img.float().mean(2).diff(dim=0, prepend=torch.zeros(1, 32)).abs()\n    return unit(edges).numpy()"),
         ("def cam(", "def unit(map):\n    return (map - map.min()) / (map.max() - map.min())\n\n\ndef cam(")],
        MAPS | {"cam.randomised", "cam.quadrant"},
        "stays what it was",
    ),
    "batch statistics": (
        [("    net.eval()\n", "")],
        {"cam.evaluation", "cam.undisturbed"},
        "call net.eval() inside",
    ),
    "always batch statistics": (
        [("    net.eval()\n", "    net.train()\n")],
        MAPS | {"cam.undisturbed", "cam.quadrant"},
        "of a network in",
    ),
    "left in evaluation mode": ([("    net.train(was_training)\n", "")], {"cam.undisturbed"}, "keep net.training"),
    "inputs changed": (
        [("img = (inputs[idx] * STD + MEAN) * 255", "img = inputs[idx].mul_(STD).add_(MEAN) * 255")],
        {"cam.undisturbed"},
        "in place",
    ),
    "still normalised": (
        [("(inputs[idx] * STD + MEAN) * 255", "inputs[idx]")],
        {"cam.image"},
        "expected (inputs[idx] * STD + MEAN) * 255",
    ),
    "blue, green, red": ([("byte().permute(1, 2, 0)", "byte().permute(1, 2, 0).flip(2)")], {"cam.image"}, "red and blue swapped"),
    "colours first": (
        [("byte().permute(1, 2, 0)", "byte()")],
        {"cam.shape", "cam.image"},
        "colours in the last axis",
    ),
    "a floating image": ([("round().clamp(0, 255).byte()", "round()")], {"cam.shape", "cam.image"}, "expected uint8"),
    "the map alone": (
        [("return large.numpy(), img.numpy()", "return large.numpy()")],
        {check.id for check in HW3.deliverable(5).checks if check.points},
        "expected the pair",
    ),
    "torchvision's network": (
        [("import numpy as np\n", "import numpy as np\n\n\ndef unused():\n    from torchvision.models import resnet18\n\n\n")],
        {"deliverable5.sources"},
        "torchvision.models",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_single_fault_loses_the_checks_that_name_it(hand_in, fault):
    replacements, faults, said = FAULTS[fault]
    result = hand_in(spoilt(*replacements))
    assert lost(result) == faults, reasons(result)
    assert any(said in reasons(result)[id] for id in faults), reasons(result)


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
    wrong = spoilt(*FAULTS["rolled by a place"][0])
    assert reasons(hand_in(wrong, seed=5)) == reasons(hand_in(wrong, seed=5)) != reasons(hand_in(wrong, seed=6))
