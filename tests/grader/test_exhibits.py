"""Exhibits: the grader's own numbers, gathered only on demand, and no verdict hangs on them."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from data_scripts import Dataset
from data_scripts.digits import generate
from grader import runner
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable6 import IMPROVED, TARGETED, UNTARGETED
from grader.bench import Judged
from grader.declaration import Assignment, Deliverable, Gathering, Outcome
from grader.exhibits import evasion, training
from grader.exhibits.gather import gather
from grader.exhibits.kinds import Curves, Missing, Pictures, Rates
from grader.progress import Progress
from grader.runner import Options, grade
from grader.selfcheck.submissions.deliverable6 import ATTACK
from grader.worker import Worker, WorkerFailure
from grader.worker.forbid import Rules
from tests.grader.test_report import training as trained

EPSILONS = (8, 64)


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=1) as worker:
        yield worker


@pytest.fixture(scope="module")
def few_digits() -> Dataset:
    names = tuple(str(digit) for digit in range(10))
    return Dataset("mnist", "synthetic", "few digits", *generate(0, 10, 240), names, "0" * 64)


@pytest.fixture
def exhibits(tmp_path, monkeypatch, worker, few_digits):
    """What a submission's attack.py gives to show, without any check."""
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: few_digits)
    monkeypatch.setattr(evasion, "IMAGES", 12)
    monkeypatch.setattr(evasion, "SHOWN", 3)

    def shown(text: str, *, asked: bool = True):
        place = tmp_path / "alice" / "deliverable6"
        place.mkdir(parents=True, exist_ok=True)
        (place / "attack.py").write_text(text)
        gatherings = (
            Gathering("rates", evasion.rates("Untargeted", UNTARGETED, epsilons=EPSILONS)),
            Gathering("pictures", evasion.pictures(UNTARGETED, epsilons=EPSILONS)),
        )
        deliverable = replace(HW3.deliverable(6), checks=(), exhibits=gatherings)
        options = Options(deliverables=(6,), seed=1, data="synthetic", exhibits=asked)
        with Progress(Console(quiet=True)) as progress:
            graded = grade(Assignment("hw3", "", (deliverable,)), str(tmp_path / "alice"), options, worker, progress)
        return graded.deliverables[0].exhibits

    return shown


def test_curves_and_pictures_are_those_of_the_attack(exhibits):
    rates, *pictures = exhibits(ATTACK)
    assert isinstance(rates, Rates)
    assert [(curve.series, curve.against, curve.ended) for curve in rates.curves] == [
        ("untargeted_attack", "model A", ""),
        ("untargeted_attack", "model B", ""),
    ]
    for curve in rates.curves:
        assert [(point.at, point.of) for point in curve.points] == [(0, 12), (8, 12), (64, 12)]
    first = rates.curves[0].points
    assert first[-1].reached > first[0].reached + 6  # most are misled at 64, few as they are
    shown = pictures[0]
    assert isinstance(shown, Pictures)
    originals, adversarial, differences = (row.pictures for row in shown.rows)
    for before, after, difference in zip(originals, adversarial, differences, strict=True):
        assert before.caption != after.caption
        pixels, changed, enlarged = (
            torch.frombuffer(bytearray(cell.picture.pixels), dtype=torch.uint8).int()
            for cell in (before, after, difference)
        )
        epsilon = int(shown.title.split()[-1])
        assert 0 < (changed - pixels).abs().max() <= epsilon
        assert torch.equal(enlarged, 128 + 127 // epsilon * (changed - pixels))


def test_pictures_lie_as_a_human_reads_them(exhibits, few_digits):
    _, shown, *_ = exhibits(ATTACK)
    known = {image.tobytes() for image in few_digits.test_images}
    assert all(cell.picture.pixels in known for cell in shown.rows[0].pictures)


def test_nothing_is_gathered_that_was_not_asked_for(exhibits):
    assert exhibits(ATTACK, asked=False) == []


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("return (x + 2 * epsilon).clamp(0, 255)", "farther than"),
        ("return x", "0 backward passes"),
        ("raise ValueError('<b>no</b>')", "ValueError: <b>no</b>"),
        ("import os; os._exit(3)", "ε = 8: error:"),
    ],
)
def test_an_attack_that_breaks_the_rules_has_no_rate(exhibits, attack, said):
    rates, *pictures = exhibits(f"{ATTACK}\ndef untargeted_attack(model, x, y, epsilon):\n    {attack}\n")
    for curve in rates.curves:
        assert said in curve.ended
        assert [point.at for point in curve.points] == [0]  # which the grader measures itself
    assert all(isinstance(exhibit, Missing) for exhibit in pictures)


def test_an_attack_that_misleads_nobody_has_no_pictures(exhibits):
    weak = "gradient = torch.autograd.grad(model(x.requires_grad_()).sum(), x)[0]; return x.detach() + 0 * gradient"
    rates, *pictures = exhibits(f"{ATTACK}\ndef untargeted_attack(model, x, y, epsilon):\n    x = x.clone(); {weak}\n")
    assert not any(curve.ended for curve in rates.curves)
    assert [exhibit.note for exhibit in pictures] == ["no image was misled at ε up to 64"] * 2


class Still(Progress):
    """Shows nothing."""

    def __init__(self):
        super().__init__(Console(quiet=True))
        self.deliverable("", 1)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (Judged(Outcome("not-run", "there is no checkpoint")), "there is no checkpoint"),
        (WorkerFailure("timeout", "no answer within 3 s"), "timeout: no answer within 3 s"),
        (RuntimeError("ours"), "the grader itself failed: RuntimeError: ours"),
    ],
)
def test_what_cannot_be_had_says_why_and_costs_nothing_else(raised, reason, capsys):
    def fails(bench):
        raise raised

    granted = []
    bench = SimpleNamespace(grant=granted.append)
    asked = [Gathering("maps", fails, 7), Gathering("more", lambda bench: [Missing("more", "x")])]
    shown = gather(bench, asked, Still())
    assert shown == [Missing("maps", reason), Missing("more", "x")]
    assert granted == [7, 300.0]


# ------------------------------------------------------------------- deliverable 4
EPOCH = {"train_loss": 2.0, "train_accuracy": 0.3, "val_loss": 1.9, "val_accuracy": 0.35, "seconds": 60}


@pytest.fixture
def bench(tmp_path):
    """A bench with a checkpoint, of which the record is the test's."""
    weights = tmp_path / "resnet.safetensors"
    weights.write_bytes(b"numbers")
    return SimpleNamespace(whole_training=None, weights=lambda: weights, shared={}, folder=tmp_path)


def test_a_record_is_shown_as_the_submissions_own_words(bench):
    said = {"curve": [EPOCH, EPOCH], "seed": 3, "weights": {"sha256": "0"}}
    (bench.folder / "resnet.json").write_text(json.dumps(said))
    (shown,) = training.record(bench)
    assert isinstance(shown, Curves) and shown.claimed
    assert [curve.values for curve in shown.curves] == [[2.0, 2.0], [1.9, 1.9], [0.3, 0.3], [0.35, 0.35]]
    assert "not that of resnet.safetensors" in shown.note


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"curve": []}', json.dumps({"curve": [EPOCH | {"val_accuracy": 35}]}),
        json.dumps({"curve": [EPOCH] * 1001}), '{"curve": [{"train_loss": NaN}]}', " " * (2 << 20),
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)  # fmt: skip
def test_a_record_that_is_none_is_not_shown(bench, content):
    file = bench.folder / "resnet.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    (shown,) = training.record(bench)
    assert isinstance(shown, Missing) and shown.note.startswith("resnet.json")


def test_without_a_record_the_page_says_what_to_do(bench):
    (bench.folder / "resnet.json").symlink_to(bench.folder / "elsewhere")
    (shown,) = training.record(bench)
    assert "--train" in shown.note


def test_the_trial_is_shown_as_the_grader_measured_it(bench):
    (missing,) = training.trial(bench)
    assert isinstance(missing, Missing)
    bench.shared["measured"] = trained(3)
    (shown,) = training.trial(bench)
    assert not shown.claimed and shown.required is None
    assert len(shown.curves) == 4 and len(shown.curves[0].values) == 3


def test_hw3_shows_what_the_assignment_asks_to_hand_in():
    assert {deliverable.number for deliverable in HW3.deliverables if deliverable.exhibits} == {4, 5, 6}
    assert (TARGETED.digit, IMPROVED.target) == (1, 8)
    assert Deliverable(1, "", "", (), "", Rules(), ()).exhibits == ()
