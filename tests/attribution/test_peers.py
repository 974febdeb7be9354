"""Our maps beside those of the package `grad-cam` (pip install 'chalkbench[attribution]')."""

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from reference.attribution import class_activation_map, grad_cam, min_max, upsample
from reference.hw3.deliverable3_5.model import MyResnet, init_weights_kaiming

peer = pytest.importorskip("pytorch_grad_cam", reason="pip install 'chalkbench[attribution]'")

LABELS = [3, 0, 9]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return MyResnet().apply(init_weights_kaiming).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def their_map(net, layer, images) -> np.ndarray:
    """Grad-CAM as the package gives it: ReLU, rescaled, enlarged by OpenCV: (N, H, W)."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with peer.GradCAM(model=net, target_layers=[layer]) as cam:
        return cam(input_tensor=images, targets=[ClassifierOutputTarget(label) for label in LABELS])


def as_they_show(maps: torch.Tensor, size: int) -> torch.Tensor:
    """The package's order: cut off, enlarge between tiles' centres, rescale; (N, size, size)."""
    return min_max(upsample(maps.relu(), (size, size), method="bilinear"))


def test_the_class_activation_map_is_their_grad_cam(net, images):
    with torch.no_grad():
        _, features = net(images, return_embed=True)
    maps = class_activation_map(features, net.classifier.weight.detach(), torch.tensor(LABELS))
    assert (maps.relu().amax((1, 2)) > 0).all()  # else there would be nothing to compare
    found = their_map(net, net.features, images)
    np.testing.assert_allclose(found, as_they_show(maps, 32), atol=1e-4)


def test_our_grad_cam_is_theirs(net, images):
    maps = grad_cam(net, net.features, images, torch.tensor(LABELS))
    np.testing.assert_allclose(their_map(net, net.features, images), as_they_show(maps, 32), atol=1e-4)


def test_our_grad_cam_is_theirs_inside_of_another_net():
    """torchvision's ResNet-18, at a layer with more layers than a pooling behind it."""
    torch.manual_seed(2)
    net = resnet18(num_classes=10).eval()
    images = torch.randn(3, 3, 64, 64)
    maps = grad_cam(net, net.layer3, images, torch.tensor(LABELS))
    found = their_map(net, net.layer3, images)
    np.testing.assert_allclose(found, as_they_show(maps, 64), atol=1e-4)
