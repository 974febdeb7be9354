"""A data set that lies on the device whole and is cut into shuffled batches there.

A DataLoader collates images one by one in worker processes; a data set of this course fits
in memory, where one gather per batch does the same.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor


class Batches:
    """Shuffled batches, in a new order at every iteration.

    Args:
        images: (N, …), any dtype, on the device where training happens.
        labels: (N,), on the same device.
        batch_size: images per batch; the last one of an epoch may be smaller.
        transform: what happens to the images of a batch, all at once.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        batch_size: int,
        transform: Callable[[Tensor], Tensor] = lambda images: images,
    ):
        if len(images) != len(labels):
            raise ValueError(
                f"expected one label per image, found {len(images)} images "
                f"and {len(labels)} labels"
            )
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, found {batch_size}")
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.transform = transform

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.images) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # Drawn on the CPU, so that a seed means the same order on every device.
        order = torch.randperm(len(self.images)).to(self.images.device)
        for chosen in order.split(self.batch_size):
            yield self.transform(self.images[chosen]), self.labels[chosen]


def pictures(images: np.ndarray) -> Tensor:
    """Images as stored, (N, H, W, C) → (N, C, H, W), of the same type, laid out as they were."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
