"""Exhibits of a trained network: curves of the training behind a checkpoint, and of the grader's own trial.

Where the grader trains the network itself, its curves are in the result already.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec

from grader.bench import Bench
from grader.exhibits.curves import curves_of
from grader.exhibits.kinds import Curve, Curves, Exhibit, Missing
from grader.result import Training

LARGEST = 1 << 20  # bytes; 30 epochs take five thousand

Loss = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Epoch(msgspec.Struct):
    """What a record says of one epoch; more may stand there."""

    train_loss: Loss
    train_accuracy: Share
    val_loss: Loss
    val_accuracy: Share


class _Weights(msgspec.Struct):
    sha256: str = ""


class _Record(msgspec.Struct):
    curve: Annotated[list[_Epoch], msgspec.Meta(min_length=1, max_length=1000)]
    weights: _Weights = msgspec.field(default_factory=_Weights)


def trial(bench: Bench) -> list[Exhibit]:
    """The short training of a checkpoint's code, as the grader measured it."""
    if bench.whole_training:
        return []
    title = "A short training by the submission's own code"
    measured: Training | None = bench.shared.get("measured")
    if measured is None or not measured.epochs:
        return [Missing(title, "it ended early: see the check of the training")]
    note = (
        f"{len(measured.epochs)} epochs on {measured.train_size:,} images, measured by the grader from logits; "
        "to see that the code learns, and not how well. The checkpoint comes from another training."
    )
    return [Curves(title, note, curves_of(measured))]


def record(bench: Bench) -> list[Exhibit]:
    """The curve of the training that made the checkpoint, by the submission's word: NAME.json of NAME.safetensors."""
    if bench.whole_training:
        return []
    title = "The training of the checkpoint"
    weights = bench.weights()
    path = weights.with_suffix(".json")
    if path.is_symlink() or not path.is_file():
        return [Missing(title, f"there is no {path.name} beside {weights.name}; --train measures a whole training")]
    try:
        said = _read(path)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        return [Missing(title, f"{path.name}: {error}")]
    same = said.weights.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    note = f"From {path.name}, {len(said.curve)} epochs; " + (
        f"it names {weights.name} by its digest." if same else f"its digest is not that of {weights.name}."
    )
    curves = [
        Curve(quantity, images, images, [getattr(epoch, f"{prefix}_{quantity}") for epoch in said.curve])
        for quantity in ("loss", "accuracy")
        for images, prefix in (("training", "train"), ("validation", "val"))
    ]
    return [Curves(title, note, curves, claimed=True)]


def _read(path: Path) -> _Record:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"expected at most {LARGEST:,} bytes")
    return msgspec.json.decode(content, type=_Record)
