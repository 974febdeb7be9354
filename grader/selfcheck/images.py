"""Images so few and so plain that a mutant is graded in seconds: each set shows what its deliverable needs."""

from functools import cache

import numpy as np

from data_scripts import Dataset
from data_scripts.digits import generate

TEN = tuple(str(digit) for digit in range(10))


@cache
def blots() -> Dataset:
    """800 and 300 images of ten very different blots, for a network to learn in a second."""
    random = np.random.default_rng(0)

    def images(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 10
        pixels = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            row, column = divmod(int(label), 4)
            image[2 + 8 * row : 9 + 8 * row, 7 * column : 7 * column + 6] = 255
        return pixels, labels.astype(np.uint8)

    return Dataset("mnist", "synthetic", "blots", *images(800), *images(300), TEN, "sha256:blots")


@cache
def tiles() -> Dataset:
    """600 and 300 images of eight classes: two bright tiles, which a flip puts onto each other.

    The class is 2·row + column of the left one, among four rows and two columns of 8×8 pixels. It
    calls itself real, since no checkpoint is judged by a stand-in.
    """
    random = np.random.default_rng(0)

    def images(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 8
        noise = random.integers(0, 90, (count, 32, 32, 3), dtype=np.uint8)
        for image, label in zip(noise, labels, strict=True):
            row, column = divmod(int(label), 2)
            for left in (8 * column, 24 - 8 * column):
                image[8 * row : 8 * row + 8, left : left + 8] += 150
        return noise, labels.astype(np.int64)

    return Dataset("cifar10", "real", "tiles", *images(600), *images(300), TEN, "sha256:tiles")


@cache
def patches() -> Dataset:
    """Twenty random images, each of 16 patches and noise."""
    random = np.random.default_rng(0)
    images = random.integers(0, 200, (20, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    images = (images + random.integers(0, 56, images.shape)).astype(np.uint8)
    labels = np.zeros(20, np.int64)
    return Dataset("cifar10", "synthetic", "patches", images, labels, images, labels, TEN, "sha256:patches")


@cache
def few_digits() -> Dataset:
    """Ten and 240 digits of the stand-in for MNIST; about 24 of these are ones."""
    return Dataset("mnist", "synthetic", "few digits", *generate(0, 10, 240), TEN, "sha256:few-digits")
