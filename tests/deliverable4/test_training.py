"""The handles of deliverable 4: `setup_seed`, `train(net, images, labels, epochs, on_epoch)`."""

import math

import numpy as np
import pytest
import torch

from data_scripts import load

IMAGES = 256  # as few as show that the network learns: Figure 3 takes a second for them


@pytest.fixture(scope="module")
def cifar():
    """Some of CIFAR-10, or of the stand-in: uint8 (N, 3, 32, 32), as `train` takes them."""
    data = load("cifar10")
    images = torch.from_numpy(np.array(data.train_images[:IMAGES])).permute(0, 3, 1, 2).contiguous()
    return images, torch.from_numpy(np.array(data.train_labels[:IMAGES], dtype=np.int64))


@pytest.fixture(scope="module")
def trained(train_resnet, model, cifar):
    """A network after three short epochs, as it was before, the reports, the images as left."""
    images, labels = (array.clone() for array in cifar)
    train_resnet.setup_seed(0)
    net, reports = model.MyResnet(), []
    before = [parameter.detach().clone() for parameter in net.parameters()]
    train_resnet.train(net, images, labels, 3, lambda *report: reports.append(report))
    return net, before, reports, (images, labels)


def test_the_same_seed_draws_the_same_numbers(train_resnet):
    def draws(seed: int):
        train_resnet.setup_seed(seed)
        return torch.rand(4).tolist(), np.random.rand(4).tolist()

    assert draws(3) == draws(3) != draws(4)


def test_every_epoch_is_reported_once(trained):
    _, _, reports, _ = trained
    assert [epoch for epoch, _, _ in reports] == [1, 2, 3]
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


def test_a_checkpoint_that_is_handed_in_fits_the_network(submission, model):
    paths = submission.weights("deliverable3_5", "resnet")
    if not paths:
        pytest.skip("no resnet.safetensors, resnet.pt or resnet.pth beside train.py yet")
    if paths[0].suffix == ".safetensors":
        from safetensors.torch import load_file

        state = load_file(paths[0])
    else:
        state = torch.load(paths[0], map_location="cpu", weights_only=True)
    model.MyResnet().load_state_dict(state)  # raises, and says what does not fit
