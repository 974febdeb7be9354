"""`CustomCNN` and `SeparableCNN`, of whatever names and order."""

import pytest
import torch
import torch.nn.functional as F

from grader.oracles import plain_cnn, plain_layout
from grader.oracles.compare import mismatch


def layout_of(network, net) -> plain_layout.Layout:
    """Which parameter is which; fails the test where that cannot be told."""
    found = {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}
    ones = frozenset(name for name, parameter in net.named_parameters() if (parameter == 1).all())
    layout = plain_layout.read(network, found, ones=ones)
    if isinstance(layout, str):
        pytest.fail(f"{layout}. {plain_cnn.hint(network, found)}", pytrace=False)
    return layout


def test_the_network_maps_images_to_ten_logits(build):
    assert build()(torch.zeros(3, 3, 32, 32)).shape == (3, 10)


def test_the_network_has_the_weights_and_biases_of_the_assignment(network, build):
    layout = layout_of(network, build())
    assert len(layout.weights) == sum(len(shape) > 1 for shape in network.shapes())


def test_depthwise_convolutions_see_one_channel_each(network, build):
    shapes = [tuple(parameter.shape) for parameter in build().parameters()]
    for layer in network.layers().values():
        if isinstance(layer, plain_cnn.Convolution) and layer.depthwise:
            assert (layer.out_channels, 1, layer.kernel_size, layer.kernel_size) in shapes


def test_the_network_computes_that_of_the_assignment(network, build):
    torch.manual_seed(3)
    net = build().eval()
    parameters = dict(net.named_parameters())
    layout = layout_of(network, net)
    if not layout.scales:  # with batch normalisation, a number added before it counts otherwise than one after
        for names in layout.vectors.values():
            for name in names:
                torch.nn.init.normal_(parameters[name], std=0.5)  # biases that begin at 0 could not be told apart
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        found = net(images)
    zeros = frozenset(name for name, parameter in parameters.items() if not parameter.any())
    reasons = []
    for names in plain_layout.arrangements(network, layout, zeros):
        chosen = [parameters[name].detach() for name in names]
        for trunk, heads in plain_cnn.accepted(network):
            sums = plain_cnn.hidden_sums(network, chosen, images, trunk)
            for truth in plain_cnn.answers(network, chosen, sums, [head for head, _ in heads]):
                reasons.append(mismatch("logits", found, truth))
                if not reasons[-1]:
                    return
    pytest.fail(f"{reasons[0]}; look at the order of layers, the ReLUs, padding, a softmax", pytrace=False)


def test_in_evaluation_an_image_does_not_depend_on_the_images_beside_it(build):
    torch.manual_seed(4)
    net, images = build().eval(), torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(net(images[:1]), net(images)[:1], rtol=1e-4, atol=1e-4)


def test_gradients_reach_every_parameter(build):
    torch.manual_seed(5)
    net = build()
    F.cross_entropy(net(torch.randn(32, 3, 32, 32)), torch.arange(32) % 10).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_two_networks_begin_with_other_numbers(build):
    one, other = (dict(build().named_parameters()) for _ in range(2))
    assert not any(torch.equal(weight, other[name]) for name, weight in one.items() if weight.dim() > 1)
