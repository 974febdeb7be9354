"""`setup_seed` and `Net` of deliverable 2."""

import random

import numpy as np
import pytest
import torch

from grader.oracles import plain_cnn, plain_layout
from grader.oracles.compare import mismatch
from grader.oracles.figure1 import Figure1

FIGURE_1 = Figure1().network()


def draws() -> list:
    return [torch.rand(4).tolist(), np.random.rand(4).tolist(), [random.random() for _ in range(4)]]


def test_setup_seed_repeats_every_generator(train):
    train.setup_seed(7)
    first = draws()
    train.setup_seed(7)
    assert draws() == first


def test_another_seed_draws_other_numbers(train):
    train.setup_seed(7)
    first = draws()
    train.setup_seed(8)
    assert all(again != before for again, before in zip(draws(), first, strict=True))


def test_net_maps_images_to_ten_logits(train):
    assert train.Net()(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_net_has_the_parameters_of_figure_1(train):
    found = {name: tuple(parameter.shape) for name, parameter in train.Net().named_parameters()}
    layout = plain_layout.read(FIGURE_1, found)
    assert not isinstance(layout, str), layout


def test_net_computes_figure_1(train):
    torch.manual_seed(3)
    net = train.Net().eval()
    parameters = dict(net.named_parameters())
    layout = plain_layout.read(FIGURE_1, {name: tuple(p.shape) for name, p in parameters.items()})
    (names,) = plain_layout.arrangements(FIGURE_1, layout)
    images = torch.randn(4, 1, 28, 28)
    truth = plain_cnn.logits(FIGURE_1, [parameters[name].detach() for name in names], images)
    reason = mismatch("logits", net(images), truth)
    if reason:
        pytest.fail(f"{reason}; look at the order of layers, the ReLUs, a softmax", pytrace=False)


def test_gradients_reach_every_parameter(train):
    net = train.Net()
    torch.nn.functional.cross_entropy(net(torch.randn(8, 1, 28, 28)), torch.arange(8)).backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle
