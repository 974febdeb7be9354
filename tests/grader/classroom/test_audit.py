"""An audit for real: checkpoints verified, then networks trained from scratch, in jobs of their own."""

import csv

import pytest
import torch
from rich.console import Console
from safetensors.torch import save

from grader.assignments.eee7331_a1 import EEE7331_A1
from grader.assignments.hw3.deliverable4 import trained_resnet
from grader.checks.trained import Trial
from grader.classroom import session
from grader.classroom.session import Setup, grade_class
from grader.declaration import Assignment, Budget
from grader.runner import Options
from tests.grader.classroom import tasks
from tests.grader.classroom.exports import write
from tests.grader.submissions import trained

SMALL = Assignment("hw3", "small", (trained_resnet(epochs=2, trial=Trial(3, 400)),))
FOLDER = "deliverable3-5"


@pytest.fixture(scope="module")
def checkpoint() -> bytes:
    """What a submission's own code has trained, as the file that is handed in."""
    names: dict = {}
    exec(trained.MODEL, names)
    exec(trained.TRAIN.replace("from model import MyResnet", ""), names)
    names["setup_seed"](0)
    net, tiles = names["MyResnet"](), trained.tiles()
    images = torch.from_numpy(tiles.train_images).permute(0, 3, 1, 2)
    names["train"](net, images, torch.from_numpy(tiles.train_labels), 3, lambda *report: None)
    return save(net.state_dict())


@pytest.fixture
def two_parts(tmp_path, monkeypatch):
    """Audits a class whose assignment has two trained networks; the lines of audit.csv, and the trainings."""
    monkeypatch.setattr(session, "run", tasks.two_parts)
    monkeypatch.setattr(session, "load", lambda *args, **kwargs: trained.tiles())

    def audited(*students: str, share: float) -> tuple[list[dict[str, str]], list[str]]:
        given = write(tmp_path / "class", {f"{who}/question1/model.py": trained.MODEL for who in students})
        setup = Setup(given, tmp_path / "out", at_once=2, audit=share, pages=False)
        assert grade_class(EEE7331_A1, Options((2, 4)), setup, Console(quiet=True)).everybody
        with open(tmp_path / "out" / "audit.csv", encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file)), sorted((tmp_path / "out" / "trained.log").read_text().splitlines())

    return audited


def test_every_verified_checkpoint_of_an_assignment_with_two_can_be_drawn(two_parts):
    lines, trainings = two_parts("alice", "bob", share=1.0)
    assert [list(line.values())[:4] for line in lines] == [
        ["alice", "2", "3", "0"], ["alice", "4", "2", "0"], ["bob", "2", "3", "0"],
    ]  # fmt: skip
    # For as many epochs as this assignment asks for, and not for another one's.
    assert trainings == ["alice 2 24", "alice 4 24", "bob 2 24"]


def test_a_share_is_of_checkpoints_and_is_drawn_once(two_parts):
    students = ("alice", "bob", "carol", "dave")  # seven checkpoints
    lines, trainings = two_parts(*students, share=0.4)
    assert len(lines) == len(trainings) == 3
    assert two_parts(*students, share=0.4) == (lines, trainings)


@pytest.mark.slow
def test_who_handed_in_what_the_code_does_not_train_is_found(tmp_path, monkeypatch, checkpoint):
    monkeypatch.setattr(session, "run", tasks.on_tiles)
    monkeypatch.setattr(session, "load", lambda *args, **kwargs: trained.tiles())
    good, late = trained.TRAIN, trained.TRAIN.replace("lr=0.01", "lr=0.01 if len(images) < 500 else 0.0")
    files = {
        "alice": {"model.py": trained.MODEL, "train.py": good, "resnet.safetensors": checkpoint},
        # Learns in the short trial, and not in a whole training: the checkpoint came from elsewhere.
        "mallory": {"model.py": trained.MODEL, "train.py": late, "resnet.safetensors": checkpoint},
        "carol": {"model.py": trained.MODEL, "train.py": good},  # hands in no checkpoint: nothing to audit
    }
    given = write(
        tmp_path / "class",
        {f"{who}/{FOLDER}/{name}": content for who, inside in files.items() for name, content in inside.items()},
    )
    setup = Setup(given, tmp_path / "out", at_once=2, audit=1.0, audit_training=Budget(3, 5), pages=False)
    graded = grade_class(SMALL, Options((4,), fresh=True), setup, Console(quiet=True))
    assert graded.everybody
    with open(tmp_path / "out" / "audit.csv", encoding="utf-8-sig", newline="") as file:
        audited = {line["key"]: line for line in csv.DictReader(file)}
    assert {line["deliverable"] for line in audited.values()} == {"4"}
    assert set(audited) == {"alice", "mallory"}
    assert audited["alice"]["by checkpoint"] == audited["alice"]["by training"] == "20"
    assert audited["alice"]["what differs"] == ""
    assert audited["mallory"]["by checkpoint"] == "20"
    # 6 points are for the accuracy. 2 are for a loss that falls, which at a rate of 0 is luck.
    assert float(audited["mallory"]["by training"]) <= 14
    assert "resnet_training.accuracy: pass became fail" in audited["mallory"]["what differs"]
