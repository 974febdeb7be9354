"""The handle `train(net, images, labels, epochs, on_epoch)` of deliverable 2."""

import math

import numpy as np
import pytest
import torch

from data_scripts import load
from grader.assignments.hw3.deliverable2 import FEWEST_EPOCHS, REQUIRED_ACCURACY


@pytest.fixture(scope="module")
def mnist():
    """MNIST, or the stand-in where it cannot be had; images as `train` takes them."""
    data = load("mnist")

    def images(array):
        return (torch.from_numpy(np.array(array))[:, None].float() / 255 - 0.1307) / 0.3081

    def labels(array):
        return torch.from_numpy(np.array(array, dtype=np.int64))

    return (
        (images(data.train_images), labels(data.train_labels)),
        (images(data.test_images), labels(data.test_labels)),
    )


def run(train, images, labels, epochs: int) -> tuple[torch.nn.Module, list]:
    """Train a fresh net; its reports, one (epoch, loss, accuracy) each."""
    train.setup_seed(0)
    net, reports = train.Net(), []
    train.train(net, images, labels, epochs, lambda *report: reports.append(report))
    return net, reports


def test_every_epoch_is_reported_once(train, mnist):
    (images, labels), _ = mnist
    _, reports = run(train, images[:500], labels[:500], 3)
    assert [epoch for epoch, _, _ in reports] == [1, 2, 3]
    for _, loss, accuracy in reports:
        assert math.isfinite(loss)
        assert 0 <= accuracy <= 1


def test_the_loss_falls(train, mnist):
    (images, labels), _ = mnist
    _, reports = run(train, images[:2000], labels[:2000], 4)
    assert reports[-1][1] < reports[0][1]


def test_the_given_net_is_what_is_trained(train, mnist):
    (images, labels), _ = mnist
    train.setup_seed(0)
    before = [parameter.detach().clone() for parameter in train.Net().parameters()]
    net, _ = run(train, images[:500], labels[:500], 1)
    changed = [not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True)]
    assert all(changed)


def test_the_same_seed_trains_the_same_net(train, mnist):
    (images, labels), _ = mnist
    one, _ = run(train, images[:500], labels[:500], 1)
    other, _ = run(train, images[:500], labels[:500], 1)
    for first, second in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)


def test_validation_accuracy_reaches_what_is_asked_for(train, mnist):
    (images, labels), (val_images, val_labels) = mnist
    net, _ = run(train, images, labels, FEWEST_EPOCHS)
    net.eval()
    with torch.no_grad():
        predicted = torch.cat([net(batch).argmax(1) for batch in val_images.split(1000)])
    accuracy = (predicted == val_labels).double().mean().item()
    assert accuracy >= REQUIRED_ACCURACY, f"{accuracy:.2%} of the validation images"
