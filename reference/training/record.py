"""The record of a run: whatever it takes to judge its numbers and to get them again, as JSON."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from scipy.stats import binomtest

from data_scripts import Dataset, atomic
from data_scripts.machine import hardware, versions
from reference.training.compute import Compute
from reference.training.history import History

CONFIDENCE = 0.95


def proportion(correct: int, images: int) -> dict[str, Any]:
    """An accuracy, and the interval that holds the true one in 95 of 100 samples of images.

    Args:
        correct: how many of them were recognised.
        images: how many there were, at least 1.

    Returns:
        Shares from 0 to 1, and what they were computed from.

    Raises:
        ValueError: more correct ones than images, or none at all.

    Reference: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, Journal
    of the American Statistical Association 22, 1927; recommended over the textbook's interval by
    Brown, Cai & DasGupta, Interval Estimation for a Binomial Proportion, Statistical Science 16, 2001.
    """
    interval = binomtest(correct, images).proportion_ci(CONFIDENCE, method="wilson")
    return {
        "correct": correct,
        "images": images,
        "share": correct / images,
        "low": interval.low,
        "high": interval.high,
        "interval": f"{CONFIDENCE:.0%}, Wilson",
    }


def record(
    history: History,
    *,
    command: str,
    seed: int,
    settings: dict[str, Any],
    compute: Compute,
    data: Dataset,
    weights: Path,
    correct: int,
    images: int,
    train_correct: int,
    train_images: int,
) -> dict[str, Any]:
    """What is known of a finished run.

    Args:
        history: its epochs.
        command: that repeats it, run in the folder of the script.
        seed: of everything random.
        settings: how it was trained.
        compute: where, and in which number format.
        data: what it was trained and validated on.
        weights: the file of the trained network.
        correct: validation images that the network *of that file* recognises, in float32.
        images: how many validation images there are.
        train_correct: likewise of the training images, as they are without augmentation.
        train_images: how many of those there are.

    Returns:
        Values that JSON has: times in seconds, losses in nats, shares from 0 to 1. The hardware is
        that of the machine where the record is written.

    Raises:
        ValueError: the run has no epochs.
        OSError: the weights cannot be read.
    """
    if not history.epochs:
        raise ValueError("history: expected at least one epoch, found none")
    gpu = compute.device.type == "cuda"
    return {
        "command": command,
        "seed": seed,
        "settings": settings,
        "accuracy": proportion(correct, images),
        "training_accuracy": proportion(train_correct, train_images),
        "accuracy_of": "the weights as they were saved, in half precision, evaluated in float32",
        "epochs": len(history.epochs),
        "seconds": round(history.seconds, 1),
        "compute": str(compute),
        "hardware": hardware() + (f", {torch.cuda.get_device_name(compute.device)}" if gpu else ""),
        "threads": torch.get_num_threads(),
        "versions": versions("torch", "numpy"),
        "data": {"kind": data.kind, "source": data.source, "digest": data.digest},
        "weights": {
            "file": weights.name,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "bytes": weights.stat().st_size,
        },
        "curve": [asdict(epoch) for epoch in history.epochs],
    }


def write(record: dict[str, Any], path: Path) -> None:
    """Write a record as JSON, whole or not at all.

    Raises:
        ValueError: it holds a number that JSON has not, such as an infinite loss.
    """
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    atomic.write(path, text.encode() + b"\n")
