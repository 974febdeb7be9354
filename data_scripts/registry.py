"""Every data set by name: one line each.

A real set offers `fetch(root, mirrors, patience)`, `verify(root)` and
`open(root)`; a synthetic one `synthesize(root, …)`, `verify(root)` and
`open(root)`.
"""

from __future__ import annotations

from data_scripts import digits, shapes
from data_scripts.cifar_batches import read_batches
from data_scripts.download import cifar10_files, mnist_files
from data_scripts.idx import differing_idx, read_mnist
from data_scripts.image_folders import read_images
from data_scripts.image_set import ImageSet
from data_scripts.specs import CIFAR10, MNIST
from data_scripts.standin import StandIn

REAL = {
    "mnist": ImageSet(MNIST, (read_mnist,), mnist_files, differing_idx),
    "cifar10": ImageSet(CIFAR10, (read_batches, read_images), cifar10_files),
}
SYNTHETIC = {
    "digits": StandIn("digits", "MNIST", MNIST.classes, 60_000, 10_000, digits.generate),
    "shapes": StandIn("shapes", "CIFAR-10", shapes.CLASSES, 50_000, 10_000, shapes.generate),
}
