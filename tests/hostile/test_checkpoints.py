"""Hostile checkpoints: what is in the file is numbers of this network, or it is worth nothing.

Networks that know the images by a table or by a rule, and not by their weights, are in
`tests/grader/test_hw3_trained.py`; archives that lead out or expand, in `tests/grader/classroom/test_intake.py`.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from data_scripts import Dataset
from grader import result_cache, runner
from grader.assignments.hw3.deliverable4 import trained_resnet
from grader.checks.trained import Trial
from grader.declaration import Assignment
from grader.progress import Progress
from grader.runner import Options, grade
from grader.worker import Limits, Worker
from tests.grader.submissions.trained import MODEL, TRAIN

SMALL = Assignment("hw3", "small", (trained_resnet(epochs=2, trial=Trial(epochs=3, images=200)),))
BY_WEIGHTS = {f"resnet_training.{name}" for name in ("network", "accuracy", "mirrored", "unseen")}
PWNED = Path("/tmp/chalkbench-pwned")


class Bomb:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.system, (f"touch {PWNED}",)


def _saved(state: object) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def _expanding(megabytes: int = 4096) -> bytes:
    """A checkpoint of a few megabytes whose storage is deflated zeros, thousands of times as large."""
    plain = io.BytesIO(_saved({"conv.weight": torch.zeros(7)}))
    packed = io.BytesIO()
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED,
    compresslevel=1) as made:
        for name in source.namelist():
            if not name.endswith("/data/0"):
                made.writestr(name, source.read(name))
                continue
            with made.open(name, "w", force_zip64=True) as entry:
                for _ in range(min(megabytes, 256)):
                    entry.write(bytes(1 << 20))
    return packed.getvalue()


def _safetensors(header: dict, length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(64)


CHECKPOINTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "poisoned-pickle": ("resnet.pt", lambda: _saved({"conv.weight": Bomb()})),
    "whole-network": ("resnet.pt", lambda: _saved(torch.nn.Conv2d(3, 16, 3))),
    "deflated-zeros": ("resnet.pt", _expanding),
    "repeated-storage": ("resnet.pt", lambda: _saved({"conv.weight": torch.zeros(1).expand(1 << 36)})),
    "text": ("resnet.pth", lambda: b"accuracy: 99.9 %\n" * 100),
    "empty": ("resnet.safetensors", lambda: b""),
    "giant-header": ("resnet.safetensors", lambda: _safetensors({}, length=1 << 60)),
    "giant-shape": (
        "resnet.safetensors",
        lambda: _safetensors({"conv.weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}),
    ),
    "not-a-number": (
        "resnet.pt",
        lambda: _saved({"conv.weight": torch.full((16, 3, 3, 3), float("nan"))}),
    ),
}


@pytest.fixture(scope="module")
def worker(isolation):
    limits = Limits(data=3 << 30, resident=1500 << 20)
    with Worker(threads=1, preload=("torch", "numpy"), limits=limits, isolation=isolation) as worker:
        yield worker


@pytest.fixture
def points(tmp_path, monkeypatch, worker):
    """Points per check of a submission with this checkpoint and training code."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (600, 32, 32, 3), dtype=np.uint8)
    labels = random.integers(0, 10, 600)
    names = tuple(str(digit) for digit in range(10))
    noise = Dataset("cifar10", "real", "noise", images[:400], labels[:400], images[400:], labels[400:], names,
    "sha256:noise")
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: noise)
    monkeypatch.setattr(result_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))

    def points(files: dict[str, bytes], train: str = TRAIN) -> dict[str, float]:
        place = tmp_path / "student" / "deliverable3_5"
        place.mkdir(parents=True)
        for name, content in {"model.py": MODEL.encode(), "train.py": train.encode(), **files}.items():
            (place / name).write_bytes(content)
        with Progress(Console(quiet=True)) as progress:
            result = grade(SMALL, str(tmp_path / "student"), Options((4,), seed=1), worker, progress)
        graded = result.deliverables[0].checks
        assert not any("grader itself failed" in check.reason for check in graded)
        return {check.id: check.earned for check in graded}

    return points


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_hostile_checkpoint_earns_nothing_and_runs_nothing(name: str, points):
    PWNED.unlink(missing_ok=True)
    file, content = CHECKPOINTS[name]
    earned = points({file: content()})
    assert {id: earned[id] for id in BY_WEIGHTS} == dict.fromkeys(BY_WEIGHTS, 0)
    assert not PWNED.exists()


def test_figures_that_were_written_by_hand_are_not_believed(points):
    boasts = TRAIN.replace("on_epoch(epoch, total / len(images), right / len(images))",
    "on_epoch(epoch, 0.001, 0.999)")
    boasts = boasts.replace("optimizer.step()", "pass")
    earned = points({"history.json": b'{"accuracy": [0.5, 0.999]}', "accuracy.txt": b"99.9 %"}, boasts)
    assert not any(earned[id] for id in BY_WEIGHTS | {"resnet_training.learns"})
