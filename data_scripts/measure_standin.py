"""What the stand-ins are worth, measured: the numbers in docs/data.md.

    python -m data_scripts.measure_standin digits|shapes [--root DIR] [--seeds N] [--epochs N]

digits: nets trained on the synthetic digits only, scored on their own test
images and on MNIST's. shapes: a linear classifier and a small CNN, both
trained and scored on the synthetic scenes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data_scripts.command_line import run
from data_scripts.loading import load
from data_scripts.registry import SYNTHETIC
from data_scripts.root import data_root

BATCH = 128
PEAK_RATE = 5e-3  # of Adam, reached a third of the way, then down to nothing


def figure_1() -> nn.Module:
    """HW3's Figure 1: the network of deliverable 2."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(294, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution, normalisation, ReLU, pooling."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]


def small_cnn(channels: int) -> Callable[[], nn.Module]:
    """A plain CNN of three blocks and one linear layer."""
    return lambda: nn.Sequential(
        *block(channels, 16), *block(16, 32), *block(32, 64), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(576, 10)
    )


def linear() -> nn.Module:
    """Softmax regression on the pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def tensors(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Images as float32 (N, C, H, W) about zero, labels as int64."""
    pixels = torch.from_numpy(np.array(images)).float() / 127.5 - 1
    return pixels.unsqueeze(1) if images.ndim == 3 else pixels.permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def trained(make: Callable[[], nn.Module], data: tuple[torch.Tensor, torch.Tensor], epochs: int, seed: int) -> nn.Module:
    """A net trained with Adam and one cycle of the learning rate."""
    torch.manual_seed(seed)
    images, labels = data
    net = make().train()
    optimizer = torch.optim.Adam(net.parameters())
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps)
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Percent of images whose class is found."""
    images, labels = data
    found = torch.cat([net(part).argmax(1) for part in images.split(1000)])
    return 100 * (found == labels).float().mean().item()


def measure(name: str, root: Path, seeds: int, epochs: int) -> int:
    """Print one line per net: accuracy as mean ± standard deviation over the seeds."""
    standin = SYNTHETIC[name].ensured(root)
    train = tensors(standin.train_images, standin.train_labels)
    tests = {standin.source: tensors(standin.test_images, standin.test_labels)}
    nets = {"linear classifier": linear, "small CNN": small_cnn(3)}
    if name == "digits":
        mnist = load("mnist", root=root, data="real")
        tests["MNIST's 10,000 test images"] = tensors(mnist.test_images, mnist.test_labels)
        nets = {"Figure 1": figure_1, "small CNN": small_cnn(1)}
    for title, make in nets.items():
        begun = time.perf_counter()
        scores = []
        for seed in range(seeds):
            net = trained(make, train, epochs, seed)
            scores.append([accuracy(net, test) for test in tests.values()])
        seconds = (time.perf_counter() - begun) / seeds
        for test, column in zip(tests, np.array(scores).T, strict=True):
            spread = f" ± {column.std(ddof=1):.2f}" if seeds > 1 else ""
            print(f"{title} on {test}: {column.mean():.2f}{spread} % "
                  f"({seeds} seed(s), {epochs} epochs, {seconds:.0f} s each)", flush=True)  # fmt: skip
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.measure_standin",
        description="Train nets on a stand-in and print what they score, on MNIST too for the digits.",
    )
    parser.add_argument("name", choices=tuple(SYNTHETIC))
    parser.add_argument("--root", type=Path, metavar="DIR", help="where the data are (default: $CHALKBENCH_DATA or ./data)")
    parser.add_argument("--seeds", type=int, default=3, help="how many nets of each kind (default: 3)")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training images (default: 5)")
    options = parser.parse_args(arguments)
    return run(lambda: measure(options.name, data_root(options.root), options.seeds, options.epochs))


if __name__ == "__main__":
    sys.exit(main())
