"""Hints about networks, maps and trainings: told where the numbers say so, and only there."""

import math

import pytest
import torch

from grader.hints import below, class_map, evasion, initialisation, resnet
from grader.hints.training import of_calls, of_curve, of_passes, of_reports
from grader.oracles.cam import UPSAMPLING, Scene, head, unit
from grader.oracles.figure3 import Figure3, classify
from grader.result import Epoch, Training

SIZE = 32
NARROW = Figure3(stem=8, blocks=((16, 2), (24, 2), (32, 2)))
MEAN, STD = (torch.tensor(v).double().reshape(-1, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scene() -> Scene:
    g = generator(1)
    features = torch.rand(64, 1, 1, generator=g).double() + torch.rand(4, 64, 4, 4, generator=g).double()
    predicted = torch.tensor([3, 1, 8, 0])
    return Scene(features, head(features, predicted, 10, generator(2)), predicted)


def test_a_hint_stands_on_a_line_of_its_own():
    assert below("wrong", "because") == "wrong\n  hint: because"
    assert below("wrong", "") == "wrong"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda scene: scene.map(2).T, "the map is transposed"),
        (lambda scene: scene.map(2).flip(0), "upside down"),
        (lambda scene: scene.map(2).flip(1), "mirrored"),
        (lambda scene: -scene.map(2), "negative"),
        (lambda scene: scene.map(2).relu(), "Grad-CAM"),
        (lambda scene: scene.features[2].mean(0), "without the linear layer's weights"),
        (lambda scene: scene.map(2, 5), "your map is that of the label's class 5"),
        (lambda scene: scene.map(2, 6), "the map of class 6; the network predicts class 8"),
        (lambda scene: scene.map(1), "the map of image 1, where idx is 2"),
        (lambda scene: scene.map(1, 8), "the map of image 1, where idx is 2"),
        (lambda scene: torch.ones(4, 4).double(), ""),
        (lambda scene: scene.map(2).roll(1, 0), ""),
    ],
)
def test_another_map_is_told_where_it_is_one_that_is_known(scene, spoil, said):
    found = class_map.hint(scene, UPSAMPLING["bicubic"](spoil(scene), SIZE), 2, label=5)
    assert (said in found) if said else found == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda large: large, "the sum itself"),
        (lambda large: 2 * unit(large) - 1, "from -1 to 1"),
        (lambda large: 255 * unit(large), "goes to 255"),
        (lambda large: large / large.max(), "subtract the minimum"),
        (lambda large: large - large.min(), "divide by the maximum"),
        (lambda large: torch.full_like(large, 0.3), ""),
        (lambda large: 0.5 + 0.1 * unit(large), ""),
    ],
)
def test_another_scale_is_told_by_its_limits(scene, change, said):
    truth = scene.map(2)
    found = class_map.of_scale(change(UPSAMPLING["bilinear"](truth, SIZE)), truth)
    assert (said in found) if said else found == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda own: 255 * (own * STD + MEAN), ""),  # image 1 where it is asked for would be right
        (lambda own: own, "as it is normalised"),
        (lambda own: own * STD + MEAN, "without its times 255"),
        (lambda own: 255 * (own * MEAN + STD), "each other's place"),
        (lambda own: 255 * own * STD, "without MEAN"),
        (lambda own: 255 * (own - own.min()) / (own.max() - own.min()), "minimum and maximum"),
        (lambda own: 255 * (own * STD + MEAN).flip(0), "red and blue"),
        (lambda own: 255 * (own * STD + MEAN).mT, "height and width"),
        (lambda own: 40 * own, ""),
    ],
)
def test_another_image_is_told_where_it_is_one_that_is_known(change, said):
    pixels = torch.randint(0, 256, (3, 8, 8, 3), generator=generator(4), dtype=torch.uint8)
    inputs = (pixels.permute(0, 3, 1, 2).double() / 255 - MEAN) / STD
    answer = change(inputs[1]).round().clamp(0, 255).byte().permute(1, 2, 0)
    found = class_map.of_image(answer, inputs, pixels, 1, MEAN, STD)
    assert (said in found) if said else found == ""


# ---------------------------------------------------------------------------------- parameters
def shapes(figure: Figure3) -> tuple[dict, dict]:
    parameters = {f"c{place}.weight": shape for place, shape in enumerate(figure.convolutions())}
    buffers = {}
    for place, shape in enumerate(figure.convolutions()):
        parameters |= {f"n{place}.{name}": shape[:1] for name in ("weight", "bias")}
        buffers |= {f"n{place}.{name}": shape[:1] for name in ("running_mean", "running_var")}
    return parameters | {"fc.weight": figure.linear, "fc.bias": figure.linear[:1]}, buffers


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p, b: None, ""),
        (lambda p, b: p.update({"c0.weight": (4, 3, 3, 3)}), "4 output channels"),
        (lambda p, b: p.update({"c0.weight": (8, 3, 5, 5)}), "kernels of 5×5"),
        (lambda p, b: [p.pop(f"c{place}.weight") for place in (3, 6, 9)], "no convolution of 1×1"),
        (lambda p, b: p.update({"fc.weight": (100, 32), "fc.bias": (100,)}), "maps 32 numbers to 100"),
        (lambda p, b: p.pop("fc.bias"), "no bias"),
        (lambda p, b: [p.pop("n3.weight"), p.pop("n3.bias"), b.pop("n3.running_mean"), b.pop("n3.running_var")],
         "1 of 10"),
        (lambda p, b: [b.pop("n3.running_mean"), b.pop("n3.running_var")], "keep no running statistics"),
        (lambda p, b: p.update({"c1.weight": (7, 7, 3, 3)}), ""),
    ],
)
def test_parameters_that_are_not_the_figures_are_told_by_their_shapes(change, said):
    parameters, buffers = shapes(NARROW)
    change(parameters, buffers)
    found = resnet.of_parameters(NARROW, parameters, buffers)
    assert (said in found) if said else found == ""


def test_what_comes_in_the_maps_place_is_told():
    g = generator(5)
    before = torch.randn(4, 32, 4, 4, generator=g).double()
    linear = torch.randn(10, 32, generator=g).double(), torch.randn(10, generator=g).double()
    logits = classify(before.relu(), *linear).float()

    def said(*returned: torch.Tensor) -> str:
        return resnet.of_embedding(NARROW, [value.float() for value in returned], logits, linear)

    assert "after the pooling" in said(before.relu().mean((2, 3)), logits)
    assert "before the last block's ReLU" in said(before, logits)
    assert "an earlier layer" in said(torch.rand(4, 24, 8, 8), logits)
    assert "logits come alone" in said(logits)
    assert "map comes alone" in said(before.relu())
    assert said(-before, logits) == ""


def test_weights_that_are_drawn_from_0_on_or_not_at_all_are_told():
    std = math.sqrt(2 / 576)
    assert "below 0" in initialisation.hint({"w": std * torch.rand(64, 64, 3, 3, generator=generator(6))})
    assert "the same" in initialisation.hint({"w": torch.full((64, 64, 3, 3), std)})


# ------------------------------------------------------------------------------------ trainings
def training(*reports: tuple[float, float], first: int = 1, falling: bool = True) -> Training:
    """What a loop reported, beside what was measured: a loss that falls, and 90 % right."""
    epochs = [
        Epoch(first + place, 0.5 / (place + 1) if falling else 2.3, 0.9, 0.5, 0.9, loss, accuracy, 1.0)
        for place, (loss, accuracy) in enumerate(reports)
    ]
    return Training(epochs=epochs, seconds=3.0, train_size=800, train_sample=800, val_size=300, required_accuracy=0.9)


RIGHT = (0.6, 0.8), (0.3, 0.9)


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (training(), "never called"),
        (training(*RIGHT, first=0), "count from 1"),
        (training(RIGHT[0]), "ends after 1 of 2"),
        (training(*RIGHT, *RIGHT), ""),
    ],
)
def test_wrong_calls_are_told_by_their_epochs(measured, said):
    found = of_calls(measured, 2)
    assert (said in found) if said else found == ""


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (training((0.6, 80.0), (0.3, 90.0)), "in percent"),
        (training((0.6, 640.0), (0.3, 720.0)), "number of images"),
        (training((0.8, 1.6), (0.9, 0.3)), "in each other's place"),
        (training((0.6, float("nan")), (0.3, 0.9)), ""),
        (training((0.6, -1.0), (0.3, -2.0)), ""),
    ],
)
def test_a_wrong_report_is_told_by_its_numbers(measured, said):
    found = of_reports(measured)
    assert (said in found) if said else found == ""


def test_an_epoch_that_ends_early_is_told_by_its_batches():
    assert "ends after one batch" in of_passes([1, 1, 1])
    assert "ends after 2 batches" in of_passes([2, 2])
    assert of_passes([2, 3]) == of_passes([300, 300]) == of_passes([]) == ""


def test_why_a_network_does_not_learn_is_told_where_the_curve_says_it():
    assert "the same after every epoch" in of_curve(training(*RIGHT, falling=False))
    assert "your loss is negative" in of_curve(training((-0.6, 0.1), (-9.0, 0.1)))
    assert of_curve(training(*RIGHT)) == ""


def test_a_budget_and_an_accuracy_are_explained_by_their_numbers():
    assert "one pass too many" in evasion.of_passes(21, 20)
    assert "3 times the budget" in evasion.of_passes(60, 20)
    assert evasion.of_passes(33, 20) == ""
    assert "percent" in evasion.of_accuracy(95.0, 0.95, 250)
    assert "number of images" in evasion.of_accuracy(237.5, 0.95, 250)
    assert evasion.of_accuracy(0.5, 0.95, 250) == ""
    assert evasion.of_strays(0, 100) == "" != evasion.of_strays(100, 0)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (lambda x: torch.full_like(x, 3.0), "the perturbation alone"),
        (lambda x: 255 * x, "multiplied by 255"),
        (lambda x: x.flip(0), "in another order"),
        (lambda x: (x / 255).clamp(0.2, 1), "from 0 to 1"),
        (lambda x: (x - 5).remainder(256), "wrap around"),
        (lambda x: x - 8, "after the last step, too"),
        (lambda x: x.long(), ".round() keeps it"),
        (lambda x: x[:, 0], "the axes of x"),
    ],
)
def test_more_examples_that_are_too_far_are_explained(attack, said):
    images = torch.randint(0, 250, (4, 1, 28, 28), generator=generator(7)).float()
    assert said in evasion.hint(attack(images), images, 8)
