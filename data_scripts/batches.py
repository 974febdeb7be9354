"""Images made batch by batch, each from its own random stream.

A batch's stream depends on the seed and the batch's number alone, so the
result does not depend on how many threads there are or which is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from data_scripts.dataset import Arrays
from data_scripts.progress import progress_bar

BATCH = 500  # images: its float32 temporaries of some megabytes stay near the caches
THREADS = 2  # numpy and scipy let go of the interpreter's lock inside their loops

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


def in_batches(label: str, draw: Draw, seed: int, train_count: int, test_count: int) -> Arrays:
    """Make both parts of a set.

    Args:
        label: what the progress bar says.
        draw: (generator, count) to that many images and labels.
        seed: of the whole set; the two parts have streams of their own.
        train_count, test_count: numbers of images.

    Returns:
        the four arrays.
    """
    parts: list[np.ndarray] = []
    seeds = np.random.SeedSequence(seed).spawn(2)
    with progress_bar(label, total=train_count + test_count) as advance, ThreadPoolExecutor(THREADS) as pool:

        def drawn(batch: tuple[np.random.SeedSequence, int]) -> tuple[np.ndarray, np.ndarray]:
            result = draw(np.random.default_rng(batch[0]), batch[1])
            advance(batch[1])
            return result

        for part_seed, count in zip(seeds, (train_count, test_count), strict=True):
            sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
            images, labels = zip(*pool.map(drawn, zip(part_seed.spawn(len(sizes)), sizes)), strict=True)
            parts += [np.concatenate(images), np.concatenate(labels)]
    return Arrays(*parts)
