"""A killed training goes on from its checkpoint and ends as if nothing had happened."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.interrupted import BATCHES, EPOCHS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

# Where it is killed, and after how many whole epochs the next run must begin.
DEATHS = {
    "in the first epoch": (("batch", 2), 0),
    "while the first checkpoint is written": (("writing", 1), 0),
    "between reporting and saving an epoch": (("epoch", 2), 1),
    "before the first batch of an epoch": (("batch", BATCHES + 1), 1),
    "inside a later epoch": (("batch", 2 * BATCHES + 2), 2),
    "while a later checkpoint is written": (("writing", 2), 1),
    "while a later checkpoint is renamed": (("renaming", 2), 1),
    "after a checkpoint was renamed": (("saved", 2), 2),
    "after the last checkpoint": (("saved", EPOCHS), 3),
}


@pytest.fixture(scope="module")
def run():
    """`run(folder, where, count)` trains in a process of its own; its exit status, minus the signal that killed it."""
    command = [sys.executable, "-m", "tests.training.interrupted"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as server:

        def run(folder: Path, *where: object) -> int:
            folder.mkdir(exist_ok=True)
            print(json.dumps([str(folder), *map(str, where)]), file=server.stdin)
            return int(server.stdout.readline())

        yield run


def saved_epochs(folder: Path) -> int:
    path = folder / "training.pt"
    return torch.load(path, weights_only=True)["epoch"] if path.exists() else 0


def results(folder: Path) -> tuple[dict, list]:
    return torch.load(folder / "net.pt", weights_only=True), json.loads((folder / "curve.json").read_text())


@pytest.fixture(scope="module")
def uninterrupted(run, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder) == 0
    return folder


def assert_ends_like(folder: Path, other: Path) -> None:
    """To the last bit: every number of the net, the file that is handed in, and the curve."""
    (net, curve), (expected, expected_curve) = results(folder), results(other)
    assert net.keys() == expected.keys()
    assert [name for name in net if not torch.equal(net[name], expected[name])] == []
    assert curve == expected_curve
    assert (folder / "net.safetensors").read_bytes() == (other / "net.safetensors").read_bytes()


@pytest.mark.parametrize(("where", "epochs"), DEATHS.values(), ids=DEATHS)
def test_a_killed_run_ends_with_the_same_net_and_curve(run, tmp_path, uninterrupted, where, epochs):
    assert run(tmp_path, *where) == -signal.SIGKILL
    assert not (tmp_path / "net.pt").exists()
    assert saved_epochs(tmp_path) == epochs
    assert run(tmp_path) == 0
    assert_ends_like(tmp_path, uninterrupted)


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_net_and_curve(run, tmp_path, uninterrupted):
    for where, epochs in (("saved", 1), ("writing", 1), ("batch", 1)):
        assert run(tmp_path, where, 1) == -signal.SIGKILL
        assert saved_epochs(tmp_path) == epochs
    assert run(tmp_path) == 0
    assert_ends_like(tmp_path, uninterrupted)


def test_a_finished_run_started_again_trains_nothing(run, tmp_path, uninterrupted):
    (tmp_path / "training.pt").write_bytes((uninterrupted / "training.pt").read_bytes())
    assert run(tmp_path, "batch", 1) == 0  # the first batch would kill it
    assert_ends_like(tmp_path, uninterrupted)


def test_the_run_that_the_others_are_compared_with_has_moved(uninterrupted):
    """So that equality says something: another loss in every epoch, and running statistics."""
    net, curve = results(uninterrupted)
    assert len({epoch["train_loss"] for epoch in curve}) == EPOCHS
    assert net["1.running_mean"].abs().min() > 0 and net["1.num_batches_tracked"] == EPOCHS * BATCHES
