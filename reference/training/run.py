"""A training from the command line to the files: measured, resumable, recorded.

What every training script of the course does around its own `train`, so that none does it anew.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_scripts import Dataset
from reference.training.checkpoint import Checkpoint
from reference.training.compute import Compute
from reference.training.history import Epoch, History
from reference.training.loop import predict
from reference.training.record import record, write
from reference.training.weights import load_into, save_half

Labelled = tuple[Tensor, Tensor]  # images (N, C, H, W), uint8, and their classes (N,)


@dataclass(frozen=True)
class Run:
    """What is trained on what, and where its files go.

    Args:
        name: of the files: NAME.safetensors holds the trained network, NAME.json its record.
        title: above the curves; says on which data.
        directory: of the files; made if it is missing.
        command: that repeats the run, in the folder of the script.
        epochs: passes over the training images.
        seed: of everything random, for the record; whoever carries out the run has set it.
        settings: how the network is trained. A run with others does not go on from this one's checkpoint.
        compute: where, and in which number format.
        data: where the images are from.
        normalise: what happens to images before the network sees them, apart from augmentation.
        measured_on: what the second set is called: "validation", or "test".
    """

    name: str
    title: str
    directory: Path
    command: str
    epochs: int
    seed: int
    settings: dict[str, Any]
    compute: Compute
    data: Dataset
    normalise: Callable[[Tensor], Tensor]
    measured_on: str = "validation"


def parser(description: str | None, *, epochs: int, directory: Path | None) -> argparse.ArgumentParser:
    """The options that all training scripts have, with their defaults."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--epochs", type=int, default=epochs, help="(default: %(default)s)")
    options.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    options.add_argument("--directory", type=Path, default=directory, help="where the files go")
    options.add_argument(
        "--record", action="store_true", help="write the record beside the network, of a finished run too"
    )
    return options


def carry_out(
    run: Run,
    build: Callable[[], nn.Module],
    train: Callable[..., None],
    *,
    training: Labelled,
    validation: Labelled,
    recorded: bool,
) -> History:
    """Train a network, measure it after every epoch, and write down what happened.

    Killed anywhere and carried out again, it goes on after its last whole epoch, and ends with the
    same numbers. In the directory it leaves NAME.safetensors (half precision), `curves.png`, and
    `training.pt`, the checkpoint; if asked for, NAME.json.

    Args:
        run: see there.
        build: makes the network, by torch's random numbers as they are.
        train: `train(net, images, labels, epochs, on_epoch, compute=…, checkpoint=…)`; see `fit_resumably`.
        training: images and classes that it is trained on.
        validation: those that it is measured on.
        recorded: whether to write the record.

    Returns:
        Its epochs.

    Raises:
        ValueError: the directory has the checkpoint of another run, or a damaged one.
        FloatingPointError: the loss is no longer finite.
    """
    history, compute = History(), run.compute
    val_images, val_labels = compute.images(validation[0]), validation[1]
    print(f"{run.data.source}; {compute}; at most {run.epochs} epochs", flush=True)
    began = time.monotonic()

    def measure(epoch: int, loss: float, accuracy: float) -> None:
        nonlocal began
        logits = predict(net, val_images, transform=run.normalise, compute=compute).cpu()
        val_loss = F.cross_entropy(logits, val_labels).item()
        val_accuracy = _recognised(logits, val_labels) / len(val_labels)
        now = time.monotonic()
        history.epochs.append(Epoch(loss, accuracy, val_loss, val_accuracy, now - began))
        began = now
        left = history.seconds / len(history.epochs) * (run.epochs - epoch) / 60
        print(
            f"epoch {epoch}/{run.epochs}  training loss {loss:.4f}, accuracy {accuracy:.2%}  "
            f"{run.measured_on}: loss {val_loss:.4f}, accuracy {val_accuracy:.2%}  "
            f"{history.epochs[-1].seconds:.0f} s, about {left:.0f} min left",
            flush=True,
        )

    settings = {"epochs": run.epochs, "seed": run.seed, "data": run.data.digest, "compute": str(compute)}
    checkpoint = partial(Checkpoint, run.directory / "training.pt", settings | run.settings, history=history)
    net = build()
    train(net, *training, run.epochs, measure, compute=compute, checkpoint=checkpoint)
    weights = run.directory / f"{run.name}.safetensors"
    save_half(net, weights)
    if recorded:
        _write_record(run, history, build(), weights, training, validation)
    history.draw(run.directory / "curves.png", run.title, measured_on=run.measured_on)
    return history


def _write_record(
    run: Run, history: History, net: nn.Module, weights: Path, training: Labelled, validation: Labelled
) -> None:
    # What others get is the file: in half precision, and perhaps on a CPU without bfloat16.
    compute = replace(run.compute, device=torch.device("cpu"), dtype=torch.float32)
    load_into(net, weights)
    compute.place(net)

    def correct(images: Tensor, labels: Tensor) -> int:
        return _recognised(predict(net, compute.images(images), transform=run.normalise), labels)

    written = record(
        history,
        command=run.command,
        seed=run.seed,
        settings=run.settings,
        compute=run.compute,
        data=run.data,
        weights=weights,
        correct=correct(*validation),
        images=len(validation[1]),
        train_correct=correct(*training),
        train_images=len(training[1]),
    )
    write(written, weights.with_suffix(".json"))
    accuracy = written["accuracy"]
    print(f"saved: {accuracy['share']:.2%}, {accuracy['low']:.2%} to {accuracy['high']:.2%}", flush=True)


def _recognised(logits: Tensor, labels: Tensor) -> int:
    return int((logits.argmax(1) == labels).sum())
