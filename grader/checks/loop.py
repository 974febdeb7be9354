"""A submission's own training loop, run in the worker and measured here epoch by epoch.

The worker gets the training images with their labels, and the images that it is measured on
without. After each epoch it sends logits; loss and accuracy are computed here. What it saw of the training
is kept for the checks of `grader.checks.observed`.
"""

import math
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from data_scripts import Dataset
from grader.bench import Bench, Judged
from grader.checks import replies
from grader.checks.watched import Seen, Watched, read
from grader.declaration import Outcome
from grader.result import Epoch, Training
from grader.worker import Reply, messages

HANDLE = "train(net, images, labels, epochs, on_epoch)"
WATCHED = "watched"  # the place in `bench.shared` of what was seen of a training that came to its end


@dataclass(frozen=True)
class Loop:
    """Which loop, and what it is given.

    Args:
        network: the class that it trains.
        mean: per channel, of pixel values from 0 to 1; the assignment's.
        std: likewise.
        augments: whether the training images are given as uint8, to be augmented and
            normalised by the loop; else they come normalised.
        module: the file of the loop.
        network_module: the file of the network; "" where that is the loop's.
    """

    network: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augments: bool = False
    module: str = "train"
    network_module: str = ""

    @property
    def built_in(self) -> str:
        """The file of the network."""
        return self.network_module or self.module

    def exists(self, bench: Bench) -> None:
        """End the check where the file has no such handle."""
        loaded = bench.load(self.module)
        if not any(public.name == "train" for public in loaded.names):
            raise Judged(
                Outcome(
                    "fail",
                    f"{self.module}.py has no handle {HANDLE}: move the training loop out of the "
                    '`if __name__ == "__main__":` block into it and call it from there; the grader '
                    "never runs scripts",
                )
            )

    def run(
        self,
        bench: Bench,
        data: Dataset,
        *,
        epochs: int,
        train_size: int,
        train_sample: int,
        val_size: int,
        required: float,
        keep: bool,
    ) -> Training:
        """Train a fresh network, and measure it after every epoch as it arrives.

        Args:
            bench: where the submission is.
            data: the images; those that are used of each set are drawn.
            epochs: passes over the training images.
            train_size: how many images it trains on.
            train_sample: how many of these the training curve is measured on.
            val_size: how many test images the other curve is measured on.
            required: validation accuracy that is asked for later, drawn into the curves.
            keep: whether the bench shows this training's curves, also if it ends early.
        """
        generator = torch.Generator().manual_seed(bench.check_seed("training"))
        # The order of the validation images is secret: it says nothing about their labels.
        val = torch.randperm(len(data.test_images), generator=generator)[:val_size].numpy()
        order = torch.randperm(len(data.train_images), generator=generator)[:train_size]
        sample = order[:train_sample].numpy()
        train = order.sort().values.numpy()  # all of them are given in the order of the files
        labels = {
            "val": torch.from_numpy(data.test_labels[val].astype("int64")),
            "train": torch.from_numpy(data.train_labels[sample].astype("int64")),
        }
        request = messages.Train(
            module=self.module,
            epochs=epochs,
            seed=bench.check_seed("training seed"),
            mean=list(self.mean),
            std=list(self.std),
            network=self.network,
            network_module=self.built_in,
            augments=self.augments,
        )
        every = train_size == len(data.train_images)
        arrays = [
            data.train_images if every else data.train_images[train],  # the file's own pages, not a copy
            data.train_labels[train].astype("int64"),
            data.test_images[val],
            data.train_images[sample],
        ]
        classes = len(data.classes)
        measured: list[Epoch] = []
        seen: list[Seen] = []
        began = time.monotonic()
        bench.report(
            f"training on {len(train):,} images for {epochs} epochs "
            f"(at most {bench.seconds_left / 60:.0f} min)"
        )

        def so_far() -> Training:
            training = Training(
                epochs=list(measured),
                seconds=time.monotonic() - began,
                train_size=len(train),
                train_sample=len(sample),
                val_size=len(val),
                required_accuracy=required,
                source=data.source,
                synthetic=data.kind != "real",
            )
            if keep:
                bench.training = training
            return training

        # Logits of those that are measured; outputs and gradients of those that are trained on, up to twice each.
        most_bytes = (len(val) + len(sample) + 2 * len(train)) * classes * 8 + (1 << 20)
        for reply in bench.stream(self.module, request, arrays, most_bytes):
            if isinstance(reply.message, messages.Trained):
                continue  # the last one; whoever leaves a stream loses the session
            message = replies.expect(reply, messages.Epoch)
            val_loss, val_accuracy = _measure(reply, message.logits[0], labels["val"], classes)
            train_loss, train_accuracy = _measure(reply, message.logits[1], labels["train"], classes)
            measured.append(
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
            seen.append(read(reply, message.observed, classes))
            bench.report(
                f"epoch {message.epoch}/{epochs}: validation loss {val_loss:.4f}, "
                f"accuracy {val_accuracy:.2%}, training loss {train_loss:.4f}, "
                f"{measured[-1].seconds:.0f} s"
            )
            so_far()
        bench.shared[WATCHED] = Watched(so_far(), seen)
        return so_far()


def calls_fault(training: Training, epochs: int) -> str:
    """What is wrong with the calls of `on_epoch`, but for their numbers; "" if nothing."""
    wanted = list(range(1, epochs + 1))
    counted = [epoch.epoch for epoch in training.epochs]
    if counted != wanted:
        return (
            f"on_epoch must be called once after each of {epochs} epochs, with "
            f"epoch = {wanted}; it was called with {counted}"
        )
    return ""


def numbers_fault(training: Training) -> str:
    """Which loss is not finite, or which accuracy not from 0 to 1; "" if none."""
    for epoch in training.epochs:
        if not (math.isfinite(epoch.reported_loss) and 0 <= epoch.reported_accuracy <= 1):
            return (
                f"on_epoch({epoch.epoch}, {epoch.reported_loss}, {epoch.reported_accuracy}): "
                "expected a finite loss and an accuracy from 0 to 1"
            )
    return ""


def _measure(
    reply: Reply, output: messages.Output, labels: torch.Tensor, classes: int
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of logits (N, classes) that the worker sent."""
    if output.index is None:
        raise Judged(Outcome("fail", f"the net returned {output.type}, not a tensor of logits"))
    logits = judged_logits(reply.arrays[output.index], len(labels), classes)
    return (
        F.cross_entropy(logits, labels).item(),
        (logits.argmax(1) == labels).double().mean().item(),
    )


def judged_logits(logits: torch.Tensor, count: int, classes: int) -> torch.Tensor:
    """Logits (count, classes) in float64; ends the check where they are none."""
    if tuple(logits.shape) != (count, classes):
        raise Judged(
            Outcome(
                "fail",
                f"the net returned logits of shape {tuple(logits.shape)} for {count} "
                f"images; expected {(count, classes)}",
            )
        )
    if not (logits.is_floating_point() and torch.isfinite(logits).all()):
        raise Judged(Outcome("fail", "the net's logits are not finite numbers: has it diverged?"))
    return logits.double()
