"""The handles of train.py: `setup_seed`, `train(net, images, labels, epochs, on_epoch)`, for both networks."""

import math

import numpy as np
import pytest
import torch

from data_scripts import load

IMAGES = 512  # as few as show that the networks learn


@pytest.fixture(scope="module")
def cifar():
    """Some of CIFAR-10, or of the stand-in: uint8 (N, 3, 32, 32), as `train` takes them."""
    data = load("cifar10")
    images = torch.from_numpy(np.array(data.train_images[:IMAGES])).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(np.array(data.train_labels[:IMAGES], dtype=np.int64))


@pytest.fixture(scope="module")
def trained(train, build, cifar):
    """A network after four short epochs, as it was before, the reports, the images as left."""
    images, labels = (array.clone() for array in cifar)
    train.setup_seed(0)
    net, reports = build(), []
    before = [parameter.detach().clone() for parameter in net.parameters()]
    train.train(net, images, labels, 4, lambda *report: reports.append(report))
    return net, before, reports, (images, labels)


def test_the_same_seed_draws_the_same_numbers(train):
    def draws(seed: int):
        train.setup_seed(seed)
        return torch.rand(4).tolist(), np.random.rand(4).tolist()

    assert draws(3) == draws(3) != draws(4)


def test_every_epoch_is_reported_once(trained):
    _, _, reports, _ = trained
    assert [epoch for epoch, _, _ in reports] == [1, 2, 3, 4]
    for _, loss, accuracy in reports:
        assert math.isfinite(loss)
        assert 0 <= accuracy <= 1


def test_the_loss_falls(trained):
    _, _, reports, _ = trained
    assert reports[-1][1] < reports[0][1]


def test_the_given_net_is_what_is_trained(trained):
    net, before, _, _ = trained
    assert all(
        not torch.equal(p.detach().cpu(), old) for p, old in zip(net.parameters(), before, strict=True)
    )


def test_augmentation_leaves_the_given_images_as_they_are(trained, cifar):
    _, _, _, (images, labels) = trained
    assert torch.equal(images, cifar[0])
    assert torch.equal(labels, cifar[1])


def test_a_checkpoint_that_is_handed_in_fits_the_network(submission, network, build):
    name = {"CustomCNN": "part_a", "SeparableCNN": "part_b"}[network.handle]
    paths = submission.weights("question1", name)
    if not paths:
        pytest.skip(f"no {name}.safetensors, {name}.pt or {name}.pth beside train.py yet")
    if paths[0].suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(paths[0])
    else:
        state = torch.load(paths[0], map_location="cpu", weights_only=True)
    build().load_state_dict(state)  # raises, and says what does not fit
