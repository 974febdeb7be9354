"""HW3 deliverables 4 and 5: the ResNet of deliverable 3 on CIFAR-10, and its class activation maps.

    python train.py --epochs 30 --directory results/resnet

prints loss and accuracy of both sets after each epoch, and writes `resnet.safetensors` (the trained
network, which the grader can verify) and `curves.png` into the directory. HW3 validates on CIFAR-10's
10,000 test images: choose nothing by these numbers.
"""

import random
# student: import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
# student: import torch.nn.functional as F
from torch import Tensor, nn

from model import MyResnet, init_weights_kaiming
# student: from model import MyResnet, init_weights_kaiming

# solution-only
from reference.attribution import class_activation_map, min_max, upsample
from reference.training.augmentation import Normalise, RandomCrops
from reference.training.batches import pictures
from reference.training.compute import Compute, fastest
from reference.training.cycle import fit_cycle
# end solution-only

# The assignment's transforms: of both sets, and of the training set.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of values from 0 to 1
SIZE, SCALE = 32, (0.8, 1.0)  # RandomResizedCrop; RandomHorizontalFlip follows


# solution-only
@dataclass(frozen=True)
class Recipe:
    """How the network is trained; fixed before the first run, not chosen by its results."""

    batch_size: int = 128  # the largest whose activations a laptop's memory holds with ease
    max_lr: float = 3e-3  # Adam's usual 1e-3, tripled at the peak of one cycle
    warm_up: float = 0.2  # share of the run in which the rate rises; it falls to 0 after
    weight_decay: float = 1e-4  # as in He et al., section 3.4


# end solution-only
def setup_seed(seed: int) -> None:
    """Make everything random that follows repeatable: `random`, numpy, torch on every device."""
    # solution: hw3 deliverable 4: setup_seed
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
    """Train `net` in place. The script below and the grader both train through this handle.

    Args:
        net: a fresh `MyResnet()`, made after `setup_seed`. Its layers begin as PyTorch draws them,
            so call `net.apply(init_weights_kaiming)` here.
        images: (N, 3, 32, 32), uint8: augment and normalise them here.
        labels: (N,), int64, the classes.
        epochs: passes over all images.
        on_epoch: call `on_epoch(epoch, loss, accuracy)` once after each epoch, with epoch
            counted from 1 and the mean loss and accuracy (0 to 1) over the epoch's training
            batches. The validation images are measured there, by the caller.
    """
    # solution: hw3 deliverable 4: train
    compute = compute or fastest()
    net.apply(init_weights_kaiming)
    compute.place(net)
    crops, normalise = RandomCrops(SIZE, SCALE), Normalise(MEAN, STD)
    optimizer = torch.optim.Adam(net.parameters(), weight_decay=recipe.weight_decay, fused=True)
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


def cam(
    net: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    idx: int,
    # solution-only
    *,
    method: str = "bilinear",  # a key of UPSAMPLING
    # end solution-only
) -> tuple[np.ndarray, np.ndarray]:
    """Deliverable 5: the class activation map of one image, for the class that `net` predicts.

        map[y, x] = Σ_c weight[predicted, c] · features[c, y, x]

    with the features that the average pooling takes (`return_embed`) and the weight of the linear
    layer behind it. Nothing is cut off: a place that speaks against the class is dark.

    Args:
        net: a `MyResnet`, in evaluation or training mode. The map is that of evaluation mode; the
            net keeps its mode, its numbers and its running statistics.
        inputs: (N, 3, 32, 32), images normalised by MEAN and STD; they stay as they are.
        labels: (N,), the true classes, for a figure's title. The map is that of the predicted class,
            right or wrong, and must not depend on them.
        idx: which of the images, from 0 to N - 1.

    Returns:
        cam_img: floating (32, 32); the map enlarged to the image's size, by nearest neighbour or any
            common interpolation, and rescaled such that its least value is 0 and its greatest 1.
        img: uint8 (32, 32, 3), the image before it was normalised, red, green and blue from 0 to 255.

    Raises:
        ValueError: shapes that do not belong together, or no such image.

    Reference: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
    """
    if inputs.dim() != 4 or inputs.shape[1] != len(MEAN) or labels.shape != inputs.shape[:1]:
        raise ValueError(
            f"expected inputs (N, {len(MEAN)}, H, W) and labels (N,), found {tuple(inputs.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if not 0 <= idx < len(inputs):
        raise ValueError(f"idx: expected 0 to {len(inputs) - 1}, found {idx}")
    # solution: hw3 deliverable 5: cam
    linear = [part for part in net.modules() if isinstance(part, nn.Linear)]
    if len(linear) != 1:
        raise ValueError(f"net: expected one linear layer, behind the pooling; found {len(linear)}")
    weight = linear[0].weight.detach()  # (K, C)
    image = inputs[idx : idx + 1].detach()  # (1, 3, H, W)
    modes = [(part, part.training) for part in net.modules()]
    with torch.no_grad():
        try:
            logits, features = net.eval()(image.to(weight.device), return_embed=True)
        finally:
            for part, training in modes:
                part.training = training
    small = class_activation_map(features, weight, logits.argmax(1))  # (1, h, w)
    (cam_img,) = min_max(upsample(small, tuple(image.shape[2:]), method=method))
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    pixels = 255 * (image[0].cpu() * std + mean)  # (3, H, W)
    img = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return cam_img.cpu().numpy(), np.ascontiguousarray(img.numpy())
    # end solution


def main() -> None:
    """Train on CIFAR-10 and write down what happened."""
    from data_scripts import load

    cifar = load("cifar10")  # uint8 images (N, 32, 32, 3), integer labels (N,)
    train_labels, val_labels = (
        torch.from_numpy(np.array(labels, dtype=np.int64))
        for labels in (cifar.train_labels, cifar.test_labels)
    )
    # solution: hw3 deliverable 4: main
    # Imported here: whoever uses the handles above needs no files and no plots.
    from reference.training.run import Run, carry_out, parser

    options = parser(main.__doc__, epochs=30, directory=Path("results/resnet")).parse_args()
    run = Run(
        name="resnet",
        title=f"HW3 deliverable 4 on {cifar.source}; validation: the test set",
        directory=options.directory,
        command=f"python train.py --epochs {options.epochs} --seed {options.seed} --record",
        epochs=options.epochs,
        seed=options.seed,
        settings=asdict(Recipe()),
        compute=fastest(),
        data=cifar,
        normalise=Normalise(MEAN, STD),
    )
    setup_seed(options.seed)
    carry_out(
        run,
        MyResnet,
        train,
        training=(pictures(cifar.train_images), train_labels),
        validation=(pictures(cifar.test_images), val_labels),
        recorded=options.record,
    )
    # end solution


if __name__ == "__main__":
    main()
