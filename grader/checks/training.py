"""Checks of deliverable 2's training: one run on the submission's own handle, three verdicts.

The worker gets the training images with their labels and the validation images without.
After each epoch it sends logits; loss and accuracy are computed here.
"""

import math
import time

import torch
import torch.nn.functional as F

from data_scripts import Dataset
from grader.declaration import Outcome
from grader.bench import Bench, Judged
from grader.checks import replies
from grader.result import Epoch, Training
from grader.worker import WorkerFailure, messages

MODULE = "train"
HANDLE = "train(net, images, labels, epochs, on_epoch)"
# Enough to measure the training curve to half a percent, at a sixth of the cost of them all.
TRAIN_SAMPLE = 10_000
# MNIST's statistics, as the hand-out's train.py states them.
MEAN, STD = 0.1307, 0.3081


def runs(epochs: int, required: float):
    """A check that trains, and keeps the measured epochs for the two checks after it.

    Args:
        epochs: the fewest that the assignment asks for.
        required: validation accuracy that is asked for later, drawn into the curves.
    """

    def run(bench: Bench) -> Outcome:
        if bench.epochs < epochs:
            return Outcome(
                "not-run", f"the assignment asks for {epochs} epochs; --epochs said {bench.epochs}"
            )
        loaded = bench.load(MODULE)
        if not any(public.name == "train" for public in loaded.names):
            return Outcome(
                "fail",
                f"train.py has no handle {HANDLE}: move the training loop out of the "
                '`if __name__ == "__main__":` block into it and call it from there; the grader '
                "never runs scripts",
            )
        try:
            measured = _train(bench, bench.data(), required)
        except WorkerFailure as failure:
            bench.shared["untrained"] = f"the training ended early: {failure.reason}"
            raise
        except Judged as judged:
            bench.shared["untrained"] = f"the training ended early: {judged.outcome.reason}"
            raise
        wanted = list(range(1, bench.epochs + 1))
        counted = [epoch.epoch for epoch in measured.epochs]
        if counted != wanted:
            return Outcome(
                "fail",
                f"on_epoch must be called once after each of {bench.epochs} epochs, with "
                f"epoch = {wanted}; it was called with {counted}",
            )
        for epoch in measured.epochs:
            if not (math.isfinite(epoch.reported_loss) and 0 <= epoch.reported_accuracy <= 1):
                return Outcome(
                    "fail",
                    f"on_epoch({epoch.epoch}, {epoch.reported_loss}, {epoch.reported_accuracy}): "
                    "expected a finite loss and an accuracy from 0 to 1",
                )
        return Outcome("pass", f"{len(measured.epochs)} epochs in {measured.seconds:.0f} s")

    return run


def loss_falls(bench: Bench) -> Outcome:
    """The loss on training images is lower after the last epoch than after the first."""
    epochs = _measured(bench).epochs
    first, last = epochs[0].train_loss, epochs[-1].train_loss
    curve = f"training loss {first:.4f} after epoch 1, {last:.4f} after epoch {epochs[-1].epoch}"
    return Outcome("pass" if last < first else "fail", curve)


def reaches(required: float):
    """A check of the validation accuracy after the last epoch."""

    def run(bench: Bench) -> Outcome:
        measured = _measured(bench)
        accuracy = measured.epochs[-1].val_accuracy
        said = (
            f"{accuracy:.2%} of {measured.val_size:,} validation images ({bench.data().source}), "
            f"{required:.0%} asked for"
        )
        return Outcome("pass" if accuracy >= required else "fail", said)

    return run


def _measured(bench: Bench) -> Training:
    if bench.training is None or not bench.training.epochs:
        why = bench.shared.get("untrained", "the network was not trained")
        raise Judged(Outcome("not-run", why))
    return bench.training


def _train(bench: Bench, data: Dataset, required: float) -> Training:
    """Run the handle in the worker; every epoch is measured as it arrives."""
    generator = torch.Generator().manual_seed(bench.check_seed("training"))
    # The order of the validation images is secret: it says nothing about their labels.
    order = torch.randperm(len(data.test_images), generator=generator).numpy()
    chosen = torch.randperm(len(data.train_images), generator=generator)[:TRAIN_SAMPLE].numpy()
    labels = {
        "val": torch.from_numpy(data.test_labels[order].astype("int64")),
        "train": torch.from_numpy(data.train_labels[chosen].astype("int64")),
    }
    request = messages.Train(
        module=MODULE,
        epochs=bench.epochs,
        seed=bench.check_seed("training seed"),
        mean=[MEAN],
        std=[STD],
    )
    arrays = [
        data.train_images,
        data.train_labels.astype("int64"),
        data.test_images[order],
        data.train_images[chosen],
    ]
    logits_bytes = (len(order) + len(chosen)) * len(data.classes) * 8
    epochs: list[Epoch] = []
    began = time.monotonic()
    bench.report(
        f"training on {len(data.train_images):,} images for {bench.epochs} epochs "
        f"(at most {bench.seconds_left / 60:.0f} min)"
    )

    def keep() -> Training:
        bench.training = Training(
            epochs=list(epochs),
            seconds=time.monotonic() - began,
            train_size=len(data.train_images),
            train_sample=len(chosen),
            val_size=len(order),
            required_accuracy=required,
        )
        return bench.training

    for reply in bench.stream(MODULE, request, arrays, logits_bytes + (1 << 20)):
        if isinstance(reply.message, messages.Trained):
            break
        message = replies.expect(reply, messages.Epoch)
        val_loss, val_accuracy = _measure(reply, message.logits[0], labels["val"], len(data.classes))
        train_loss, train_accuracy = _measure(
            reply, message.logits[1], labels["train"], len(data.classes)
        )
        epochs.append(
            Epoch(
                epoch=message.epoch,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                reported_loss=math.nan if message.loss is None else message.loss,
                reported_accuracy=math.nan if message.accuracy is None else message.accuracy,
                seconds=time.monotonic() - began,
            )
        )
        bench.report(
            f"epoch {message.epoch}/{bench.epochs}: validation loss {val_loss:.4f}, "
            f"accuracy {val_accuracy:.2%}, training loss {train_loss:.4f}, "
            f"{epochs[-1].seconds:.0f} s"
        )
        keep()
    return keep()


def _measure(
    reply, output: messages.Output, labels: torch.Tensor, classes: int
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of logits (N, classes) that the worker sent."""
    if output.index is None:
        raise Judged(Outcome("fail", f"the net returned {output.type}, not a tensor of logits"))
    logits = reply.arrays[output.index]
    if tuple(logits.shape) != (len(labels), classes):
        raise Judged(
            Outcome(
                "fail",
                f"the net returned logits of shape {tuple(logits.shape)} for {len(labels)} "
                f"images; expected {(len(labels), classes)}",
            )
        )
    if not (logits.is_floating_point() and torch.isfinite(logits).all()):
        raise Judged(Outcome("fail", "the net's logits are not finite numbers: has it diverged?"))
    logits = logits.double()
    return (
        F.cross_entropy(logits, labels).item(),
        (logits.argmax(1) == labels).double().mean().item(),
    )
