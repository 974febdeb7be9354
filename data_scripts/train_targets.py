"""Make the two models to attack that this repository brings along: A plain, B adversarially trained.

    python -m data_scripts.train_targets [--root DIR] [--from DIR]

FACTS
    Both have the architecture of HW3's deliverable 6 and see MNIST's 60,000 training images,
    transposed, as raw pixel values. A minimises cross-entropy. B minimises it on images that one
    signed gradient step from a random point has changed by up to 24 of 255 grey values ("fast"
    adversarial training: Wong, Rice, Kolter, Fast is better than free, ICLR 2020).
    Nothing was chosen by the test images; each file states its benign accuracy on them
    (`data_scripts.hw3_models.about`), and docs/evasion.md how far the two can be attacked.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from data_scripts import Dataset, load
from data_scripts.command_line import run
from data_scripts.hw3_models import OWN, write_models_file
from data_scripts.root import data_root


@dataclass(frozen=True)
class Recipe:
    """How one model is trained."""

    name: str
    epsilon: float  # grey values by which each training image is changed; 0: not at all
    epochs: int
    seed: int
    batch_size: int = 200
    learning_rate: float = 4e-3  # peak of the one-cycle schedule
    brightest: float = 1  # what the network sees in training where a pixel is 255


# A sees raw pixel values from the start, as a beginner feeds them. Measured on 200 test images, that
# leaves a model that 20 steps at ε = 16 fool on 75 %; with pixels in [0, 1] they fooled it on 8 %.
# Ten epochs for B: images that move need more of them until the loss on training images settles.
RECIPES = (
    Recipe("A", epsilon=0, epochs=2, seed=0, learning_rate=1e-3, brightest=255),
    Recipe("B", epsilon=24, epochs=10, seed=1),
)


class Target(nn.Module):
    """Deliverable 6's architecture, without dropout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) → logits (N, 10)."""
        x = F.relu(F.max_pool2d(self.conv1(x), 2))  # (N, 10, 12, 12)
        x = F.relu(F.max_pool2d(self.conv2(x), 2))  # (N, 20, 4, 4)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def images_of(array: np.ndarray) -> Tensor:
    """Grey images (N, 28, 28), uint8 → (N, 1, 28, 28), transposed, in [0, 1]."""
    return torch.from_numpy(np.array(array)).transpose(1, 2).unsqueeze(1).float() / 255


def trained(recipe: Recipe, images: Tensor, labels: Tensor) -> Target:
    """A model trained by a recipe.

    Args:
        recipe: how.
        images: (N, 1, 28, 28) in [0, 1].
        labels: (N,).

    Returns:
        the model, for pixels from 0 to `recipe.brightest`.
    """
    torch.manual_seed(recipe.seed)
    net = Target()
    images = images * recipe.brightest
    optimizer = torch.optim.Adam(net.parameters())
    steps = recipe.epochs * -(-len(images) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps)
    for _ in range(recipe.epochs):
        for index in torch.randperm(len(images)).split(recipe.batch_size):
            batch = images[index]
            if recipe.epsilon:
                batch = moved(net, batch, labels[index], recipe)
            loss = F.cross_entropy(net(batch), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def moved(net: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Images after one signed step of 1.25 ε from a random point, still within ε and the range."""
    epsilon = recipe.epsilon * recipe.brightest / 255
    offset = torch.empty_like(images).uniform_(-epsilon, epsilon).requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(net(images + offset), labels), offset)
    offset = (offset.detach() + 1.25 * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return (images + offset).clamp(0, recipe.brightest)


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Fraction of images that are classified rightly."""
    return (torch.cat([net(batch).argmax(1) for batch in images.split(1000)]) == labels).double().mean().item()


def store(net: Target, recipe: Recipe, path: Path, about: dict[str, str]) -> None:
    """Write a model for raw pixel values: their scaling goes into the first layer."""
    state = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    state["conv1.weight"] *= recipe.brightest / 255
    write_models_file(path, state, about)


def train_all(mnist: Dataset) -> int:
    """Train both models and write them where the repository keeps them."""
    train_images, test_images = images_of(mnist.train_images), images_of(mnist.test_images)
    train_labels, test_labels = (
        torch.from_numpy(np.array(labels)) for labels in (mnist.train_labels, mnist.test_labels)
    )
    for recipe in RECIPES:
        began = time.monotonic()
        net = trained(recipe, train_images, train_labels)
        about = {
            "model": recipe.name,
            "recipe": f"{recipe}",
            "data": f"{mnist.source}, {len(train_images):,} training images",
            "accuracy": f"{accuracy(net, recipe.brightest * test_images, test_labels):.2%} of {len(test_images):,} test images, transposed",
            "seconds": f"{time.monotonic() - began:.0f}",
            "versions": f"python {platform.python_version()}, torch {torch.__version__}",
            "command": "python -m data_scripts.train_targets",
        }
        store(net, recipe, OWN / f"model{recipe.name}.safetensors", about)
        print("\n".join(f"{key}: {value}" for key, value in about.items()), end="\n\n", flush=True)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, train, and say what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.train_targets",
        description="Train the two models of data_scripts/targets: A plain, B adversarially trained.",
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="data root (default: $CHALKBENCH_DATA or ./data)")
    parser.add_argument("--from", dest="mirrors", type=Path, metavar="DIR", action="append", default=[],
                        help="a folder that holds MNIST")  # fmt: skip
    options = parser.parse_args(arguments)
    OWN.mkdir(exist_ok=True)
    return run(
        lambda: train_all(load("mnist", root=data_root(options.root), mirrors=options.mirrors, data="real"))
    )


if __name__ == "__main__":
    sys.exit(main())
