"""An epoch of deliverable 4 as we train it beside the plain recipe.

    python -m tests.benchmarks.deliverable4 [--batches N] [--rounds N] [--accuracy EPOCHS] [--json FILE]

The plain recipe is what the assignment's text leads to: a torchvision-style data set of PIL images with the
assignment's transforms, a DataLoader (without workers and with two; the faster one counts), float32, contiguous
tensors, `torch.optim.Adam`. Ours are the parts of `reference/hw3/deliverable3_5/train.py`. Both train the same
`MyResnet` from the same first parameters with Adam at its default rate. They take turns, some batches each, so that
whatever else the machine does falls on all of them. Before the clock of a turn starts, batches pass that fill a
DataLoader's queue; what its workers need to start is not counted, in favour of the plain recipe.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms

from data_scripts import Dataset, load, machine
from reference.hw3.deliverable3_5.model import MyResnet, init_weights_kaiming
from reference.training.augmentation import Normalise, RandomCrops
from reference.training.batches import Batches, pictures
from reference.training.compute import Compute, fastest
from reference.training.loop import predict
from tests.training.scripts import hw3_train

WARM_UP = 8  # batches per turn; a DataLoader with two workers has four in its queue
HW3 = hw3_train()
BATCH_SIZE = HW3.Recipe().batch_size


class PilImages(torch.utils.data.Dataset):
    """Images one by one, as torchvision's data sets hand them out."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images, self.labels = images, labels
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(HW3.SIZE, scale=HW3.SCALE),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(HW3.MEAN, HW3.STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


@dataclass
class Contender:
    """A way to train, with a net that has been trained in it for a while."""

    name: str
    batches: Iterable
    net: nn.Module
    optimizer: torch.optim.Optimizer
    compute: Compute

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One optimisation step; the loss."""
        images, labels = images.to(self.compute.device), labels.to(self.compute.device)
        self.optimizer.zero_grad()
        with self.compute.autocast():
            logits = self.net(images)
        loss = F.cross_entropy(logits.float(), labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def wait(self) -> float:
        """The clock, in seconds, after everything that was begun is done."""
        if self.compute.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def turn(self, count: int) -> tuple[float, float]:
        """Train on some batches: seconds per batch, and their mean loss."""
        self.net.train()
        iterator = iter(self.batches)
        for _ in range(WARM_UP):
            self.step(*next(iterator))
        began = self.wait()
        losses = [self.step(*next(iterator)) for _ in range(count)]
        return (self.wait() - began) / count, float(torch.stack(losses).mean())

    def share_of_batches(self, count: int) -> float:
        """Which share of the time goes into gathering, augmenting and normalising a batch."""
        self.net.train()
        iterator = iter(self.batches)
        preparing, everything = 0.0, 0.0
        for number in range(WARM_UP + count):
            began = self.wait()
            images, labels = next(iterator)
            prepared = self.wait()
            self.step(images, labels)
            if number >= WARM_UP:
                preparing += prepared - began
                everything += self.wait() - began
        return preparing / everything


def fresh_net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return MyResnet().apply(init_weights_kaiming)


def plain(data: Dataset, images: int, workers: int, device: torch.device, seed: int = 0) -> Contender:
    """The recipe that the assignment's text leads to."""
    net = fresh_net(seed).to(device)
    loader = DataLoader(
        PilImages(data.train_images[:images], data.train_labels[:images]),
        batch_size=BATCH_SIZE, shuffle=True, num_workers=workers,
    )  # fmt: skip
    name = f"plain, float32, {workers} workers" if workers else "plain, float32, no workers"
    return Contender(name, loader, net, torch.optim.Adam(net.parameters()), Compute(device, torch.float32))


def ours(data: Dataset, images: int, compute: Compute, seed: int = 0) -> Contender:
    """As HW3's `train` does it, but for the schedule of the rate, which costs nothing and which plain has not."""
    net = compute.place(fresh_net(seed))
    crops, normalise = RandomCrops(HW3.SIZE, HW3.SCALE), Normalise(HW3.MEAN, HW3.STD)
    batches = Batches(
        compute.images(pictures(data.train_images[:images])),
        torch.from_numpy(np.array(data.train_labels[:images])).to(compute.device),
        batch_size=BATCH_SIZE,
        transform=lambda batch: compute.images(normalise(crops(batch))),
    )
    name = f"ours, {str(compute.dtype).removeprefix('torch.')}"
    return Contender(name, batches, net, torch.optim.Adam(net.parameters(), fused=True), compute)


def epochs_beside(data: Dataset, compute: Compute, *, batches: int, rounds: int) -> dict:
    """Take turns, and put the numbers together.

    Returns:
        `rows`, one per contender: seconds per batch (median of the rounds) and per epoch, and the same time as a
        share of the faster plain recipe's (median, least and greatest of the rounds); the mean loss of the last
        turn. `steps` that every contender has trained then, and `augmentation`, our share of it.
    """
    device, all_images = compute.device, len(data.train_images)
    contenders = [plain(data, all_images, 0, device), plain(data, all_images, 2, device)]
    formats = dict.fromkeys((torch.float32, compute.dtype))  # once, where bfloat16 is not native
    contenders += [ours(data, all_images, Compute(device, dtype)) for dtype in formats]
    turns = [[contender.turn(batches) for contender in contenders] for _ in range(rounds)]
    times = np.array([[seconds for seconds, _ in turn] for turn in turns])  # (rounds, contenders)
    medians = np.median(times, 0)
    best = int(medians[:2].argmin())
    shares = times / times[:, best : best + 1]
    rows = [
        {
            "recipe": contender.name,
            "batch_seconds": float(medians[place]),
            "epoch_seconds": float(medians[place]) * all_images / BATCH_SIZE,
            "share": [float(f(shares[:, place])) for f in (np.median, np.min, np.max)],
            "loss": turns[-1][place][1],
        }
        for place, contender in enumerate(contenders)
    ]
    return {
        "rows": rows,
        "peer": contenders[best].name,
        "steps": rounds * (WARM_UP + batches),
        "augmentation": contenders[-1].share_of_batches(batches),
    }


def accuracies(data: Dataset, compute: Compute, *, epochs: int, images: int, seeds: int) -> dict[str, list[float]]:
    """Short trainings of both recipes on the first images: the accuracy of each seed, in float32."""
    float32 = Compute(compute.device, torch.float32)
    validation = float32.images(pictures(data.test_images[:2000]))
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        for contender in (plain(data, images, 0, compute.device, seed), ours(data, images, compute, seed)):
            contender.net.train()
            for _ in range(epochs):
                for batch, labels in contender.batches:
                    contender.step(batch, labels)
            logits = predict(contender.net, validation, transform=Normalise(HW3.MEAN, HW3.STD)).cpu()
            share = np.mean(logits.argmax(1).numpy() == data.test_labels[: len(logits)])
            found.setdefault(contender.name, []).append(float(share))
            print(f"seed {seed}: {contender.name}: {share:.2%}", file=sys.stderr, flush=True)  # this takes minutes
    return found


def conditions(data: Dataset, compute: Compute) -> dict[str, str]:
    """What the numbers depend on."""
    gpu = f", {torch.cuda.get_device_name()}" if compute.device.type == "cuda" else ""
    versions = machine.versions("torch", "torchvision", "pillow", "numpy")
    return {
        "hardware": machine.hardware() + gpu,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "threads": str(torch.get_num_threads()),
        "data": data.source,
    }


def show(result: dict) -> None:
    """The numbers as Markdown."""
    print("; ".join(f"{name}: {value}" for name, value in result["conditions"].items()) + "\n")
    times = result["times"]
    least, after = f"of {times['peer']} (least–greatest)", f"loss after {times['steps']} steps"
    print(f"| recipe | batch, ms | epoch, s | {least} | {after} |")
    print("|---|---|---|---|---|")
    for row in times["rows"]:
        median, least, greatest = (f"{share:.1%}" for share in row["share"])
        print(
            f"| {row['recipe']} | {1e3 * row['batch_seconds']:.0f} | {row['epoch_seconds']:.0f} "
            f"| {median} ({least}–{greatest}) | {row['loss']:.3f} |"
        )
    print(f"\ngathering, augmenting and normalising: {times['augmentation']:.1%} of our epoch")
    if result["accuracies"]:
        print("\n| recipe | accuracy |\n|---|---|")
        for name, values in result["accuracies"].items():
            spread = f" ± {100 * statistics.stdev(values):.2f}" if len(values) > 1 else ""
            print(f"| {name} | {100 * statistics.mean(values):.2f}{spread} % over {len(values)} seeds |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=20, help="batches per turn (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each recipe (default: %(default)s)")
    parser.add_argument("--accuracy", type=int, default=0, metavar="EPOCHS", help="also train both so long, per seed")
    parser.add_argument("--images", type=int, default=5000, help="training images of that (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of that (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    data, compute = load("cifar10"), fastest()
    result = {
        "conditions": conditions(data, compute),
        "times": epochs_beside(data, compute, batches=options.batches, rounds=options.rounds),
        "accuracies": accuracies(
            data, compute, epochs=options.accuracy, images=options.images, seeds=options.seeds
        ) if options.accuracy else {},
    }  # fmt: skip
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
