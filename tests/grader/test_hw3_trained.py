"""Deliverable 4 graded: a checkpoint is worth what its weights know, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from data_scripts import Dataset
from grader import result_cache, runner
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable4 import MEAN, STD, trained_resnet
from grader.checks.trained import Trial
from grader.declaration import Assignment, Budget
from grader.oracles.accuracy import Accuracy
from grader.progress import Progress
from grader.result import Result
from grader.runner import Options, grade
from grader.worker import Worker
from tests.grader.submissions import trained
from tests.grader.submissions.trained import BY_RULE, BY_TABLE, MODEL, TRAIN

pytestmark = pytest.mark.slow

WITHOUT = {"accuracy": "not-run", "mirrored": "not-run", "unseen": "not-run"}  # a network, or images that it knows
SMALL = Assignment("hw3", "small", (trained_resnet(epochs=2, trial=Trial(epochs=3, images=400)),))


@pytest.fixture(scope="module")
def tiles() -> Dataset:
    return trained.tiles()


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=2) as worker:
        yield worker


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(result_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))


@pytest.fixture
def hand_in(tmp_path, monkeypatch, worker, tiles):
    """Grades deliverable 4 of a submission with these files."""

    def graded(
        model: str = MODEL,
        train: str = TRAIN,
        state: dict | None = None,
        weights: str = "resnet.safetensors",
        data: Dataset | None = None,
        folder: str = "alice",
        **options,
    ) -> Result:
        place = tmp_path / folder / "deliverable3-5"
        place.mkdir(parents=True, exist_ok=True)
        (place / "model.py").write_text(model)
        (place / "train.py").write_text(train)
        if state is not None:
            save = save_file if weights.endswith(".safetensors") else torch.save
            save(state, place / weights)
        monkeypatch.setattr(runner, "load", lambda *args, **kwargs: data or tiles)
        options = Options(deliverables=(4,), seed=options.pop("seed", 1), **options)
        with Progress(Console(quiet=True)) as progress:
            return grade(SMALL, str(tmp_path / folder), options, worker, progress)

    return graded


@pytest.fixture(scope="module")
def honest(tiles) -> dict[str, torch.Tensor]:
    """The state dict of a network that was trained by the submission's own code."""
    names: dict = {}
    exec(MODEL, names)
    exec(TRAIN.replace("from model import MyResnet", ""), names)
    names["setup_seed"](0)
    net = names["MyResnet"]()
    images = torch.from_numpy(tiles.train_images).permute(0, 3, 1, 2)
    labels = torch.from_numpy(tiles.train_labels)
    names["train"](net, images, labels, 4, lambda *report: None)
    return net.state_dict()


def verdicts(result: Result) -> dict[str, str]:
    return {c.id.removeprefix("resnet_training."): c.verdict for c in result.deliverables[0].checks}


def reason(result: Result, name: str) -> str:
    return next(c.reason for c in result.deliverables[0].checks if c.id.endswith(name))


def lost(result: Result) -> dict[str, str]:
    return {name: verdict for name, verdict in verdicts(result).items() if verdict != "pass"}


def test_deliverable_4_is_worth_twenty_points():
    assert sum(check.points for check in HW3.deliverable(4).checks) == 20


@pytest.mark.parametrize("weights", ["resnet.safetensors", "resnet.pt", "resnet.pth"])
def test_a_checkpoint_that_knows_gets_everything(hand_in, honest, weights):
    result = hand_in(state=honest, weights=weights)
    assert lost(result) == {}, result.deliverables[0].checks
    assert "95 % interval" in reason(result, "accuracy")


def test_half_precision_and_a_wrapped_state_dict_are_read(hand_in, honest):
    half = {n: v.half() if v.is_floating_point() else v for n, v in honest.items()}
    result = hand_in(state={"epoch": 30, "state_dict": half}, weights="resnet.pt")
    assert lost(result) == {}


def test_without_a_checkpoint_what_needs_one_is_not_run(hand_in):
    result = hand_in()
    assert lost(result) == WITHOUT | {"network": "not-run"}
    assert "resnet.safetensors" in reason(result, "network")
    assert "--train" in reason(result, "network")


def test_a_checkpoint_of_another_network_is_told_what_does_not_fit(hand_in, honest):
    other = honest | {"linear.weight": torch.zeros(10, 99)}
    result = hand_in(state=other)
    assert lost(result) == WITHOUT | {"network": "fail"}
    assert "linear.weight" in reason(result, "network")


def test_code_in_a_checkpoint_is_not_run(hand_in, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    result = hand_in(state={"bomb": Bomb()}, weights="resnet.pt")
    assert lost(result) == WITHOUT | {"network": "fail"}
    assert not (tmp_path / "exploded").exists()


def test_two_checkpoints_are_one_too_many(hand_in, honest):
    hand_in(state=honest)
    result = hand_in(state=honest, weights="resnet.pt")
    assert verdicts(result)["network"] == "fail"
    assert "keep one of them" in reason(result, "network")


def test_a_file_of_gigabytes_is_not_read(hand_in, honest, tmp_path):
    hand_in(state=honest)
    with open(tmp_path / "alice" / "deliverable3-5" / "resnet.safetensors", "ab") as file:
        file.truncate(3 << 30)  # sparse
    result = hand_in()
    assert verdicts(result)["network"] == "fail"
    assert "MB" in reason(result, "network")


def test_a_network_that_knows_without_its_weights_fails_the_test_of_chance(hand_in, honest, tiles):
    result = hand_in(model=BY_RULE, state=honest)
    assert verdicts(result)["accuracy"] == "pass"
    assert verdicts(result)["chance"] == "fail"
    assert "in its weights" in reason(result, "chance")


def test_a_table_of_the_test_images_fails_on_mirrored_ones(hand_in, tiles):
    mean, std = (255 * torch.tensor(values).reshape(-1, 1, 1) for values in (MEAN, STD))
    images = (torch.from_numpy(tiles.test_images).permute(0, 3, 1, 2).float() - mean) / std
    keys = images.double().flatten(1) @ torch.linspace(0, 1, images[0].numel(), dtype=torch.float64)
    labels = torch.from_numpy(tiles.test_labels)
    state = {"keys": keys.float(), "answers": torch.nn.functional.one_hot(labels, 10).float()}
    result = hand_in(model=BY_TABLE, state=state)
    assert verdicts(result)["mirrored"] == "fail"
    assert verdicts(result)["unseen"] == "fail" and "trained on test images" in reason(result, "unseen")
    assert verdicts(result)["chance"] == "pass"


def test_an_untrained_checkpoint_misses_what_is_asked_for(hand_in, honest):
    random = {name: torch.rand_like(v) if v.is_floating_point() else v for name, v in honest.items()}
    result = hand_in(state=random)
    assert lost(result) == {"accuracy": "fail"}


def test_a_loop_that_does_not_train_is_seen(hand_in, honest):
    idle = TRAIN.replace("optimizer.step()", "pass")
    result = hand_in(train=idle, state=honest)
    assert lost(result) == {"learns": "fail"}


def test_a_checkpoint_is_not_judged_by_the_stand_in(hand_in, honest, tiles):
    result = hand_in(state=honest, data=replace(tiles, kind="synthetic"))
    assert lost(result) == WITHOUT | {"chance": "not-run"}
    assert result.data == "synthetic"


def test_a_whole_training_gets_everything(hand_in):
    result = hand_in(whole_training=Budget(epochs=4, minutes=5))
    assert lost(result) == {}, result.deliverables[0].checks
    assert len(result.deliverables[0].training.epochs) == 4


def test_a_whole_training_of_too_few_epochs_does_not_count(hand_in):
    result = hand_in(whole_training=Budget(epochs=1, minutes=5))
    assert verdicts(result)["network"] == "not-run"
    assert "2 epochs" in reason(result, "network")
    assert verdicts(result)["accuracy"] == "not-run"


def test_a_whole_training_ends_with_its_budget_of_minutes(hand_in):
    slow = TRAIN.replace("net.train()", "net.train(); import time; time.sleep(60 * (epoch > 1))")
    result = hand_in(train=slow, whole_training=Budget(epochs=2, minutes=0.2))
    assert verdicts(result)["learns"] == "timeout"
    assert verdicts(result)["network"] == "not-run"
    assert len(result.deliverables[0].training.epochs) == 1


def test_an_exact_repetition_is_kept_from_the_run_before(hand_in, honest):
    first = hand_in(state=honest).deliverables[0]
    again = hand_in(state=honest).deliverables[0]
    assert not first.kept
    assert again.kept
    assert again.checks == first.checks


@pytest.mark.parametrize("change", ["weights", "code", "seed", "data", "fresh"])
def test_whatever_a_result_rests_on_is_graded_anew(hand_in, honest, tiles, change):
    hand_in(state=honest)
    state = honest | {"linear.bias": honest["linear.bias"] + 1} if change == "weights" else honest
    result = hand_in(
        train=TRAIN + "# another line\n" if change == "code" else TRAIN,
        state=state,
        data=replace(tiles, digest="sha256:other") if change == "data" else tiles,
        seed=2 if change == "seed" else 1,
        fresh=change == "fresh",
    )
    assert not result.deliverables[0].kept


def test_the_interval_is_wilsons():
    # (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n), by hand for 85 of 100
    assert Accuracy(85, 100).interval == pytest.approx((0.7672, 0.9069), abs=5e-5)
    assert Accuracy(10, 10).interval[1] == pytest.approx(1)


def test_near_the_threshold_the_verdict_says_so():
    assert "could turn the verdict" in Accuracy(8530, 10_000).against(0.85)
    assert "could turn the verdict" not in Accuracy(9000, 10_000).against(0.85)
