"""EEE7331 question 1 in the reference: its set-up as it is written down, and the comparison of its two parts."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from reference.training import cycle
from tests.training.scripts import eee7331_train

FOLDER = Path(__file__).resolve().parents[2] / "reference/eee7331/assignment1/question1"


def test_the_setup_in_table_form_is_what_is_trained_with(monkeypatch):
    """setup.md against the optimiser and the schedule that `train` makes."""
    train, seen = eee7331_train(), {}
    monkeypatch.setattr(cycle, "fit_resumably", lambda net, batches, optimizer, **more: seen.update(more, by=optimizer))
    net = train.CustomCNN()
    train.train(net, torch.zeros(600, 3, 32, 32, dtype=torch.uint8), torch.zeros(600, dtype=torch.long), 20, print)
    (group,), schedule = seen["by"].param_groups, seen["schedule"]
    rates, betas = [], []
    for _ in range(schedule.total_steps):
        rates.append(group["lr"])
        betas.append(group["betas"][0])
        seen["by"].step()
        if len(rates) < schedule.total_steps:
            schedule.step()
    lines = (FOLDER / "setup.md").read_text().splitlines()
    told = dict(line.strip("| ").split(" | ") for line in lines if line.startswith("|") and "---" not in line)
    assert (rates[0], max(rates), rates[-1]) == pytest.approx((8e-5, 2e-3, 8e-9))
    assert "from 8·10⁻⁵ up to 2·10⁻³ over the first 20 %" in told["learning rate schedule"]
    assert "then down to 8·10⁻⁹" in told["learning rate schedule"]
    assert rates.index(max(rates)) == pytest.approx(0.2 * len(rates), abs=1.5)
    assert (betas[0], min(betas), betas[-1]) == pytest.approx((0.95, 0.85, 0.95))
    assert told["momentum"].startswith("β₁ cycled: 0.95 at the start and the end, 0.85")
    assert told["weight decay"].startswith(f"{group['weight_decay']:g},")
    (rate,) = [part.p for part in net.modules() if isinstance(part, torch.nn.Dropout)]
    assert told["dropout rate"].startswith(f"{rate:g},")
    assert told["batch size"].startswith(f"{train.Recipe().batch_size},")
    assert told["number format"] == "float32" and seen["compute"].dtype == torch.float32
    assert f"crops of {100 * train.Recipe().least_crop:.0f} to 100 % of the area" in told["data augmentation"]


@pytest.fixture
def compare(monkeypatch):
    """compare.py, imported beside its own `model`."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "model", raising=False)
    spec = importlib.util.spec_from_file_location("compare_of_test", FOLDER / "compare.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "compare_of_test", module)  # where dataclasses look for it
    spec.loader.exec_module(module)
    model = sys.modules.pop("model")
    monkeypatch.setitem(sys.modules, "model", model)  # taken away after the test, as whatever was there comes back
    return module


@pytest.fixture
def run_of(tmp_path):
    """Writes the record of a run; its directory."""

    def written(part: str, seed: int, *, test: float = 0.8, seconds: float = 10.0, **other) -> Path:
        epochs = [
            {"train_loss": 2 / n, "train_accuracy": 0.3, "val_loss": 2.1 / n, "val_accuracy": test, "seconds": seconds}
            for n in (1, 2)
        ]
        record = {
            "seed": seed, "settings": {"part": part}, "epochs": 2, "data": {"source": "blots"}, "hardware": "a machine",
            "compute": "cpu, float32", "accuracy": {"share": test}, "training_accuracy": {"share": 0.9},
            "curve": epochs,
        } | other  # fmt: skip
        directory = tmp_path / f"{part}{seed}"
        directory.mkdir()
        (directory / f"part_{part}.json").write_text(json.dumps(record))
        return directory

    return written


def test_weights_work_accuracies_and_times_stand_side_by_side(compare, run_of, tmp_path, capsys):
    a = [run_of("a", 0, test=0.80), run_of("a", 1, test=0.82)]
    b = [run_of("b", 0, test=0.75, seconds=5), run_of("b", 1, test=0.75, seconds=5)]
    compare.main(["--part-a", *map(str, a), "--part-b", *map(str, b), "--out", str(tmp_path / "out")])
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert capsys.readouterr().out == page
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    # 94,784 = 2,432 + 18,496 + 73,856; 13,824 = 2,432 + 320 + 2,112 + 640 + 8,320; 1.41 points: √2 / 2 · 2
    assert rows[2][1:] == ["676,294", "94,784", "10,500,872", "90.00 ± 0.00 %", "81.00 ± 1.41 %", "10.0"]
    assert rows[3][1:] == ["595,334", "13,824", "3,696,232", "90.00 ± 0.00 %", "75.00 ± 0.00 %", "5.0"]
    for name in ("part_a", "part_b", "comparison"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_costs_of_part_b_are_shares_of_part_as(compare, run_of):
    a, b = compare.part("A", [run_of("a", 0)]), compare.part("B", [run_of("b", 0)])
    shares = compare.relative_costs(a, b)
    assert shares["weights"] == pytest.approx(595_334 / 676_294)
    assert shares["multiply-adds"] == pytest.approx(3_696_232 / 10_500_872)


def test_runs_of_several_machines_name_them_all(compare, run_of):
    a, b = compare.part("A", [run_of("a", 0)]), compare.part("B", [run_of("b", 0, hardware="another", epochs=3)])
    page = compare.as_markdown([a, b])
    assert "2 or 3 epochs" in page and "a machine or another, cpu, float32." in page


def test_one_seed_has_no_standard_deviation(compare):
    assert compare.spread([0.8123]) == "81.23 % (one seed)"


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"seed": 0}, "one seed twice"),
        ({"seed": 1, "epochs": 3}, "other settings"),
        ({"seed": 1, "settings": {}}, "other settings"),
    ],
)
def test_runs_that_are_not_repetitions_are_refused(compare, run_of, tmp_path, second, words):
    first = run_of("a", 0)
    record = json.loads((first / "part_a.json").read_text()) | second
    other = tmp_path / "other"
    other.mkdir()
    (other / "part_a.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=words):
        compare.part("A", [first, other])


def test_a_missing_record_is_named_with_the_command_that_writes_it(compare, tmp_path):
    with pytest.raises(ValueError, match=r"part_b\.json, found none; .*: python train\.py --part b --record"):
        compare.part("B", [tmp_path])
