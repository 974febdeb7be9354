"""A training as curves."""

from __future__ import annotations

import math

from grader.exhibits.kinds import Curve
from grader.result import Training


def curves_of(training: Training) -> list[Curve]:
    """A training as the grader measured it, as curves."""
    sample = f"{training.train_sample:,} of {training.train_size:,} images"
    sets = (
        ("train", "training", f"training ({sample})"),
        ("val", "validation", f"validation ({training.val_size:,} test images)"),
    )
    return [
        Curve(
            quantity,
            images,
            label,
            [_finite(getattr(epoch, f"{prefix}_{quantity}")) for epoch in training.epochs],
        )
        for quantity in ("loss", "accuracy")
        for prefix, images, label in sets
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
