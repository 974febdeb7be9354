"""`cam` of deliverable 5, against maps that are computed here from the network's own features."""

import pytest
import torch
from torch import Tensor, nn

from grader.checks.cam_scene import normalised
from grader.oracles import evidence
from grader.oracles.cam import TOLERANCE, Scene, head, unit
from grader.oracles.figure3 import Figure3
from grader.oracles.resnet_layout import Layout, read

FIGURE = Figure3()
IMAGES = 4


def layout_of(net: nn.Module) -> Layout:
    """Which parameter is which; fails the test where that cannot be told."""
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in named}
        for named in (net.named_parameters(), net.named_buffers())
    ]
    found = read(FIGURE.convolutions(), FIGURE.linear, *shapes)
    if isinstance(found, str):
        pytest.fail(f"deliverable 3 is not right yet: {found}", pytrace=False)
    return found


def put(net: nn.Module, values: dict[str, Tensor]) -> None:
    """Set parameters by name, whatever their shape; a linear layer may be a 1×1 convolution."""
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(value.reshape(parameters[name].shape))


def set_head(net: nn.Module, weight: Tensor, bias: Tensor) -> None:
    put(net, dict(zip(layout_of(net).linear, (weight, bias), strict=True)))


def seen(net: nn.Module, inputs: Tensor) -> Tensor:
    """The features of images in evaluation mode, (N, 512, 4, 4), float64."""
    net.eval()
    with torch.no_grad():
        returned = net(inputs, return_embed=True)
    (features,) = [value for value in returned if value.dim() == 4]
    return features.double()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """Random images, uint8 (N, 32, 32, 3): patches of one colour each, and noise."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 200, (IMAGES, 4, 4, 3), generator=generator)
    patches = patches.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return (patches + torch.randint(0, 56, patches.shape, generator=generator)).to(torch.uint8)


@pytest.fixture
def inputs(pixels) -> Tensor:
    """The images, normalised: (N, 3, 32, 32)."""
    return normalised(pixels)


@pytest.fixture
def net(model) -> nn.Module:
    torch.manual_seed(1)
    return model.MyResnet().apply(model.init_weights_kaiming).eval()


@pytest.fixture
def scene(net, inputs) -> Scene:
    """The net predicts another class for each image: what it sees, and the right maps."""
    predicted = torch.tensor([3, 7, 0, 5])
    features = seen(net, inputs)
    weight = head(features, predicted, FIGURE.classes, torch.Generator().manual_seed(2))
    set_head(net, weight, torch.zeros(FIGURE.classes))
    return Scene(features, weight, predicted)


def test_the_map_is_floating_and_the_image_is_uint8(train_resnet, net, scene, inputs):
    cam_img, img = train_resnet.cam(net, inputs, scene.predicted, 0)
    assert cam_img.shape == (32, 32)
    assert torch.as_tensor(cam_img).is_floating_point()
    assert img.shape == (32, 32, 3)
    assert torch.as_tensor(img).dtype == torch.uint8


@pytest.mark.parametrize("idx", range(IMAGES))
def test_each_map_goes_from_0_to_1(train_resnet, net, scene, inputs, idx):
    cam_img, _ = train_resnet.cam(net, inputs, scene.predicted, idx)
    # A map that is rescaled before it is enlarged may miss the ends.
    assert -1e-6 <= cam_img.min() <= 0.13
    assert 0.87 <= cam_img.max() <= 1 + 1e-6


@pytest.mark.parametrize("idx", range(IMAGES))
def test_the_map_is_that_of_the_image_and_the_class_that_is_predicted(
    train_resnet, net, scene, inputs, idx
):
    cam_img, _ = train_resnet.cam(net, inputs, scene.predicted, idx)
    assert scene.fault(torch.as_tensor(cam_img), idx) == ""


@pytest.mark.parametrize("predicted", [2, 6])
def test_the_predicted_class_counts_and_not_the_label(train_resnet, net, scene, inputs, predicted):
    set_head(net, scene.weight, 1000.0 * (torch.arange(FIGURE.classes) == predicted))
    labels = torch.full((IMAGES,), 4)
    cam_img, _ = train_resnet.cam(net, inputs, labels, 1)
    told = Scene(scene.features, scene.weight, torch.full((IMAGES,), predicted))
    assert told.fault(torch.as_tensor(cam_img), 1) == ""


@pytest.mark.parametrize("idx", range(IMAGES))
def test_the_image_is_what_it_was_before_it_was_normalised(
    train_resnet, net, scene, inputs, pixels, idx
):
    _, img = train_resnet.cam(net, inputs, scene.predicted, idx)
    assert (torch.as_tensor(img).int() - pixels[idx].int()).abs().max() <= 1


def test_a_network_in_training_mode_has_the_same_map(train_resnet, net, scene, inputs):
    cam_img, _ = train_resnet.cam(net.train(), inputs, scene.predicted, 2)
    assert scene.fault(torch.as_tensor(cam_img), 2) == ""


@pytest.mark.parametrize("training", [True, False])
def test_network_and_images_stay_as_they_were(train_resnet, net, scene, inputs, training):
    net.train(training)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    given = inputs.clone()
    train_resnet.cam(net, inputs, scene.predicted, 0)
    assert net.training == training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(inputs, given)


def test_other_weights_give_another_map(train_resnet, net, scene, inputs, model):
    before, _ = train_resnet.cam(net, inputs, scene.predicted, 0)
    torch.manual_seed(3)
    net.apply(model.init_weights_kaiming)
    set_head(net, scene.weight, 1e6 * (torch.arange(FIGURE.classes) == 3))
    after, _ = train_resnet.cam(net, inputs, scene.predicted, 0)
    assert (unit(torch.as_tensor(after)) - unit(torch.as_tensor(before))).abs().max() > 10 * TOLERANCE


@pytest.mark.parametrize("quadrant", range(4), ids=evidence.QUADRANTS)
def test_evidence_in_a_quadrant_lights_that_quadrant(train_resnet, net, quadrant):
    put(net, dict(zip(layout_of(net).weights, evidence.convolutions(FIGURE), strict=True)))
    shown = evidence.drawn(FIGURE, torch.Generator().manual_seed(4))
    set_head(net, shown.weight, torch.zeros(FIGURE.classes))
    labels = torch.full((4,), shown.other)
    cam_img, _ = train_resnet.cam(net, normalised(shown.pixels), labels, quadrant)
    means = evidence.quadrants(unit(torch.as_tensor(cam_img)))
    assert means.argmax() == quadrant
    assert means.topk(2).values.diff().abs() >= evidence.MARGIN
