"""The figures of deliverable 5: which images they show, what stands above them, that they are drawn."""

import numpy as np
import pytest
import torch

from data_scripts import Dataset
from reference.attribution import class_activation_map
from reference.training.weights import save_half

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="module")
def net(hw3):
    torch.manual_seed(0)
    return hw3.model.MyResnet().apply(hw3.model.init_weights_kaiming).eval()


@pytest.fixture(scope="module")
def stored():
    """Twelve random images as they are stored, and labels."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8), np.arange(12) % 10


@pytest.fixture(scope="module")
def seen(hw3, net, stored):
    """Half of the labels are what the net predicts."""
    images, labels = stored
    first = hw3.figures.look(net, images, labels, CLASSES)
    labels = torch.where(torch.arange(12) % 2 == 0, first.predicted, (first.predicted + 1) % 10)
    return hw3.figures.look(net, images, labels.numpy(), CLASSES)


def test_probabilities_are_the_softmax_of_the_logits(net, seen):
    with torch.no_grad():
        expected = net(seen.inputs).softmax(1)
    torch.testing.assert_close(seen.probabilities, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("right", [True, False])
def test_the_images_shown_are_the_first_of_their_class(seen, right):
    chosen = seen.first(right, 3)
    labels = seen.labels[chosen].tolist()
    assert len(set(labels)) == len(labels) == len(chosen) > 0
    for index, label in zip(chosen, labels, strict=True):
        fits = ((seen.predicted == seen.labels) == right) & (seen.labels == label)
        assert index == fits.nonzero()[0].item()
    assert len(seen.first(right, 1)) == 1


def test_the_title_names_both_classes_and_the_probability(seen):
    (index,) = seen.first(False, 1)
    true, predicted = CLASSES[seen.labels[index]], CLASSES[seen.predicted[index]]
    percent = round(100 * seen.probabilities[index].max().item())
    assert seen.title(index) == f"true: {true}\npredicted: {predicted}, {percent} %"


def test_evidence_is_in_logits(hw3, net, seen):
    """Its mean before it is enlarged, plus the bias, is the logit; bilinear tiles keep the range."""
    maps = hw3.figures.evidence(net, seen.inputs[3], (2, 7))
    with torch.no_grad():
        logits, features = net(seen.inputs[3:4], return_embed=True)
    for shown, label in zip(maps, (2, 7), strict=True):
        small = class_activation_map(features, net.classifier.weight.detach(), torch.tensor([label]))
        assert (small.mean() + net.classifier.bias[label] - logits[0, label]).abs() < 1e-3 * logits.abs().max()
        assert small.min() <= shown.min() <= shown.max() <= small.max()


def texts(figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_a_figure_of_maps_shows_input_map_and_blend_of_each_image(hw3, net, seen):
    chosen = seen.first(True, 3)
    figure = hw3.figures.draw_maps(net, seen, chosen, "a title")
    images = [axis.get_images() for axis in figure.axes if axis.get_images()]
    assert [len(row) for row in images[: 3 * len(chosen)]] == [1, 1, 2] * len(chosen)
    for row, index in enumerate(chosen):
        cam_img, img = hw3.train.cam(net, seen.inputs, seen.labels, index)
        shown, mapped, blend = images[3 * row : 3 * row + 3]
        assert np.array_equal(shown[0].get_array(), img)
        assert np.array_equal(mapped[0].get_array(), cam_img)
        assert np.array_equal(blend[1].get_array(), cam_img)
        assert 0 < blend[1].get_alpha() < 1
        assert seen.title(index) in texts(figure)


def test_right_and_wrong_class_share_one_scale(hw3, net, seen):
    (index,) = seen.first(False, 1)
    figure = hw3.figures.draw_wrong(net, seen, [index], "a title")
    maps = [image for axis in figure.axes[:5] for image in axis.get_images() if image.get_array().ndim == 2]
    wrong, right = hw3.figures.evidence(net, seen.inputs[index], (int(seen.predicted[index]), int(seen.labels[index])))
    assert np.array_equal(maps[0].get_array(), wrong)
    assert np.array_equal(maps[2].get_array(), right)
    assert len({image.get_clim() for image in maps}) == 1
    low, high = maps[0].get_clim()
    assert low == min(wrong.min(), right.min()) and high == max(wrong.max(), right.max())  # nothing is clipped
    assert "evidence (logits)" in texts(figure)


def test_every_way_of_enlarging_is_shown(hw3, net, seen):
    said = texts(hw3.figures.draw_upsampling(net, seen, 0, "a title"))
    assert all(method in said for method in hw3.figures.UPSAMPLING)


def test_the_command_draws_all_three(hw3, net, stored, seen, monkeypatch, tmp_path):
    images, _ = stored
    data = Dataset("cifar10", "synthetic", "noise", images, seen.labels.numpy(), images, seen.labels.numpy(), CLASSES, "0" * 64)
    monkeypatch.setattr(hw3.figures, "load", lambda name: data)
    save_half(net, tmp_path / "resnet.safetensors")
    hw3.figures.main(["--checkpoint", str(tmp_path / "resnet.safetensors"), "--out", str(tmp_path / "out"), "--images", "2"])
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["cam.png", "upsampling.png", "wrong.png"]
    assert all((tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG") for name in names)
