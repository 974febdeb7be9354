"""EEE7331's assignment 1 graded: right networks in any style get everything, each fault loses the check that names it."""

from dataclasses import replace

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from grader import result_cache, runner
from grader.assignments.eee7331_a1 import EEE7331_A1
from grader.assignments.eee7331_a1.networks import PART_A, PART_B
from grader.assignments.eee7331_a1.parts import trained
from grader.checks.trained import Trial
from grader.declaration import Assignment, Budget
from grader.oracles import plain_cnn
from grader.progress import Progress
from grader.result import Result
from grader.runner import Options, grade
from grader.stubs import ROOT
from grader.worker import Worker
from tests.grader.submissions.eee7331 import BY_HAND, MODEL, NORMALISED, TABLE_A, TABLE_B, TRAIN
from tests.grader.submissions.trained import tiles

OBSERVED = {"passes", "cleared", "logits", "reports"}
SMALL = replace(
    EEE7331_A1,
    deliverables=(
        EEE7331_A1.deliverable(1),
        trained(2, "A", PART_A, required=0.7, trial=Trial(epochs=2, images=300)),
        EEE7331_A1.deliverable(3),
        trained(4, "B", PART_B, required=0.6, trial=Trial(epochs=2, images=300)),
    ),
)


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=2) as worker:
        yield worker


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(result_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))


@pytest.fixture
def hand_in(tmp_path, monkeypatch, worker):
    """Grades deliverables of a submission with these files."""

    def graded(*deliverables: int, assignment: Assignment = SMALL, state: dict | None = None, **files: str) -> Result:
        place = tmp_path / "alice" / "question1"
        place.mkdir(parents=True, exist_ok=True)
        given = {"model.py": MODEL, "part_a.csv": TABLE_A, "part_b.csv": TABLE_B}
        budget = files.pop("budget", None)
        for name, text in (given | {name.replace("__", "."): text for name, text in files.items()}).items():
            if text:
                (place / name).write_text(text)
        if state is not None:
            save_file(state, place / f"part_{'a' if 2 in deliverables else 'b'}.safetensors")
        monkeypatch.setattr(runner, "load", lambda *args, **kwargs: tiles())
        options = Options(deliverables=deliverables, seed=1, whole_training=budget)
        with Progress(Console(quiet=True)) as progress:
            return grade(assignment, str(tmp_path / "alice"), options, worker, progress)

    return graded


def lost(result: Result) -> dict[str, str]:
    checks = [check for run in result.counted for check in run.checks if check.verdict != "pass"]
    return {check.id: check.reason for check in checks}


def names(result: Result) -> set[str]:
    """What was lost, by the last part of its name."""
    return {check.split(".", 1)[1] for check in lost(result)}


# ------------------------------------------------------------------- networks and tables
def test_the_deliverables_are_worth_a_hundred_points():
    assert sum(check.points for run in EEE7331_A1.deliverables for check in run.checks) == 100


def test_the_networks_have_the_texts_known_totals():
    assert (PART_A.parameter_count, PART_B.parameter_count) == (676_294, 595_334)
    assert (PART_A.flat, PART_B.flat) == (1_152, 1_152)


LAZY = MODEL.replace("nn.Linear(1152, 500)", "nn.LazyLinear(500)")


@pytest.mark.parametrize(
    "model", [MODEL, NORMALISED, BY_HAND, LAZY], ids=["plain", "normalised", "by hand", "lazy"]
)
def test_right_networks_in_any_style_get_everything(hand_in, model):
    result = hand_in(1, 3, model__py=model)
    assert lost(result) == {}
    assert result.points == 56


@pytest.mark.parametrize(
    "activation", ["F.gelu", "torch.tanh", "F.silu", "(lambda x: F.leaky_relu(x, 0.2))", "(lambda x: x)"]
)
def test_behind_the_hidden_layer_the_choice_is_free(hand_in, activation):
    model = MODEL.replace("F.relu(self.fc(x.flatten(1)))", f"{activation}(self.fc(x.flatten(1)))")
    assert lost(hand_in(1, model__py=model)) == {}


def test_a_convolution_without_bias_in_front_of_a_normalisation_is_told_so(hand_in):
    model = NORMALISED.replace("padding=1), nn.BatchNorm2d(filters", "padding=1, bias=False), nn.BatchNorm2d(filters")
    result = hand_in(1, model__py=model)
    assert names(result) == {"parameters", "values"}
    assert "in front of a batch normalisation has its bias, too" in lost(result)["partA.parameters"]


def test_a_normalisation_that_shifts_at_first_is_told_so(hand_in):
    model = NORMALISED.replace("nn.BatchNorm1d(500)", "shifted(nn.BatchNorm1d(500))")
    model += "\n\ndef shifted(norm):\n    nn.init.constant_(norm.bias, 0.1)\n    return norm\n"
    result = hand_in(1, model__py=model)
    assert names(result) == {"values"}
    assert "cannot be told which vectors are the biases" in lost(result)["partA.values"]


def test_normalisation_by_the_batch_is_no_layer_that_can_be_compared(hand_in):
    without = "nn.BatchNorm2d(filters, track_running_stats=False)"
    model = NORMALISED.replace("nn.BatchNorm2d(filters, eps=1e-3)", without)
    assert names(hand_in(1, model__py=model)) == {"values"}


@pytest.mark.parametrize(
    ("number", "change", "expected", "said"),
    [
        (1, {"part_a__csv": TABLE_A.replace("64/3x3/1/1", "64/3x3/2/1")}, {"table.settings"}, "Conv2-1"),
        (1, {"part_a__csv": TABLE_A.replace("7x7x64", "8x8x64")}, {"table.feature_maps"}, "Pool-2"),
        (1, {"part_a__csv": TABLE_A.replace("73856", "73728")}, {"table.weights"}, "without the biases"),
        (3, {"part_b__csv": TABLE_B.replace("7200\nConv2-pw", "7201\nConv2-pw")}, {"table.neurons"},
         "Conv2-dw, #neurons"),
        (3, {"part_b__csv": TABLE_B.replace("595334", "595333")}, {"table.totals"}, "Total, #weights"),
        (1, {"part_a__csv": "no table"},
         {f"table.{name}" for name in ("settings", "feature_maps", "weights", "neurons", "totals")},
         "a row 'no table'"),
    ],
)  # fmt: skip
def test_a_wrong_cell_loses_its_column(hand_in, number, change, expected, said):
    result = hand_in(number, **change)
    assert names(result) == expected
    assert all(said in reason for reason in lost(result).values())


def test_a_missing_table_and_one_that_is_a_link_are_not_there(hand_in, tmp_path):
    (tmp_path / "elsewhere").write_text(TABLE_A)
    (tmp_path / "alice/question1").mkdir(parents=True)
    (tmp_path / "alice/question1/part_a.csv").symlink_to(tmp_path / "elsewhere")
    result = hand_in(1, part_a__csv="")
    assert len(lost(result)) == 5
    assert all("there is no part_a.csv: expected question1/part_a.csv" in reason for reason in lost(result).values())


def test_the_table_is_among_the_files_that_a_result_names(hand_in):
    assert {"question1/model.py", "question1/part_a.csv"} <= set(hand_in(1).conditions.files)


def test_the_students_stubs_earn_nothing(worker, monkeypatch):
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: tiles())
    monkeypatch.setattr(runner, "REFERENCE", ROOT / "none")  # nothing to swap in
    with Progress(Console(quiet=True)) as progress:
        result = grade(SMALL, str(ROOT / "student"), Options(deliverables=(1, 2, 3, 4), seed=1), worker, progress)
    assert result.earned == 0
    assert any("not filled in" in check.reason for check in result.deliverables[0].checks)


# ------------------------------------------------------------------- the description
def test_hints_name_the_slip_whose_size_was_found():
    found = {str(place): shape for place, shape in enumerate(PART_A.shapes())}
    slips = {2048: "pooling that rounds up", 512: "no padding in stage 3", 6272: "no pooling in stage 3"}
    for flat, said in slips.items():
        place = next(place for place, shape in found.items() if shape == (500, 1152))
        assert said in plain_cnn.hint(PART_A, found | {place: (500, flat)})
    assert plain_cnn.hint(PART_A, found) == ""


# ------------------------------------------------------------------- trained
@pytest.fixture(scope="module")
def honest() -> dict[str, dict[str, torch.Tensor]]:
    """State dicts of both networks, trained by the submission's own code."""
    names: dict = {}
    exec(MODEL, names)
    exec(TRAIN, names)
    data = tiles()
    images = torch.from_numpy(data.train_images).permute(0, 3, 1, 2)
    states = {}
    for network in ("CustomCNN", "SeparableCNN"):
        names["setup_seed"](0)
        net = names[network]()
        names["train"](net, images, torch.from_numpy(data.train_labels), 3, lambda *report: None)
        states[network] = net.state_dict()
    return states


@pytest.mark.slow
@pytest.mark.parametrize(("number", "network"), [(2, "CustomCNN"), (4, "SeparableCNN")])
def test_a_checkpoint_that_knows_gets_everything(hand_in, honest, number, network):
    result = hand_in(number, train__py=TRAIN, state=honest[network])
    assert lost(result) == {}
    assert "test images: " in next(c.reason for c in result.counted[0].checks if c.id.endswith("accuracy"))


@pytest.mark.slow
def test_a_wrong_table_does_not_grade_the_training_on_another_network(hand_in, honest):
    result = hand_in(1, 2, train__py=TRAIN, state=honest["CustomCNN"], part_a__csv="none")
    assert len(result.deliverables) == 2
    assert not result.deliverables[0].passed and result.deliverables[1].passed


@pytest.mark.slow
def test_without_a_training_script_the_checkpoint_still_counts(hand_in, honest, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "REFERENCE", tmp_path / "none")
    result = hand_in(2, state=honest["CustomCNN"])
    assert names(result) == {"seed", "learns", *OBSERVED}


@pytest.mark.slow
def test_a_whole_training_gets_everything(hand_in):
    result = hand_in(4, train__py=TRAIN, budget=Budget(epochs=3, minutes=5))
    assert lost(result) == {}
    assert len(result.counted[0].training.epochs) == 3
