"""Exhibits of deliverable 5: the submission's class activation maps of its own trained network.

The images are the grader's, and so are the maps of the right class that stand beside wrong ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from grader.bench import Bench
from grader.checks import replies
from grader.checks.cam_scene import call, cam_image, normalised, seen, set_mode
from grader.checks.resnet import build_network
from grader.checks.resnet_parts import MODULE, Candidate, bulky
from grader.checks.trained import FORMATS
from grader.exhibits.kinds import Exhibit, Map, Mapped, Maps, Missing, Picture
from grader.oracles.cam import UPSAMPLING, Scene, enlarged, unit
from grader.oracles.figure3 import Figure3
from grader.worker.messages import Done, GetParameters, LoadWeights, Parameters

SHOWN = 4  # images of either kind
SEARCHED, BATCH = 300, 50  # validation images among which they are found


def class_maps(figure: Figure3 = Figure3()) -> Callable[[Bench], list[Exhibit]]:
    """Maps of images that the network has right, then of images that it has wrong.

    Args:
        figure: the network.
    """

    def run(bench: Bench) -> list[Exhibit]:
        data = bench.data()
        net = _trained(bench, figure)
        order = np.random.default_rng(bench.check_seed("images to explain")).permutation(len(data.test_images))
        chosen = order[:SEARCHED]
        pixels = torch.from_numpy(data.test_images[chosen])
        labels = torch.from_numpy(data.test_labels[chosen].astype("int64"))
        parts = [seen(bench, figure, net, normalised(part)) for part in pixels.split(BATCH)]
        predicted = torch.cat([logits for logits, _ in parts]).argmax(1)
        features = torch.cat([maps for _, maps in parts])
        scene = Scene(features, _head(bench, net), predicted)
        said = (
            f"{data.source}, validation images (HW3's validation set is the test set). Maps come from the "
            "submission's cam() on its own checkpoint, each from its least (dark) to its greatest value "
            "(bright). The grader computed each anew and says where they differ."
        )
        right = _distinct(predicted, (predicted == labels).nonzero().flatten())
        wrong = (predicted != labels).nonzero().flatten()[:SHOWN]
        found: list[Exhibit] = []
        for title, indices, note in (
            ("Images that the network recognises", right, said),
            (
                "Images that the network takes for something else",
                wrong,
                f"{said} Beside them, the grader's map of the right class.",
            ),
        ):
            if len(indices):
                found.append(_maps(bench, figure, net, title, note, pixels, labels, scene, indices))
            else:
                found.append(Missing(title, f"there is none among {len(labels)} images"))
        return found

    return run


def _trained(bench: Bench, figure: Figure3) -> Candidate:
    """The submission's network with its own checkpoint, in evaluation mode."""
    path = bench.weights()
    net = build_network(bench, figure)
    request = LoadWeights(handle=net.handle, format=FORMATS[path.suffix])
    replies.expect(bench.ask(MODULE, request, [np.frombuffer(path.read_bytes(), dtype=np.uint8)]), Done)
    set_mode(bench, net, training=False)
    return net


def _head(bench: Bench, net: Candidate) -> Tensor:
    """The weight of the linear layer, (K, C), float64."""
    reply = bulky(bench, GetParameters(handle=net.handle))
    slots = {slot.name: slot.index for slot in replies.expect(reply, Parameters).parameters}
    return reply.arrays[slots[net.known().linear[0]]].double()


def _distinct(predicted: Tensor, indices: Tensor) -> Tensor:
    """The first images, each of another class."""
    first = {int(predicted[index]): int(index) for index in indices.flip(0)}
    return torch.tensor(sorted(first.values())[:SHOWN], dtype=torch.int64)


def _maps(
    bench: Bench,
    figure: Figure3,
    net: Candidate,
    title: str,
    note: str,
    pixels: Tensor,
    labels: Tensor,
    scene: Scene,
    indices: Tensor,
) -> Maps:
    names = bench.data().classes
    inputs = normalised(pixels[indices])
    items = []
    for place, index in enumerate(indices.tolist()):
        told, true = int(scene.predicted[index]), int(labels[index])
        # The true classes stay here; the map must not depend on what is sent for them.
        answer = cam_image(figure, *call(bench, net, inputs, scene.predicted[indices], place))
        fault = scene.fault(answer, index)
        said = f"cam(): {names[told]}" + (f" (not as the grader computes it: {fault})" if fault else "")
        maps = [Map(said[:200], _grey(answer))]
        if told != true:
            maps.append(Map(f"grader: {names[true]}", _grey(_bilinear(scene.map(index, true), len(answer)))))
        caption = names[true] if told == true else f"{names[true]}, taken for {names[told]}"
        items.append(Mapped(_colour(pixels[index]), caption, maps))
    return Maps(title, note, items)


def _bilinear(small: Tensor, size: int) -> Tensor:
    return unit(enlarged(small, size)[list(UPSAMPLING).index("bilinear")])


def _grey(values: Tensor) -> Picture:
    """A map from 0 to 1, (S, S); what lies outside is cut off."""
    pixels = (255 * values.clamp(0, 1)).round().to(torch.uint8).contiguous()
    return Picture(*pixels.shape, 1, pixels.numpy().tobytes())


def _colour(pixels: Tensor) -> Picture:
    """uint8 (S, S, 3)."""
    return Picture(*pixels.shape[:2], 3, pixels.contiguous().numpy().tobytes())
