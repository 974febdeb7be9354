"""EEE7331 assignment 1, question 1: both networks on CIFAR-10.

    python train.py --part a --directory results/part_a

prints loss and accuracy of training and test set after each epoch, and writes `part_a.safetensors` (the
trained network, which the grader can verify) and `curves.png` into the directory; `--part b` likewise.
The test set is measured after every epoch because the assignment asks for its curves: choose nothing by it.
"""

import random
# student: import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
# student: import torch.nn.functional as F
from torch import Tensor, nn

from model import DROPOUT, LAYERS, CustomCNN, SeparableCNN
# student: from model import CustomCNN, SeparableCNN

# solution-only
from reference.nn import Conv2d
from reference.training.augmentation import Normalise, RandomCrops
from reference.training.batches import pictures
from reference.training.compute import Compute, fastest
from reference.training.cycle import fit_cycle
# end solution-only

# CIFAR-10's own, per channel over all training pixels, of values from 0 to 1.
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


# solution-only
NETWORKS = {"a": CustomCNN, "b": SeparableCNN}


@dataclass(frozen=True)
class Recipe:
    """How both networks are trained; fixed before the first run, not chosen by its results."""

    batch_size: int = 128  # as HW3's ResNet; 391 steps an epoch
    max_lr: float = 2e-3  # Adam's usual 1e-3, doubled at the peak of one cycle
    warm_up: float = 0.2  # share of the run in which the rate rises; it falls to 0 after
    weight_decay: float = 0.05  # AdamW's is multiplied by the rate, so this is 1e-4 a step at the peak
    least_crop: float = 0.7  # of the area: objects move by up to five pixels, and stay whole
    flip: float = 0.5


def computing(net: nn.Module) -> Compute:
    """How a network is computed: in float32, so that both kinds of layers do the same; each in its layout."""
    own = any(isinstance(part, Conv2d) for part in net.modules())
    return Compute(fastest().device, torch.float32, torch.contiguous_format if own else torch.channels_last)


# end solution-only
def setup_seed(seed: int) -> None:
    """Make everything random that follows repeatable: `random`, numpy, torch on every device."""
    # solution: eee7331 assignment 1, question 1: setup_seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # every GPU too
    # end solution


def train(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    on_epoch: Callable[[int, float, float], None],
    # solution-only
    *,
    compute: Compute | None = None,
    checkpoint: Callable | None = None,
    recipe: Recipe = Recipe(),
    # end solution-only
) -> None:
    """Train `net` in place, of either part. The script below and the grader both train through this handle.

    Args:
        net: a fresh `CustomCNN()` or `SeparableCNN()`, made after `setup_seed`.
        images: (N, 3, 32, 32), uint8: augment and normalise them here.
        labels: (N,), int64, the classes.
        epochs: passes over all images.
        on_epoch: call `on_epoch(epoch, loss, accuracy)` once after each epoch, with epoch
            counted from 1 and the mean loss and accuracy (0 to 1) over the epoch's training
            batches. The test images are measured there, by the caller.
    """
    # solution: eee7331 assignment 1, question 1: train
    compute = compute or computing(net)
    compute.place(net)
    crops = RandomCrops(images.shape[-1], (recipe.least_crop, 1.0), flip=recipe.flip)
    normalise = Normalise(MEAN, STD)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=recipe.weight_decay, fused=True)
    fit_cycle(
        net,
        images,
        labels,
        optimizer,
        transform=lambda batch: normalise(crops(batch)),
        batch_size=recipe.batch_size,
        max_lr=recipe.max_lr,
        warm_up=recipe.warm_up,
        epochs=epochs,
        compute=compute,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )
    # end solution


def main() -> None:
    """Train one of the networks on CIFAR-10 and write down what happened."""
    from data_scripts import load

    cifar = load("cifar10")  # uint8 images (N, 32, 32, 3), integer labels (N,)
    train_labels, test_labels = (
        torch.from_numpy(np.array(labels, dtype=np.int64))
        for labels in (cifar.train_labels, cifar.test_labels)
    )
    # solution: eee7331 assignment 1, question 1: main
    # Imported here: whoever uses the handles above needs no files and no plots.
    from reference.training.run import Run, carry_out, parser

    options = parser(main.__doc__, epochs=24, directory=None)
    options.add_argument("--part", choices=NETWORKS, default="a", help="which network (default: %(default)s)")
    options.add_argument("--layers", choices=LAYERS, default="own", help="whose (default: %(default)s)")
    options = options.parse_args()
    name = f"part_{options.part}"
    build = partial(NETWORKS[options.part], layers=options.layers)
    run = Run(
        name=name,
        title=f"EEE7331 question 1, part {options.part.upper()}, on {cifar.source}",
        directory=options.directory or Path("results", "eee7331", f"{name}-seed{options.seed}"),
        command=f"python train.py --part {options.part} --layers {options.layers} --epochs {options.epochs} "
        f"--seed {options.seed} --record",
        epochs=options.epochs,
        seed=options.seed,
        settings=asdict(Recipe()) | {"part": options.part, "layers": options.layers, "dropout": DROPOUT},
        compute=computing(build()),
        data=cifar,
        normalise=Normalise(MEAN, STD),
        measured_on="test",
    )
    setup_seed(options.seed)
    carry_out(
        run,
        build,
        train,
        training=(pictures(cifar.train_images), train_labels),
        validation=(pictures(cifar.test_images), test_labels),
        recorded=options.record,
    )
    # end solution


if __name__ == "__main__":
    main()
