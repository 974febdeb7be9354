"""`reference.nn.Conv2d` can stand wherever `torch.nn.Conv2d` stands."""

import pytest
import torch
from torch import nn

from reference.nn import Conv2d

ARGUMENTS = {
    "plain": {},
    "rectangular": {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)},
    "no bias": {"bias": False},
    "groups": {"groups": 2},
    "same": {"padding": "same"},
    "valid": {"padding": "valid"},
    "reflect": {"padding": (2, 1), "padding_mode": "reflect"},
    "replicate": {"padding": (0, 3), "padding_mode": "replicate"},
    "circular": {"padding": 2, "padding_mode": "circular", "stride": 2},
    "circular same with an even kernel": {"padding": "same", "padding_mode": "circular", "kernel_size": (4, 2)},
    "reflect valid": {"padding": "valid", "padding_mode": "reflect"},
    "double": {"dtype": torch.float64},
}


def both(case):
    arguments = {"in_channels": 4, "out_channels": 6, "kernel_size": 3, **ARGUMENTS[case]}
    layers = []
    for layer in (Conv2d, nn.Conv2d):
        torch.manual_seed(5)
        layers.append(layer(**arguments))
    return layers


@pytest.mark.parametrize("case", ARGUMENTS)
def test_one_seed_gives_the_very_same_parameters(case):
    ours, theirs = (dict(layer.named_parameters()) for layer in both(case))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours)


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_output_and_gradients_are_torchs(case):
    ours, theirs = both(case)
    image = torch.randn(2, 4, 8, 9, dtype=ours.weight.dtype)
    found, expected = ours(image), theirs(image)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found.square().sum().backward(), expected.square().sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", ARGUMENTS)
def test_it_prints_as_torchs_does(case):
    ours, theirs = both(case)
    assert repr(ours) == repr(theirs)


def test_state_dicts_go_both_ways():
    ours, theirs = Conv2d(4, 6, 3), nn.Conv2d(4, 6, 3)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)
    other = nn.Conv2d(4, 6, 3)
    ours.load_state_dict(other.state_dict())
    assert torch.equal(ours.weight, other.weight) and torch.equal(ours.bias, other.bias)


def test_parameters_are_made_on_the_device_asked_for():
    assert Conv2d(4, 6, 3, device="meta").weight.device.type == "meta"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((4, 6, 3), {"groups": 4}, "out_channels must be divisible by groups, found out_channels=6, groups=4"),
        ((5, 6, 3), {"groups": 2}, "in_channels must be divisible by groups"),
        ((4, 6, 3), {"padding": "full"}, "padding must be 'valid', 'same' or numbers, found 'full'"),
        ((4, 6, 3), {"padding": "same", "stride": 2}, "needs stride 1"),
        ((4, 6, 3), {"padding_mode": "mirror"}, "padding_mode must be one of .*found 'mirror'"),
        ((0, 6, 3), {}, "in_channels must be at least 1, found 0"),
        ((4, 6, 0), {}, "kernel_size must be at least 1, found 0"),
        ((4, 6, 3), {"stride": 0}, "stride must be at least 1, found 0"),
    ],
)
def test_impossible_arguments_are_refused_by_name(arguments, error, message):
    with pytest.raises(ValueError, match=message):
        Conv2d(*arguments, **error)
