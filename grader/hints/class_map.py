"""Hints about class activation maps: which other map came, how it is scaled, what the image is instead."""

from collections.abc import Iterator

import torch
from torch import Tensor

from grader.oracles.cam import TOLERANCE, Scene, agrees, constant, enlarged

BYTES = 255


def hint(scene: Scene, answer: Tensor, image: int, label: int | None = None) -> str:
    """Which other map an answer is, in one sentence; "" where that is not known.

    Args:
        scene: the images, and the maps that follow.
        answer: (S, S), not the map that is expected.
        image: index of the one that was asked for.
        label: that the submission was told for it; None where it is the predicted class.
    """
    if constant(answer):
        return ""
    return next((said for small, said in _others(scene, image, label) if agrees(answer, small)), "")


def _others(scene: Scene, image: int, label: int | None) -> Iterator[tuple[Tensor, str]]:
    features, predicted = scene.features[image], int(scene.predicted[image])
    weight = scene.weight[predicted]
    truth = scene.map(image)
    yield truth.T, "the map is transposed: its height and width are swapped"
    yield truth.flip(0), "the map is upside down"
    yield truth.flip(1), "the map is mirrored: left and right are swapped"
    yield -truth, "the map is negative: dark where it should be bright"
    yield truth.relu(), (
        "what speaks against the class is cut off (a ReLU, as in Grad-CAM); a class activation map is the sum itself"
    )
    yield truth.abs(), "the absolute value is taken: what speaks against the class is as bright as what speaks for it"
    yield torch.einsum("chw,c->hw", features, weight.relu()), (
        "the linear layer's weights below 0 are left out; a class activation map is the sum with all of them"
    )
    yield torch.einsum("chw,c->hw", features, weight.abs()), "the linear layer's weights are taken without their signs"
    yield features.sum(0), "the features are added up without the linear layer's weights of the predicted class"
    yield features.amax(0), "the map is the greatest feature of each place; expected the weighted sum of all"
    if label is not None:
        yield scene.map(image, label), (
            f"your map is that of the label's class {label}; the network predicts class {predicted}, "
            "whatever the label says"
        )
    for other in range(len(scene.weight)):
        if other != predicted:
            yield scene.map(image, other), (
                f"this is the map of class {other}; the network predicts class {predicted}, whatever the label says"
            )
    for other in range(len(scene.features)):
        if other != image:
            for one in {int(scene.predicted[other]), predicted}:
                yield scene.map(other, one), f"this is the map of image {other}, where idx is {image}"


def of_scale(answer: Tensor, truth: Tensor) -> str:
    """Why a map does not go from 0 to 1; "" where that is not known.

    Args:
        answer: (S, S), not constant where something is said of it.
        truth: (h, h), the map as it should come, before it is rescaled.
    """
    low, high = answer.min().item(), answer.max().item()
    near = 1e-3
    if constant(answer):
        return ""
    if abs(low + 1) <= near and abs(high - 1) <= near:
        return "it goes from -1 to 1: the minimum has to become 0"
    if abs(low) <= near and abs(high - BYTES) <= 1:
        return f"it goes to {BYTES}: leave it in floating point from 0 to 1"
    errors = (enlarged(truth, len(answer)) - answer.double()).abs().amax((1, 2))
    if errors.min() <= TOLERANCE * (truth.max() - truth.min()):
        return "this is the sum itself: it still has to be rescaled"
    if abs(high - 1) <= near:
        return "its largest value is 1 and its least is not 0: subtract the minimum before you divide by the maximum"
    if abs(low) <= near:
        return "its least value is 0 and its largest is not 1: divide by the maximum, after the minimum is subtracted"
    return ""


def of_shape(found: tuple[int, ...], map_size: int) -> str:
    """Why a map has this shape; "" where that is not known."""
    sides = tuple(extent for extent in found if extent != 1)
    if sides == (map_size, map_size):
        return f"this is the map as it comes, {map_size}×{map_size}: it has to be enlarged to the image's size"
    if not sides:
        return "one place is left: the map has to be taken from the feature map before the pooling"
    return ""


def of_image_form(answer: Tensor, size: int, channels: int) -> str:
    """Why an image is no uint8 (S, S, C); "" where that is not known."""
    if tuple(answer.shape) == (channels, size, size):
        return "the colours are in the first axis: .permute(1, 2, 0), or .transpose(1, 2, 0) of an array"
    if tuple(answer.shape) == (size, size, channels) and answer.is_floating_point():
        low, high = answer.min().item(), answer.max().item()
        if -1e-3 <= low and high <= 1 + 1e-3:
            return f"its values lie from 0 to 1: times {BYTES}, rounded, and then to uint8"
        if -0.5 <= low and high <= BYTES + 0.5:
            return "its values are right for uint8, its dtype is not: round it, then .astype(np.uint8) or .byte()"
    return ""


def of_image(answer: Tensor, inputs: Tensor, pixels: Tensor, image: int, mean: Tensor, std: Tensor) -> str:
    """What an image is instead, in one sentence; "" where that is not known.

    Args:
        answer: uint8 (S, S, C), not image number `image`.
        inputs: (N, C, S, S), normalised.
        pixels: uint8 (N, S, S, C), what they were made of.
        image: index of the one that was asked for.
        mean, std: of the normalisation, (C, 1, 1).
    """
    own, true = inputs[image].double(), pixels[image].int()
    span = own.max() - own.min()
    made = {
        "the image as it is normalised: (inputs[idx] * STD + MEAN) * 255 undoes that": own,
        "the normalised image times 255: times STD and plus MEAN first": BYTES * own,
        "the image without its times 255": own * std + mean,
        "the image with MEAN and STD in each other's place": BYTES * (own * mean + std),
        "the image without MEAN: times STD, plus MEAN, times 255": BYTES * own * std,
        "the image without STD: times STD, plus MEAN, times 255": BYTES * (own + mean),
        "the image with + MEAN before * STD: it is times STD first": BYTES * (own + mean) * std,
        "the normalised image rescaled by its own minimum and maximum: undo the normalisation instead": (
            BYTES * (own - own.min()) / span
        ),
    }
    known = {f"image {other}": [whole.int()] for other, whole in enumerate(pixels) if other != image}
    known |= {
        "the image with red and blue swapped": [true.flip(2)],
        "the image with height and width swapped": [true.transpose(0, 1)],
        "the image upside down": [true.flip(0)],
        "the negative of the image": [BYTES - true],
    }
    # A cast to uint8 cuts off what is too large, or leaves what remains of a division by 256.
    known |= {said: [values.permute(1, 2, 0)] for said, values in made.items()}
    fitting = [said for said, forms in known.items() if any(_same(answer, form) for form in forms)]
    return f"this is {fitting[0]}" if len(fitting) == 1 else ""


def _same(answer: Tensor, values: Tensor) -> bool:
    """Whether bytes are these values, rounded or cut off, clamped or wrapped around.

    One value in fifty may be off by 1: where float32 and float64 round to different sides.
    """
    given, values = answer.double(), values.double()
    for whole in (values.round(), values.trunc()):
        for form in (whole.clamp(0, BYTES), whole.remainder(BYTES + 1)):
            error = (given - form).abs()
            error = torch.minimum(error, BYTES + 1 - error)
            if error.max() <= 1 and error.mean() <= 0.02:
                return True
    return False
