"""The record of a run, and the scripts that write it: HW3's and EEE7331's."""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import data_scripts
from data_scripts import Dataset
from reference.training.batches import pictures
from reference.training.compute import FLOAT32_CPU
from reference.training.history import Epoch, History
from reference.training.loop import predict
from reference.training.record import proportion, record, write
from reference.training.weights import load_into
from tests.training.scripts import eee7331_train, hw3_train


@pytest.fixture
def data():
    """70 and 30 images of 10 classes, which their brightness tells apart."""
    generator = np.random.default_rng(0)

    def images(count):
        labels = np.arange(count) % 10
        noise = generator.integers(0, 20, (count, 32, 32, 3))
        return (noise + 22 * labels[:, None, None, None]).astype(np.uint8), labels

    (train_images, train_labels), (test_images, test_labels) = images(70), images(30)
    return Dataset(
        "cifar10", "synthetic", "blots", train_images, train_labels, test_images, test_labels,
        tuple("abcdefghij"), "sha256:0",
    )  # fmt: skip


# ------------------------------------------------------------------------------- proportion
@pytest.mark.parametrize(
    ("correct", "images", "low", "high"),
    # The last one is published: Newcombe, Statistics in Medicine 17, 1998, table I, method 3.
    [(8500, 10_000, 0.8429, 0.8569), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilsons(correct, images, low, high):
    found = proportion(correct, images)
    assert found["share"] == correct / images
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("correct", "images"), [(11, 10), (0, 0), (-1, 10)])
def test_impossible_counts_are_refused(correct, images):
    with pytest.raises(ValueError):
        proportion(correct, images)


# ------------------------------------------------------------------------------- record
@pytest.fixture
def facts(data, tmp_path):
    weights = tmp_path / "net.safetensors"
    weights.write_bytes(b"numbers")
    return {
        "command": "python train.py", "seed": 3, "settings": {"batch_size": 128}, "compute": FLOAT32_CPU,
        "data": data, "weights": weights, "correct": 9, "images": 10,
        "train_correct": 13, "train_images": 20,
    }  # fmt: skip


HISTORY = History([Epoch(1.5, 0.4, 1.6, 0.35, 12.25), Epoch(1.0, 0.6, 1.2, 0.55, 11.0)])


def test_a_record_says_what_was_run_where_on_what_and_what_came_out(facts, tmp_path):
    path = tmp_path / "new" / "record.json"
    write(record(HISTORY, **facts), path)
    found = json.loads(path.read_text())
    assert (found["command"], found["seed"], found["settings"]) == ("python train.py", 3, {"batch_size": 128})
    assert found["accuracy"]["share"] == 0.9
    assert (found["training_accuracy"]["share"], found["training_accuracy"]["images"]) == (0.65, 20)
    assert found["seconds"] == pytest.approx(23.25, abs=0.06)
    assert found["curve"][1] == {
        "train_loss": 1.0, "train_accuracy": 0.6, "val_loss": 1.2, "val_accuracy": 0.55, "seconds": 11.0,
    }  # fmt: skip
    assert found["compute"] == "cpu, float32" and "cores" in found["hardware"]
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["data"] == {"kind": "synthetic", "source": "blots", "digest": "sha256:0"}
    assert found["weights"] == {
        "file": "net.safetensors", "sha256": hashlib.sha256(b"numbers").hexdigest(), "bytes": 7,
    }  # fmt: skip


def test_no_path_of_the_machine_is_in_a_record(facts, tmp_path):
    assert str(tmp_path) not in json.dumps(record(HISTORY, **facts))


def test_a_run_without_epochs_has_no_record(facts):
    with pytest.raises(ValueError, match="expected at least one epoch"):
        record(History(), **facts)


def test_a_loss_that_json_has_not_is_refused_and_nothing_written(facts, tmp_path):
    endless = History([replace(HISTORY.epochs[0], val_loss=float("inf"))])
    with pytest.raises(ValueError):
        write(record(endless, **facts), tmp_path / "record.json")
    assert not (tmp_path / "record.json").exists()


# ------------------------------------------------------------------------------- the script
@pytest.fixture
def script(data, monkeypatch, tmp_path, capsys):
    """HW3's script on 70 images and a net of two layers, as a function of its options; what it printed."""
    train = hw3_train()
    monkeypatch.setattr(data_scripts, "load", lambda name: data)
    monkeypatch.setattr(train, "fastest", lambda: FLOAT32_CPU)
    monkeypatch.setattr(
        train,
        "MyResnet",
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)),
    )

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["train.py", "--directory", str(tmp_path / "run"), *options])
        train.main()
        return capsys.readouterr().out

    run.module, run.folder = train, tmp_path / "run"
    return run


def correct_by(path, script, data) -> int:
    """How many validation images the network of a file recognises."""
    net = script.module.MyResnet()
    load_into(net, path)
    normalise = script.module.Normalise(script.module.MEAN, script.module.STD)
    logits = predict(net, pictures(data.test_images), transform=normalise)
    return int((logits.argmax(1).numpy() == data.test_labels).sum())


def test_a_finished_run_is_recorded_later_without_training(script, data):
    weights, path = script.folder / "resnet.safetensors", script.folder / "resnet.json"
    trained = script("--epochs", "6")
    before = weights.read_bytes()
    assert trained.count("epoch ") == 6 and not path.exists()
    resumed = script("--epochs", "6", "--record")
    assert "epoch " not in resumed
    assert weights.read_bytes() == before
    found = json.loads(path.read_text())
    assert found["weights"]["sha256"] == hashlib.sha256(before).hexdigest()
    assert [f"{epoch['val_accuracy']:.2%}" in trained for epoch in found["curve"]] == [True] * 6
    assert found["command"] == "python train.py --epochs 6 --seed 0 --record"
    assert found["settings"]["batch_size"] == script.module.Recipe().batch_size
    assert (found["accuracy"]["images"], found["training_accuracy"]["images"]) == (30, 70)
    assert found["accuracy"]["correct"] == correct_by(weights, script, data)


def test_the_recorded_accuracy_is_that_of_the_file_and_not_of_the_net_in_memory(script, monkeypatch):
    """A file of zeros, whatever was trained, has the same logits for all classes: the first one wins."""

    def zeros(net, path):
        emptied = {name: torch.zeros(value.shape).half() for name, value in net.state_dict().items()}
        path.write_bytes(safetensors.torch.save(emptied))

    monkeypatch.setattr("reference.training.run.save_half", zeros)
    script("--epochs", "6", "--record")
    found = json.loads((script.folder / "resnet.json").read_text())
    assert found["accuracy"]["correct"] == 3
    assert found["curve"][-1]["val_accuracy"] != 0.1


def test_the_curves_are_drawn_beside_the_weights(script):
    script("--epochs", "1")
    assert (script.folder / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def parts(data, monkeypatch, tmp_path, capsys):
    """EEE7331's script on 70 images and the real networks, as a function of its options; what it printed."""
    train = eee7331_train()
    monkeypatch.setattr(data_scripts, "load", lambda name: data)
    monkeypatch.setattr(train, "fastest", lambda: FLOAT32_CPU)

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["train.py", "--directory", str(tmp_path / "run"), *options])
        train.main()
        return capsys.readouterr().out

    run.folder = tmp_path / "run"
    return run


@pytest.mark.parametrize("part", ["a", "b"])
def test_a_part_of_eee7331_is_recorded_under_its_name_and_measured_on_the_test_set(parts, part):
    printed = parts("--part", part, "--epochs", "2", "--seed", "5", "--record")
    assert printed.count("test: loss") == 2
    found = json.loads((parts.folder / f"part_{part}.json").read_text())
    weights = (parts.folder / f"part_{part}.safetensors").read_bytes()
    assert found["weights"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert found["command"] == f"python train.py --part {part} --layers own --epochs 2 --seed 5 --record"
    assert (found["settings"]["part"], found["settings"]["layers"], len(found["curve"])) == (part, "own", 2)
    assert found["compute"] == "cpu, float32"
    assert (found["accuracy"]["images"], found["training_accuracy"]["images"]) == (30, 70)


def test_another_part_or_other_layers_do_not_go_on_from_a_checkpoint(parts):
    parts("--epochs", "1")
    for other in (("--part", "b"), ("--layers", "torch")):
        with pytest.raises(ValueError, match="of another run"):
            parts("--epochs", "1", *other)
