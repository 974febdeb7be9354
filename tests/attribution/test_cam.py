"""Class activation maps: the identity with the logit, rescaling, upsampling, Grad-CAM."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from reference.attribution import UPSAMPLING, class_activation_map, grad_cam, min_max, upsample
from reference.hw3.deliverable3_5.model import MyResnet, init_weights_kaiming


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return MyResnet().apply(init_weights_kaiming).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def seen(net, images):
    """Logits and features of the images."""
    with torch.no_grad():
        return net(images, return_embed=True)


# ------------------------------------------------------------------------------- identity
@pytest.mark.parametrize("label", range(10))
def test_the_mean_of_the_map_and_the_bias_are_the_logit(net, seen, label):
    logits, features = seen
    labels = torch.full((3,), label)
    maps = class_activation_map(features, net.classifier.weight, labels)
    assert maps.shape == (3, 4, 4)
    found = maps.mean((1, 2)) + net.classifier.bias[label]
    torch.testing.assert_close(found, logits[:, label], rtol=1e-5, atol=1e-5)


def test_the_identity_is_exact_where_arithmetic_is():
    """On small integers nothing is rounded, so not one bit may differ."""
    generator = torch.Generator().manual_seed(2)
    features = torch.randint(-8, 9, (4, 6, 4, 4), generator=generator).float()
    weight = torch.randint(-8, 9, (5, 6), generator=generator).float()
    bias = torch.randint(-8, 9, (5,), generator=generator).float()
    labels = torch.tensor([0, 4, 2, 2])
    logits = F.linear(features.mean((2, 3)), weight, bias)
    maps = class_activation_map(features, weight, labels)
    assert torch.equal(maps.mean((1, 2)) + bias[labels], logits[torch.arange(4), labels])


def test_each_image_has_the_map_of_its_own_class():
    features, weight = torch.randn(2, 5, 3, 2), torch.randn(4, 5)
    both = class_activation_map(features, weight, torch.tensor([3, 1]))
    for place, label in enumerate((3, 1)):
        alone = sum(weight[label, c] * features[place, c] for c in range(5))
        torch.testing.assert_close(both[place], alone)


def test_evidence_in_one_place_lights_that_place():
    features = torch.zeros(1, 5, 4, 4)
    features[0, 2, 3, 1] = 7.0
    (cam,) = class_activation_map(features, torch.eye(5), torch.tensor([2]))
    assert cam.argmax() == 3 * 4 + 1
    assert cam.count_nonzero() == 1


@pytest.mark.parametrize(
    ("features", "weight", "labels", "error", "said"),
    [
        ((2, 5, 4), (3, 5), [0, 1], ValueError, r"features \(N, C, h, w\)"),
        ((2, 5, 4, 4), (3, 6), [0, 1], ValueError, r"weight \(3, 6\)"),
        ((2, 5, 4, 4), (3, 5), [0], ValueError, r"shape \(2,\), found \(1,\)"),
        ((2, 5, 4, 4), (3, 5), [0, 3], ValueError, "from 0 to 2, found 0 to 3"),
        ((2, 5, 4, 4), (3, 5), [0, -1], ValueError, "found -1 to 0"),
        ((2, 5, 4, 4), (3, 5), [0.0, 1.0], TypeError, "int64, found torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(features, weight, labels, error, said):
    with pytest.raises(error, match=said):
        class_activation_map(torch.zeros(features), torch.zeros(weight), torch.tensor(labels))


# ------------------------------------------------------------------------------ rescaling
def test_each_map_is_rescaled_of_its_own():
    maps = torch.randn(3, 4, 5) * torch.tensor([1.0, 10.0, 100.0])[:, None, None]
    scaled = min_max(maps)
    assert torch.equal(scaled.amin((1, 2)), torch.zeros(3))
    assert torch.equal(scaled.amax((1, 2)), torch.ones(3))
    for before, after in zip(maps, scaled, strict=True):
        assert torch.equal(before.flatten().argsort(), after.flatten().argsort())


def test_a_constant_map_becomes_zero_and_not_nan():
    assert torch.equal(min_max(torch.full((1, 4, 4), 3.0)), torch.zeros(1, 4, 4))


# ----------------------------------------------------------------------------- upsampling
@pytest.mark.parametrize("method", UPSAMPLING)
def test_every_method_gives_the_images_size_and_dtype(method):
    for dtype in (torch.float32, torch.float64):
        large = upsample(torch.rand(2, 4, 3, dtype=dtype), (32, 20), method=method)
        assert large.shape == (2, 32, 20)
        assert large.dtype == dtype


@pytest.mark.parametrize("method", UPSAMPLING)
def test_every_method_keeps_a_constant_map(method):
    large = upsample(torch.full((1, 4, 4), 2.5), (32, 32), method=method)
    torch.testing.assert_close(large, torch.full((1, 32, 32), 2.5))


@pytest.mark.parametrize("method", UPSAMPLING)
def test_maps_do_not_mix(method):
    maps = torch.rand(2, 4, 4)
    together = upsample(maps, (32, 32), method=method)
    torch.testing.assert_close(together[1:], upsample(maps[1:], (32, 32), method=method))


@pytest.mark.parametrize("method", UPSAMPLING)
def test_the_brightest_quadrant_stays_the_brightest(method):
    maps = torch.zeros(1, 4, 4)
    maps[0, 2:, :2] = 1.0
    large = upsample(maps, (32, 32), method=method)
    quadrants = large.reshape(2, 16, 2, 16).mean((1, 3)).flatten()
    assert quadrants.argmax() == 2


def test_nearest_repeats_each_place_as_a_tile():
    maps = torch.rand(1, 4, 4)
    tiles = maps.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert torch.equal(upsample(maps, (32, 32), method="nearest"), tiles)


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_a_value_stands_at_the_centre_of_its_tile(method):
    maps = torch.rand(1, 4, 4)
    large = upsample(maps, (12, 20), method=method)  # tiles of 3 × 5 pixels
    torch.testing.assert_close(large[:, 1::3, 2::5], maps)


def test_zoom_linear_is_bilinear_with_aligned_corners():
    maps = torch.rand(2, 4, 4)
    aligned = F.interpolate(maps[:, None], (32, 32), mode="bilinear", align_corners=True)[:, 0]
    torch.testing.assert_close(upsample(maps, (32, 32), method="zoom-linear"), aligned)


def test_zoom_cubic_is_scipys_own():
    (cam,) = maps = torch.rand(1, 4, 4, dtype=torch.float64)
    (found,) = upsample(maps, (32, 32), method="zoom-cubic")
    np.testing.assert_allclose(found, ndimage.zoom(cam.numpy(), 8, order=3))


def test_an_unknown_method_is_told_the_known_ones():
    with pytest.raises(ValueError, match="nearest, bilinear, bicubic, zoom-linear, zoom-cubic, found 'cubic'"):
        upsample(torch.rand(1, 4, 4), (8, 8), method="cubic")
    with pytest.raises(ValueError, match=r"expected \(N, h, w\), found \(4, 4\)"):
        upsample(torch.rand(4, 4), (8, 8))


# ------------------------------------------------------------------------------- Grad-CAM
def test_grad_cam_is_cam_up_to_the_number_of_places(net, images, seen):
    labels = torch.tensor([3, 0, 9])
    cam = class_activation_map(seen[1], net.classifier.weight, labels)
    found = grad_cam(net, net.features, images, labels, relu=False)
    torch.testing.assert_close(found * 16, cam.detach(), rtol=1e-4, atol=1e-5 * cam.abs().max().item())


def test_grad_cam_with_relu_keeps_what_speaks_for_the_class(net, images):
    labels = torch.tensor([3, 0, 9])
    signed = grad_cam(net, net.features, images, labels, relu=False)
    assert (signed < 0).any()
    assert torch.equal(grad_cam(net, net.features, images, labels), signed.relu())


def test_grad_cam_of_a_net_with_other_layers_is_the_papers_formula():
    torch.manual_seed(3)
    convolution = nn.Conv2d(1, 4, 3)
    head = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 5))
    net = nn.Sequential(convolution, head).double().eval()
    image, label = torch.randn(1, 1, 8, 8).double(), 2
    features = convolution(image).detach()

    def logit(features):
        return head(features)[0, label].item()

    step, alpha = 1e-6, torch.zeros(4).double()
    for place in np.ndindex(4, 6, 6):
        up, down = features.clone(), features.clone()
        up[0][place] += step
        down[0][place] -= step
        alpha[place[0]] += (logit(up) - logit(down)) / (2 * step) / 36
    expected = (alpha[:, None, None] * features[0]).sum(0)
    (found,) = grad_cam(net, convolution, image, torch.tensor([label]), relu=False)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_grad_cam_leaves_the_net_as_it_was(net, images):
    frozen = MyResnet().eval().requires_grad_(False)
    grad_cam(frozen, frozen.features, images, torch.tensor([0, 1, 2]))
    with torch.no_grad():
        grad_cam(net, net.features, images, torch.tensor([0, 1, 2]))
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not net.features._forward_hooks
    assert not images.requires_grad


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda net: net.classifier, r"\(N, C, h, w\), found \(3, 10\)"),
        (lambda net: nn.Identity(), "ran 0 times"),
    ],
)
def test_a_layer_without_a_map_is_refused(net, images, layer, said):
    with pytest.raises(ValueError, match=said):
        grad_cam(net, layer(net), images, torch.tensor([0, 1, 2]))


def test_grad_cam_in_training_mode_is_refused(images):
    net = MyResnet()
    with pytest.raises(ValueError, match=r"call net\.eval\(\)"):
        grad_cam(net, net.features, images, torch.tensor([0, 1, 2]))
