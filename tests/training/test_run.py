"""A run from the first epoch to the files, of any network and any `train`."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from data_scripts import Dataset
from reference.training.batches import Batches, pictures
from reference.training.compute import FLOAT32_CPU
from reference.training.loop import predict
from reference.training.resumable import fit_resumably
from reference.training.run import Run, carry_out, parser
from reference.training.weights import load_into

EPOCHS = 3
GENERATOR = np.random.default_rng(1)
IMAGES, LABELS = GENERATOR.integers(0, 256, (40, 4, 6, 3), np.uint8), GENERATOR.integers(0, 4, 40)
DATA = Dataset("blots", "synthetic", "some blots", IMAGES, LABELS, IMAGES[:10], LABELS[:10], tuple("abcd"), "sha256:1")
TRAINING, VALIDATION = (
    (pictures(images), torch.from_numpy(labels)) for images, labels in ((IMAGES, LABELS), (IMAGES[:10], LABELS[:10]))
)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def train(net, images, labels, epochs, on_epoch, *, compute, checkpoint, killed_after=None):
    """Plain gradient descent that forgets to leave, if asked, after an epoch was reported."""

    def report(epoch: int, *means: float) -> None:
        on_epoch(epoch, *means)
        if epoch == killed_after:
            raise Killed

    compute.place(net)
    batches = Batches(compute.images(images), labels, batch_size=16, transform=lambda batch: batch.float() / 255)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    fit_resumably(
        net, batches, optimizer, epochs=epochs, schedule=schedule, compute=compute, on_epoch=report,
        checkpoint=checkpoint,
    )  # fmt: skip


def build() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))


def carried_out(directory, *, recorded=False, epochs=EPOCHS, **more):
    run = Run(
        name="blot", title="blots", directory=directory, command="python blot.py", epochs=epochs, seed=3,
        settings={"lr": 0.5}, compute=FLOAT32_CPU, data=DATA, normalise=lambda images: images.float() / 255,
        measured_on="test",
    )  # fmt: skip
    torch.manual_seed(run.seed)
    return carry_out(
        run, build, lambda *given, **named: train(*given, **named, **more), training=TRAINING, validation=VALIDATION,
        recorded=recorded,
    )  # fmt: skip


def curve(history) -> list[tuple[float, ...]]:
    """Without the seconds."""
    return [(e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy) for e in history.epochs]


def test_every_epoch_is_measured_on_the_second_set_and_told_with_the_time_that_is_left(tmp_path, capsys):
    history = carried_out(tmp_path)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == len(history.epochs) == EPOCHS
    for number, (line, epoch) in enumerate(zip(lines, history.epochs, strict=True), 1):
        assert f"epoch {number}/{EPOCHS}  training loss {epoch.train_loss:.4f}" in line
        assert f"test: loss {epoch.val_loss:.4f}, accuracy {epoch.val_accuracy:.2%}" in line
        assert "min left" in line


def test_the_last_measure_is_that_of_the_net_that_is_saved(tmp_path):
    history = carried_out(tmp_path)
    net = build()
    load_into(net, tmp_path / "blot.safetensors")
    logits = predict(net, VALIDATION[0].float() / 255)
    loss = nn.functional.cross_entropy(logits, VALIDATION[1]).item()
    assert history.epochs[-1].val_loss == pytest.approx(loss, abs=5e-3)  # of half precision
    assert history.epochs[-1].val_loss != pytest.approx(history.epochs[0].val_loss, abs=5e-3)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_killed_run_ends_like_one_that_was_not(tmp_path, epoch):
    whole = carried_out(tmp_path / "whole")
    with pytest.raises(Killed):
        carried_out(tmp_path / "killed", killed_after=epoch)
    assert not (tmp_path / "killed" / "blot.safetensors").exists()
    again = carried_out(tmp_path / "killed")
    assert curve(again) == curve(whole)
    one, other = (tmp_path / name / "blot.safetensors" for name in ("whole", "killed"))
    assert one.read_bytes() == other.read_bytes()


def test_a_record_is_written_when_asked_for_beside_the_network_and_under_its_name(tmp_path):
    carried_out(tmp_path)
    assert not list(tmp_path.glob("*.json"))
    history = carried_out(tmp_path, recorded=True)  # a finished run: nothing is trained
    found = json.loads((tmp_path / "blot.json").read_text())
    assert (found["seed"], found["settings"], found["command"]) == (3, {"lr": 0.5}, "python blot.py")
    assert [epoch["val_loss"] for epoch in found["curve"]] == [epoch.val_loss for epoch in history.epochs]
    assert (found["accuracy"]["images"], found["training_accuracy"]["images"]) == (10, 40)


def test_the_recorded_accuracies_are_those_of_the_file_and_not_of_the_net_in_memory(tmp_path, monkeypatch):
    """A file in which class 1 has the one bias, whatever was trained: that class wins everywhere."""

    def biased(net, path):
        emptied = {name: torch.zeros(value.shape).half() for name, value in net.state_dict().items()}
        emptied["3.bias"][1] = 1
        save_file(emptied, path)

    monkeypatch.setattr("reference.training.run.save_half", biased)
    carried_out(tmp_path, recorded=True)
    found = json.loads((tmp_path / "blot.json").read_text())
    assert found["accuracy"]["correct"] == (LABELS[:10] == 1).sum()
    assert found["training_accuracy"]["correct"] == (LABELS == 1).sum()


def test_a_run_of_more_epochs_is_another_run(tmp_path):
    carried_out(tmp_path)
    with pytest.raises(ValueError, match="epochs = 3 there, 4 here"):
        carried_out(tmp_path, epochs=EPOCHS + 1)


def test_the_curves_are_drawn_beside_the_network(tmp_path):
    carried_out(tmp_path)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_every_script_has_the_same_options(tmp_path):
    options = parser("A script.", epochs=7, directory=tmp_path).parse_args([])
    assert (options.epochs, options.seed, options.directory, options.record) == (7, 0, tmp_path, False)
