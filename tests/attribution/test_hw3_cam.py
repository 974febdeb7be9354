"""The reference's `cam`: its options, its refusals, what it leaves alone. The rest is tests/deliverable5."""

import numpy as np
import pytest
import torch
from torch import nn

from reference.attribution import UPSAMPLING, class_activation_map, min_max, upsample

NARROW = {"stem": 4, "blocks": ((6, 2), (8, 2), (10, 2))}


@pytest.fixture
def net(hw3):
    torch.manual_seed(0)
    return hw3.model.MyResnet(figure=hw3.model.Figure3(**NARROW)).apply(hw3.model.init_weights_kaiming).eval()


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (3, 32, 32, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


@pytest.fixture
def inputs(hw3, pixels):
    mean, std = (torch.tensor(values)[:, None, None] for values in (hw3.train.MEAN, hw3.train.STD))
    return (pixels.permute(0, 3, 1, 2) / 255 - mean) / std


LABELS = torch.tensor([0, 1, 2])


@pytest.mark.parametrize("method", UPSAMPLING)
def test_the_map_is_the_librarys_by_any_method(hw3, net, inputs, method):
    with torch.no_grad():
        logits, features = net(inputs, return_embed=True)
    maps = class_activation_map(features, net.classifier.weight.detach(), logits.argmax(1))
    expected = min_max(upsample(maps, (32, 32), method=method))
    for idx in range(3):
        cam_img, _ = hw3.train.cam(net, inputs, LABELS, idx, method=method)
        np.testing.assert_allclose(cam_img, expected[idx], atol=1e-4)
        assert cam_img.dtype == np.float32
        assert (cam_img.min(), cam_img.max()) == (0, 1)


def test_the_image_comes_back_to_the_bit(hw3, net, inputs, pixels):
    for idx in range(3):
        _, img = hw3.train.cam(net, inputs, LABELS, idx)
        assert np.array_equal(img, pixels[idx].numpy())


def test_parts_that_are_frozen_in_evaluation_mode_stay_so(hw3, net, inputs):
    """As in fine-tuning: the net trains, its normalisations do not."""
    net.train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    before = [part.training for part in net.modules()]
    hw3.train.cam(net, inputs, LABELS, 0)
    assert [part.training for part in net.modules()] == before


def test_the_mode_comes_back_after_an_error(hw3, net, inputs):
    net.train()
    with pytest.raises(RuntimeError):
        hw3.train.cam(net, inputs.long(), LABELS, 0)
    assert net.training


def test_the_linear_layer_is_found_whatever_its_name(hw3, net, inputs):
    expected, _ = hw3.train.cam(net, inputs, LABELS, 1)

    class Renamed(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = net.classifier, net.features

        def forward(self, x, return_embed=False):
            features = self.first(x)
            return self.last(features.mean((2, 3))), features

    found, _ = hw3.train.cam(Renamed().eval(), inputs, LABELS, 1)
    assert np.array_equal(found, expected)


def test_two_linear_layers_are_refused(hw3, net, inputs):
    net.classifier = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10))
    with pytest.raises(ValueError, match="expected one linear layer, behind the pooling; found 2"):
        hw3.train.cam(net, inputs, LABELS, 0)


@pytest.mark.parametrize(
    ("shape", "labels", "idx", "said"),
    [
        ((2, 1, 32, 32), 2, 0, r"inputs \(N, 3, H, W\) and labels \(N,\), found \(2, 1, 32, 32\)"),
        ((3, 32, 32), 3, 0, r"found \(3, 32, 32\)"),
        ((2, 3, 32, 32), 3, 0, r"found \(2, 3, 32, 32\) and \(3,\)"),
        ((2, 3, 32, 32), 2, 2, "idx: expected 0 to 1, found 2"),
        ((2, 3, 32, 32), 2, -1, "idx: expected 0 to 1, found -1"),
    ],
)
def test_what_does_not_fit_is_refused(hw3, net, shape, labels, idx, said):
    with pytest.raises(ValueError, match=said):
        hw3.train.cam(net, torch.zeros(shape), torch.zeros(labels), idx)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_net_and_images_may_be_on_different_devices(hw3, net, inputs):
    expected, _ = hw3.train.cam(net, inputs, LABELS, 2)
    net.cuda()
    for given in (inputs, inputs.cuda()):
        found, _ = hw3.train.cam(net, given, LABELS, 2)
        np.testing.assert_allclose(found, expected, atol=1e-3)
    assert next(net.parameters()).is_cuda
