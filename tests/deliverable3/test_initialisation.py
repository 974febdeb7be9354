"""`init_weights_kaiming` of deliverable 3."""

import torch
from torch import nn

from grader.oracles.initialisation import he_fault


def initialised(model) -> nn.Module:
    torch.manual_seed(5)
    return model.MyResnet().apply(model.init_weights_kaiming)


def weights(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in net.named_parameters() if p.dim() > 1}


def test_every_layer_has_hes_variance(model):
    fault = he_fault(weights(initialised(model)))
    assert fault is None, fault


def test_two_networks_begin_with_other_numbers(model):
    one = weights(initialised(model))
    other = weights(model.MyResnet().apply(model.init_weights_kaiming))
    assert not any(torch.equal(weight, other[name]) for name, weight in one.items())


def test_the_linear_bias_is_one_small_number(model):
    (bias,) = [p for p in initialised(model).parameters() if p.shape == (10,)]
    assert bias.min() == bias.max()
    assert abs(bias[0].item()) <= 0.1


def test_other_modules_stay_as_they_are(model):
    norm = nn.BatchNorm2d(4)
    norm.apply(model.init_weights_kaiming)
    assert torch.equal(norm.weight, torch.ones(4))
    assert torch.equal(norm.bias, torch.zeros(4))
    model.init_weights_kaiming(nn.ReLU())
