"""What the rest of the project sees of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Arrays(NamedTuple):
    """The four arrays of an image classification set, in their stored order."""

    train_images: np.ndarray  # uint8 (N, H, W) or (N, H, W, 3)
    train_labels: np.ndarray  # integer (N,)
    test_images: np.ndarray  # uint8 (M, H, W) or (M, H, W, 3)
    test_labels: np.ndarray  # integer (M,)


@dataclass(frozen=True)
class Dataset:
    """An image classification set, images memory-mapped and read-only.

    Args:
        name: the set that was asked for, "mnist" or "cifar10".
        kind: "real" or "synthetic"; belongs beside every number computed from it.
        source: one line for reports, e.g. "MNIST (IDX files, published checksums)".
        train_images: uint8, MNIST (60000, 28, 28), CIFAR-10 (50000, 32, 32, 3).
        train_labels: int64 (N,), class indices into `classes`.
        test_images: uint8, as `train_images`, 10,000 of them.
        test_labels: int64 (M,).
        classes: the name of each class, by its index.
        digest: "sha256:…" over all four arrays; equal data, equal digest.
    """

    name: str
    kind: str
    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    digest: str

    @property
    def counts(self) -> str:
        """How many images there are, as the data commands report it."""
        return f"{len(self.train_images):,} + {len(self.test_images):,} images"
