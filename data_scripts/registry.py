"""Every data set by name: one line each.

A real set offers `fetch(root, mirrors, patience)`, `verify(root)` and
`open(root)`; a synthetic one `synthesize(root, …)`, `verify(root)` and
`open(root)`.
"""

from __future__ import annotations

from data_scripts import shapes
from data_scripts.cifar_batches import read_batches
from data_scripts.dataset import Arrays
from data_scripts.hw3_models import NAME as HW3_MODELS, HandOutModels
from data_scripts.idx import differing_idx, read_mnist
from data_scripts.image_folders import read_images
from data_scripts.image_set import ImageSet
from data_scripts.specs import CIFAR10, MNIST
from data_scripts.standin import StandIn


def draw_digits(seed: int, train_count: int, test_count: int) -> Arrays:
    """The digits' `generate`; its typefaces and splines take a second to import, which no `load` should wait for."""
    from data_scripts.digits import generate

    return generate(seed, train_count, test_count)


REAL = {
    "mnist": ImageSet(MNIST, (read_mnist,), differing_idx),
    "cifar10": ImageSet(CIFAR10, (read_batches, read_images)),
}
SYNTHETIC = {
    "digits": StandIn("digits", "MNIST", MNIST.classes, 60_000, 10_000, draw_digits),
    "shapes": StandIn("shapes", "CIFAR-10", shapes.CLASSES, 50_000, 10_000, shapes.generate),
}
# No data sets, so `load` knows nothing of them; see `data_scripts.hw3_models.load_models`.
MODELS = {HW3_MODELS: HandOutModels()}
