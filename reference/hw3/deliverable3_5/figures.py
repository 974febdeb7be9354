"""HW3 deliverable 5: the figures, class activation maps of CIFAR-10's validation images.

    python figures.py --checkpoint resnet.safetensors --out docs/cam

writes `cam.png` (input, map, blend), `wrong.png` (images that the network takes for something else:
its class against the true one) and `upsampling.png` (one image, every way of enlarging). The images are
the first ones of the validation set that fit, one per class, so none is chosen for its looks.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from data_scripts import atomic, load
from model import MyResnet
from reference.attribution import UPSAMPLING, class_activation_map, upsample
from reference.training.augmentation import Normalise
from reference.training.batches import pictures
from reference.training.loop import predict
from reference.training.weights import load_into
from train import MEAN, STD, cam

LOOKED_AT = 500  # first validation images, among which the shown ones are
COLOURS = "viridis"  # equal steps of a value look equal, to colour-blind readers too
BLEND = 0.55  # opacity of the map over the image


@dataclass(frozen=True)
class Seen:
    """Validation images, and what a network makes of them.

    Args:
        inputs: (N, 3, 32, 32), normalised.
        labels: (N,), the true classes.
        probabilities: (N, K), softmax of the logits.
        classes: K names.
    """

    inputs: Tensor
    labels: Tensor
    probabilities: Tensor
    classes: Sequence[str]

    @property
    def predicted(self) -> Tensor:
        """(N,), the most probable class."""
        return self.probabilities.argmax(1)

    def first(self, right: bool, count: int) -> list[int]:
        """The first images that are (not) recognised, one per true class."""
        chosen: dict[int, int] = {}
        for index in ((self.predicted == self.labels) == right).nonzero()[:, 0].tolist():
            chosen.setdefault(int(self.labels[index]), index)
        return sorted(chosen.values())[:count]

    def told(self, index: int, label: int) -> str:
        """A class of an image with its probability: "cat, 93 %"."""
        return f"{self.classes[label]}, {self.probabilities[index, label]:.0%}".replace("%", " %")

    def title(self, index: int) -> str:
        """What an image shows, and what the network takes it for."""
        true = self.classes[int(self.labels[index])]
        return f"true: {true}\npredicted: {self.told(index, int(self.predicted[index]))}"


def look(net: nn.Module, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Seen:
    """Run a network on images as they are stored, uint8 (N, 32, 32, 3)."""
    inputs = Normalise(MEAN, STD)(pictures(images)).contiguous()
    logits = predict(net, inputs)
    return Seen(inputs, torch.from_numpy(np.array(labels, dtype=np.int64)), logits.softmax(1), classes)


def draw_maps(net: nn.Module, seen: Seen, chosen: Sequence[int], title: str) -> Figure:
    """Input, class activation map of the predicted class, and blend: one row per image."""
    figure, axes = _grid(len(chosen), 3, title)
    for row, index in zip(axes, chosen, strict=True):
        cam_img, img = cam(net, seen.inputs, seen.labels, index)
        _show(row[0], img, seen.title(index))
        shown = _show(row[1], cam_img, "class activation map", vmin=0, vmax=1)
        _show(row[2], img, "blend")
        row[2].imshow(cam_img, cmap=COLOURS, vmin=0, vmax=1, alpha=BLEND)
    figure.colorbar(
        shown, ax=axes, shrink=0.6, label="evidence for the predicted class,\nfrom least (0) to most (1) of each image"
    )
    return figure


def draw_wrong(net: nn.Module, seen: Seen, chosen: Sequence[int], title: str) -> Figure:
    """Misclassified images: the maps of the wrong and of the right class, in the same unit."""
    figure, axes = _grid(len(chosen), 5, title)
    for row, index in zip(axes, chosen, strict=True):
        _, img = cam(net, seen.inputs, seen.labels, index)
        wrong, right = int(seen.predicted[index]), int(seen.labels[index])
        maps = evidence(net, seen.inputs[index], (wrong, right)).numpy()
        scale = {"vmin": maps.min().item(), "vmax": maps.max().item()}
        _show(row[0], img, seen.title(index))
        for place, (kind, label) in enumerate((("predicted", wrong), ("true", right))):
            _show(row[1 + 2 * place], maps[place], f"{kind} class:\n{seen.told(index, label)}", **scale)
            _show(row[2 + 2 * place], img, "blend")
            shown = row[2 + 2 * place].imshow(maps[place], cmap=COLOURS, alpha=BLEND, **scale)
        bar = figure.colorbar(shown, ax=row, shrink=0.8, label="evidence (logits)")
        bar.solids.set_alpha(1)
    return figure


def draw_upsampling(net: nn.Module, seen: Seen, index: int, title: str) -> Figure:
    """One image, its map enlarged in every way."""
    figure, axes = _grid(2, 1 + len(UPSAMPLING), title)
    for column, method in enumerate(UPSAMPLING, 1):
        cam_img, img = cam(net, seen.inputs, seen.labels, index, method=method)
        shown = _show(axes[0, column], cam_img, method, vmin=0, vmax=1)
        _show(axes[1, column], img, "")
        axes[1, column].imshow(cam_img, cmap=COLOURS, vmin=0, vmax=1, alpha=BLEND)
    for row, title in zip(axes, (seen.title(index), "blends:"), strict=True):
        _show(row[0], img, title)
    figure.colorbar(shown, ax=axes, shrink=0.6, label="evidence,\nleast (0) to most (1)")
    return figure


def evidence(net: nn.Module, image: Tensor, labels: Sequence[int]) -> Tensor:
    """Bilinear maps of an image (3, H, W) for some classes, in logits: (len(labels), H, W).

    The mean of a map before it is enlarged, plus the class's bias, is the class's logit.
    """
    net.eval()
    with torch.no_grad():
        _, features = net(image[None], return_embed=True)  # (1, C, h, w)
    (linear,) = (part for part in net.modules() if isinstance(part, nn.Linear))
    repeated = features.expand(len(labels), *features.shape[1:])
    small = class_activation_map(repeated, linear.weight.detach(), torch.tensor(labels))
    return upsample(small, tuple(image.shape[1:]))


def _grid(rows: int, columns: int, title: str) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(1.9 * columns + 1.2, 2.1 * rows + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _show(axis, image, title: str, **scale: float):
    axis.set_title(title, fontsize=8)
    axis.set(xticks=[], yticks=[])
    if axis.get_subplotspec().is_first_col():
        axis.set(yticks=(0, 16, 31), ylabel="pixels")
        axis.tick_params(labelsize=7)
    return axis.imshow(image, cmap=COLOURS, interpolation="nearest", **scale)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figures of a trained network."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--checkpoint", type=Path, default=Path(__file__).with_name("resnet.safetensors"))
    options.add_argument("--out", type=Path, default=Path("docs/cam"), metavar="DIR")
    options.add_argument("--images", type=int, default=4, metavar="N", help="rows (default: %(default)s)")
    options = options.parse_args(arguments)
    net = MyResnet()
    load_into(net, options.checkpoint)
    cifar = load("cifar10")
    some = slice(LOOKED_AT)
    seen = look(net, cifar.test_images[some], cifar.test_labels[some], cifar.classes)
    right, wrong = seen.first(True, options.images), seen.first(False, options.images)
    of = f"{cifar.source}, validation images"
    drawn = {}
    if right:
        drawn["cam"] = draw_maps(net, seen, right, f"Class activation maps\n{of}")
        drawn["upsampling"] = draw_upsampling(net, seen, right[0], f"From 4×4 places to 32×32 pixels\n{of}")
    if wrong:
        title = f"Misclassified images: the wrong class against the right one\n{of}"
        drawn["wrong"] = draw_wrong(net, seen, wrong, title)
    for name, figure in drawn.items():
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
        atomic.write(options.out / f"{name}.png", content.getvalue())
        print(options.out / f"{name}.png")


if __name__ == "__main__":
    main()
