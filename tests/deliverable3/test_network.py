"""`MyResnet` and `ResidualBlock` of deliverable 3, of whatever names and order."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grader.oracles.figure3 import (
    SCALE,
    Figure3,
    Norm,
    block_convolutions,
    classify,
    drawn_norm,
    fresh_norm,
)
from grader.oracles.resnet_layout import Layout, read
from grader.oracles.resnet_search import block_form, close, is_shortcut, network_fault

FIGURE = Figure3()


def shapes(named) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in named}


def layout_of(module: nn.Module, convolutions, linear=None) -> Layout:
    """Which parameter is which; fails the test where that cannot be told."""
    found = read(
        convolutions, linear, shapes(module.named_parameters()), shapes(module.named_buffers())
    )
    if isinstance(found, str):
        pytest.fail(f"not the parameters of Figure 3: {found}", pytrace=False)
    return found


def give_numbers(module: nn.Module, layout: Layout) -> list[Norm]:
    """Give every normalisation numbers of its own, where it can be told from the others.

    A convolution's bias, which should not be there, becomes 0: another test is about it.
    """
    generator = torch.Generator().manual_seed(1)
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    for name in layout.biases:
        tensors[name].detach().zero_()
    norms = []
    for names in layout.norms:
        norm = drawn_norm(generator, names.channels)
        with torch.no_grad():
            for role in ("scale", "shift", "mean", "variance"):
                tensors[getattr(names, role)].copy_(getattr(norm, role))
        norms.append(norm)
    return norms or [fresh_norm(len(tensors[name])) for name in layout.weights]


def noise(*shape: int) -> Tensor:
    return SCALE * torch.randn(shape, generator=torch.Generator().manual_seed(2))


def narrow_block(model):
    """A narrow block from 6 to 10 channels at stride 2: module, layout, weights, normalisations."""
    torch.manual_seed(3)
    module = model.ResidualBlock(6, 10, 3, 2).eval()
    layout = layout_of(module, block_convolutions(6, 10, 3))
    norms = give_numbers(module, layout)
    parameters = dict(module.named_parameters())
    weights = [
        parameters[name].detach().double().reshape(shape)
        for name, shape in zip(layout.weights, block_convolutions(6, 10, 3), strict=True)
    ]
    return module, layout, weights, norms


def fresh_net(model) -> nn.Module:
    torch.manual_seed(4)
    net = model.MyResnet()
    net.apply(model.init_weights_kaiming)
    return net.eval()


def linear_of(net: nn.Module) -> tuple[Tensor, Tensor]:
    layout = layout_of(net, FIGURE.convolutions(), FIGURE.linear)
    parameters = dict(net.named_parameters())
    weight, bias = (parameters[name].detach().double() for name in layout.linear)
    return weight.reshape(FIGURE.linear), bias


@pytest.mark.parametrize(
    ("stage", "channels", "size"), [(0, 128, 16), (1, 256, 8), (2, 512, 4)]
)
def test_a_block_halves_the_image_and_doubles_the_channels(model, stage, channels, size):
    out_channels, stride = FIGURE.blocks[stage]
    block = model.ResidualBlock(channels // 2, out_channels, 3, stride)
    assert block(torch.zeros(2, channels // 2, 2 * size, 2 * size)).shape == (2, channels, size, size)


def test_a_block_computes_the_block_of_figure_3(model):
    module, _, weights, norms = narrow_block(model)
    x = noise(2, 6, 8, 12)
    found = block_form(x.double(), weights, norms, 2, module(x).detach())
    assert found is not None, "not ReLU(BN(Conv(ReLU(BN(Conv(x))))) + BN(Conv1×1(x)))"
    assert found[1] == ""


def test_a_block_without_its_branch_is_the_activated_shortcut(model):
    module, layout, weights, norms = narrow_block(model)
    x = noise(2, 6, 8, 12)
    tensors = dict(module.named_parameters())
    silences = [[names.scale, names.shift] for names in layout.norms] or [[layout.weights[1]]]
    answers = []
    for names in silences:
        kept = {name: tensors[name].detach().clone() for name in names}
        with torch.no_grad():
            for name in names:
                tensors[name].zero_()
            answers.append(module(x))
            for name in names:
                tensors[name].copy_(kept[name])
    assert any(is_shortcut(x.double(), weights[2], norms, 2, answer) for answer in answers)


def test_a_block_leaves_its_input_as_it_was(model):
    block, *_ = narrow_block(model)
    x = noise(1, 6, 8, 8)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)


def test_the_network_maps_images_to_ten_logits(model):
    net = fresh_net(model)
    assert net(torch.zeros(3, 3, 32, 32)).shape == (3, 10)


def test_the_network_has_the_parameters_of_figure_3(model):
    net = fresh_net(model)
    layout_of(net, FIGURE.convolutions(), FIGURE.linear)
    assert sum(p.numel() for p in net.parameters()) == FIGURE.parameter_count == 4_829_258


def test_no_convolution_has_a_bias(model):
    net = fresh_net(model)
    assert layout_of(net, FIGURE.convolutions(), FIGURE.linear).biases == {}


def test_the_network_computes_figure_3(model):
    net = fresh_net(model)
    layout = layout_of(net, FIGURE.convolutions(), FIGURE.linear)
    norms = give_numbers(net, layout)
    parameters = dict(net.named_parameters())
    weights = [
        parameters[name].detach().double().reshape(shape)
        for name, shape in zip(layout.weights, FIGURE.convolutions(), strict=True)
    ]
    image = noise(1, 3, 32, 32)
    answer = net(image).detach()
    fault = network_fault(FIGURE, image.double(), weights, norms, linear_of(net), answer)
    assert fault == "", fault or "look at the order of the layers, the strides, the pooling"


def test_return_embed_adds_the_map_that_is_pooled(model):
    net = fresh_net(model)
    images = noise(2, 3, 32, 32)
    with torch.no_grad():
        returned, plain = net(images, return_embed=True), net(images)
    by_shape = {tuple(value.shape): value for value in returned}
    assert set(by_shape) == {(2, 10), (2, 512, 4, 4)}
    logits, features = by_shape[2, 10], by_shape[2, 512, 4, 4]
    assert close(logits, plain.double())
    assert close(logits, classify(features.double(), *linear_of(net)))


def test_in_evaluation_an_image_does_not_depend_on_the_images_beside_it(model):
    net = fresh_net(model)
    images = noise(4, 3, 32, 32)
    with torch.no_grad():
        assert close(net(images[:1]), net(images)[:1].double())


def test_in_training_the_statistics_are_the_batchs_and_the_running_ones_move(model):
    net = fresh_net(model)
    images = noise(4, 3, 32, 32)
    net.train()
    statistics = {name: b for name, b in net.named_buffers() if b.dim() == 1}
    before = {name: b.clone() for name, b in statistics.items()}
    with torch.no_grad():
        first = net(images)
        assert all(not torch.equal(b, before[name]) for name, b in statistics.items())
        for buffer in statistics.values():
            buffer.mul_(2).add_(1)
        assert close(net(images), first.double())


def test_gradients_reach_every_parameter(model):
    net = fresh_net(model)
    net.train()
    F.cross_entropy(net(noise(8, 3, 32, 32)), torch.arange(8)).backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


def test_a_training_step_lowers_the_loss(model):
    net = fresh_net(model)
    images, labels = noise(8, 3, 32, 32) / SCALE, torch.arange(8)
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert math.isfinite(losses[-1])
