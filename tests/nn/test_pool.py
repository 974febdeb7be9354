"""The pooling Modules beside their torch.nn namesakes."""

import inspect

import pytest
import torch
from torch import nn

from reference.nn.pool import AvgPool2d, MaxPool2d

MAX = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 3, "stride": (1, 2), "dilation": 2},
    {"kernel_size": 3, "return_indices": True},
]
AVERAGE = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": 2, "padding": (1, 1), "ceil_mode": True, "count_include_pad": False},
    {"kernel_size": 3, "divisor_override": 5},
]
PAIRS = [(MaxPool2d, nn.MaxPool2d, a) for a in MAX] + [(AvgPool2d, nn.AvgPool2d, a) for a in AVERAGE]
each_pair = pytest.mark.parametrize("ours, theirs, arguments", PAIRS)


@each_pair
def test_forward_is_torchs(ours, theirs, arguments):
    for shape in ((2, 3, 9, 8), (3, 9, 8)):
        input = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(ours(**arguments)(input), theirs(**arguments)(input))


@each_pair
def test_the_printed_module_is_torchs(ours, theirs, arguments):
    assert repr(ours(**arguments)) == repr(theirs(**arguments))


@pytest.mark.parametrize("ours, theirs", [(MaxPool2d, nn.MaxPool2d), (AvgPool2d, nn.AvgPool2d)])
def test_constructor_takes_torchs_arguments_in_torchs_order(ours, theirs):
    found = [p for p in inspect.signature(ours).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    expected = list(inspect.signature(theirs).parameters.values())
    assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in expected]


@each_pair
def test_there_is_nothing_to_save(ours, theirs, arguments):
    assert list(ours(**arguments).state_dict()) == []
    theirs(**arguments).load_state_dict(ours(**arguments).state_dict())


@pytest.mark.parametrize("module", [MaxPool2d, AvgPool2d])
def test_the_algorithm_is_handed_on(module):
    with pytest.raises(ValueError, match="algorithm"):
        module(2, algorithm="magic")(torch.zeros(1, 1, 4, 4))
