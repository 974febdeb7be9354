"""The truth about Figure 3: what it computes, which parameter is which, when He is refused."""

import pytest
import torch
import torch.nn.functional as F
from scipy.special import gammainc, gammaincc
from torch import nn

from grader.oracles.figure3 import (
    BLOCK_FAULTS,
    RIGHT,
    SCALE,
    Figure3,
    block_convolutions,
    classify,
    drawn_norm,
    residual_block,
    stem,
)
from grader.oracles.initialisation import FALSE_ALARM, fans, he_fault, square_sum_interval
from grader.oracles.resnet_layout import Layout, read
from grader.oracles.resnet_search import TOLERANCE, block_form, close, network_fault

NARROW = Figure3(stem=8, blocks=((16, 2), (24, 2), (32, 2)))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(figure: Figure3):
    """Weights, normalisations and linear layer of a figure, drawn."""
    g = generator()
    weights = [
        torch.randn(shape, generator=g) * (2 / fans(shape)[0]) ** 0.5
        for shape in figure.convolutions()
    ]
    norms = [drawn_norm(g, shape[0]) for shape in figure.convolutions()]
    linear = torch.randn(figure.linear, generator=g) * 0.01, torch.randn(10, generator=g) * 0.1
    return [w.double() for w in weights], norms, [t.double() for t in linear]


class Plain(nn.Module):
    """A block of PyTorch's own layers, in float32, with these numbers in it."""

    def __init__(self, weights, norms, stride):
        super().__init__()
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        for place, (weight, norm) in enumerate(zip(weights, norms, strict=True)):
            out_channels, in_channels, size, _ = weight.shape
            step = 1 if place == 1 else stride
            layer = nn.Conv2d(in_channels, out_channels, size, step, size // 2, bias=False)
            own = nn.BatchNorm2d(out_channels)
            layer.weight.data.copy_(weight)
            own.weight.data.copy_(norm.scale)
            own.bias.data.copy_(norm.shift)
            own.running_mean.copy_(norm.mean)
            own.running_var.copy_(norm.variance)
            self.layers.append(layer)
            self.norms.append(own)

    def forward(self, x):
        first, second, across = self.layers
        y = self.norms[1](second(F.relu(self.norms[0](first(x)))))
        return F.relu(y + self.norms[2](across(x)))


@pytest.fixture(scope="module")
def drawn_block():
    g = generator(1)
    shapes = block_convolutions(6, 10, 3)
    weights = [(torch.randn(shape, generator=g) * 0.2).double() for shape in shapes]
    norms = [drawn_norm(g, 10) for _ in shapes]
    x = SCALE * torch.randn(2, 6, 8, 12, generator=g).double()
    return x, weights, norms


def test_the_block_is_what_pytorchs_own_layers_compute(drawn_block):
    x, weights, norms = drawn_block
    plain = Plain(weights, norms, 2).double().eval()
    with torch.no_grad():
        torch.testing.assert_close(residual_block(x, weights, norms, 2), plain(x))


def test_rounding_in_float32_stays_a_hundred_times_below_the_tolerance(drawn_block):
    x, weights, norms = drawn_block
    truth = residual_block(x, weights, norms, 2)
    with torch.no_grad():
        answer = Plain(weights, norms, 2).eval()(x.float())
    assert (answer.double() - truth).abs().max() < TOLERANCE / 100 * truth.abs().max()


def test_another_epsilon_is_not_seen(drawn_block):
    x, weights, norms = drawn_block
    plain = Plain(weights, norms, 2).eval()
    for norm in plain.norms:
        norm.eps = 1e-3
    with torch.no_grad():
        assert close(plain(x.float()), residual_block(x, weights, norms, 2))


def test_every_form_of_block_is_told_from_every_other(drawn_block):
    x, weights, norms = drawn_block
    shuffled = [norms[2], norms[0], norms[1]]
    for form, fault in ((RIGHT, ""), *BLOCK_FAULTS):
        answer = residual_block(x, weights, norms, 2, form).float()
        assert block_form(x, weights, shuffled, 2, answer) == (form, fault)


def test_an_unknown_form_is_none(drawn_block):
    x, weights, norms = drawn_block
    assert block_form(x, weights, norms, 2, -residual_block(x, weights, norms, 2).float()) is None


def test_normalisations_in_any_order_are_found():
    weights, norms, linear = numbers(NARROW)
    image = SCALE * torch.randn(1, 3, 32, 32, generator=generator(2)).double()
    features = stem(image, weights[0], norms[0])
    for place, order in enumerate(((2, 0, 1), (0, 1, 2), (1, 0, 2))):
        own = norms[1 + 3 * place : 4 + 3 * place]
        kernels = weights[1 + 3 * place : 4 + 3 * place]
        features = residual_block(features, kernels, [own[i] for i in order], 2)
    answer = classify(features, *linear).float()
    assert network_fault(NARROW, image, weights, norms, linear, answer) == ""
    assert network_fault(NARROW, image, weights, norms, linear, answer * 1.001) is None


def test_an_answer_of_another_shape_or_without_values_is_not_close():
    truth = torch.ones(1, 10).double()
    assert close(torch.ones(1, 10), truth)
    assert not close(torch.ones(10), truth)
    assert not close(torch.full((1, 10), float("nan")), truth)
    assert not close(torch.ones(1, 10) * (1 + 2 * TOLERANCE), truth)


# ------------------------------------------------------------------ which parameter is which
def plain_shapes(figure: Figure3) -> tuple[dict, dict]:
    parameters, buffers = {}, {}
    for place, shape in enumerate(figure.convolutions()):
        parameters[f"c{place}.weight"] = shape
        for name in ("weight", "bias"):
            parameters[f"n{place}.{name}"] = shape[:1]
        for name in ("running_mean", "running_var"):
            buffers[f"n{place}.{name}"] = shape[:1]
        buffers[f"n{place}.num_batches_tracked"] = ()
    parameters |= {"fc.weight": figure.linear, "fc.bias": figure.linear[:1]}
    return parameters, buffers


def test_the_figure_has_4_829_258_parameters():
    parameters, _ = plain_shapes(Figure3())
    count = sum(torch.Size(shape).numel() for shape in parameters.values())
    assert count == Figure3().parameter_count == 4_829_258
    assert Figure3().map_size == 4


def test_a_layout_names_every_part():
    parameters, buffers = plain_shapes(NARROW)
    found = read(NARROW.convolutions(), NARROW.linear, parameters, buffers)
    assert isinstance(found, Layout)
    assert found.weights == tuple(f"c{place}.weight" for place in range(10))
    assert found.linear == ("fc.weight", "fc.bias")
    assert [norm.mean for norm in found.norms] == [f"n{place}.running_mean" for place in range(10)]
    assert found.biases == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p, b: p.pop("c3.weight"), r"no parameter of shape \(16, 8, 1, 1\)"),
        (lambda p, b: p.update({"x.weight": (7, 7)}), r"does not have: x.weight \(7, 7\)"),
        (lambda p, b: p.pop("fc.bias"), "for the linear layer"),
        (lambda p, b: b.pop("n0.running_var"), "1 batch normalisations of 8 channels .* found 0"),
    ],
)
def test_what_differs_is_said(change, said):
    parameters, buffers = plain_shapes(NARROW)
    change(parameters, buffers)
    found = read(NARROW.convolutions(), NARROW.linear, parameters, buffers)
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found)


def test_a_bias_beside_a_convolution_is_set_apart():
    parameters, buffers = plain_shapes(NARROW)
    parameters["c2.bias"] = (16,)
    found = read(NARROW.convolutions(), NARROW.linear, parameters, buffers)
    assert found.biases == {"c2.bias": (16,)}
    assert len(found.norms) == 10


# ------------------------------------------------------------------------ He initialisation
SHAPES = [*Figure3().convolutions(), Figure3().linear]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_stated_false_alarm_rate_holds_exactly_for_normal_weights(shape):
    """The variance test takes its half of the layer's share, by the χ² distribution itself."""
    share = FALSE_ALARM / (2 * len(SHAPES))
    low, high = square_sum_interval(torch.Size(shape).numel(), share)
    half = torch.Size(shape).numel() / 2
    outside = gammainc(half, low / 2) + gammaincc(half, high / 2)
    assert outside == pytest.approx(share, rel=1e-3)
    # Both tests of all layers together stay at the rate that is stated.
    assert 2 * len(SHAPES) * outside <= FALSE_ALARM * (1 + 1e-3)


def test_right_layers_are_refused_as_often_as_stated():
    """At 20 % the rate can be counted: 2,000 draws; one normal layer of fan_in 27."""
    g = generator(3)
    refused = sum(
        he_fault({"w": torch.randn(16, 3, 3, 3, generator=g) * (2 / 27) ** 0.5}, false_alarm=0.2)
        is not None
        for _ in range(2000)
    )
    # Binomial(2000, 0.19 … 0.20): ±5 standard deviations around 390 are 300 and 490.
    assert 300 < refused < 490


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("draw", [nn.init.kaiming_normal_, nn.init.kaiming_uniform_])
def test_he_in_both_modes_and_distributions_is_accepted(mode, draw):
    torch.manual_seed(6)
    weights = {str(s): draw(torch.empty(s), mode=mode, nonlinearity="relu") for s in SHAPES}
    assert he_fault(weights) is None


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), "gain"),
        (lambda w: nn.init.xavier_normal_(w), "variance"),
        (lambda w: nn.init.kaiming_uniform_(w, a=5**0.5), "variance"),
        (lambda w: nn.init.normal_(w, 0.02, (2 / 576) ** 0.5), "variance|mean"),
        (lambda w: nn.init.constant_(w, (2 / 576) ** 0.5), "mean"),
        (lambda w: nn.init.constant_(w, float("nan")), "finite"),
    ],
)
def test_another_initialisation_is_refused(draw, said):
    torch.manual_seed(7)
    fault = he_fault({"first": draw(torch.empty(64, 64, 3, 3))})
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(fault)
