"""An audit for real: checkpoints verified, then networks trained from scratch, in jobs of their own."""

import csv

import pytest
import torch
from rich.console import Console
from safetensors.torch import save

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
    assert set(audited) == {"alice", "mallory"}
    assert audited["alice"]["by checkpoint"] == audited["alice"]["by training"] == "20"
    assert audited["alice"]["what differs"] == ""
    assert audited["mallory"]["by checkpoint"] == "20"
    assert float(audited["mallory"]["by training"]) <= 12  # 8 points are for the accuracy
    assert "resnet_training.accuracy: pass became fail" in audited["mallory"]["what differs"]
