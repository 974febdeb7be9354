"""`auto` never chooses an algorithm that cannot take the call, and chooses by product and shape."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference.kernels import conv2d
from reference.kernels.conv import ALGORITHMS
from reference.kernels.conv_choice import AUTO, fastest
from reference.kernels.conv_geometry import Geometry

PRODUCTS = ("forward", "input_grad", "weight_grad")
SAME = Geometry(padding=(1, 1, 1, 1))


@given(
    st.sampled_from(PRODUCTS),
    st.integers(0, 130),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1, 2, 3, 16, 64, 512]),
    st.sampled_from([1, 2, 3, 16, 64, 512]),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([1, 3]),
)
def test_who_is_chosen_takes_the_call(product, images, size, out_channels, channels, taps, stride, dilation, groups):
    geometry = Geometry((stride, stride), (1, 1, 1, 1), (dilation, dilation), groups)
    kernel = (out_channels * groups, channels, *taps)
    chosen = fastest(product, images, size, kernel, geometry)
    assert chosen.takes(kernel, geometry)
    assert ALGORITHMS[chosen.name] is chosen


@pytest.mark.parametrize(
    "product, images, kernel, geometry, name",
    [
        ("forward", 64, (64, 64, 3, 3), SAME, "winograd"),
        ("forward", 1, (512, 512, 3, 3), SAME, "im2col"),
        ("forward", 64, (16, 1, 3, 3), SAME, "direct"),
        ("input_grad", 64, (64, 3, 3, 3), SAME, "winograd"),
        ("weight_grad", 64, (64, 3, 3, 3), SAME, "direct"),
        ("forward", 64, (128, 64, 3, 3), Geometry((2, 2), (1, 1, 1, 1)), "gemm"),
        ("forward", 64, (32, 1, 3, 3), Geometry(padding=(1, 1, 1, 1), groups=32), "depthwise"),
        ("forward", 64, (8, 2, 3, 3), Geometry(groups=4), "direct"),
    ],
)
def test_each_product_gets_the_algorithm_that_was_measured_fastest(product, images, kernel, geometry, name):
    assert fastest(product, images, (8, 8), kernel, geometry).name == name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_types_without_compiled_kernels_go_to_the_matrix_product(monkeypatch, dtype):
    called = []
    monkeypatch.setattr("reference.kernels.conv_choice.im2col.IM2COL", Spy(called))
    conv2d(torch.ones(1, 1, 3, 3, dtype=dtype), torch.ones(1, 1, 3, 3, dtype=dtype))
    assert called == ["forward"] and AUTO.supports(torch.empty(0, dtype=dtype))


class Spy:
    """An algorithm that writes down what it is asked for."""

    def __init__(self, called: list[str]):
        self.called = called

    def forward(self, input, weight, bias, geometry):
        self.called.append("forward")
        return input.new_zeros(1, 1, 1, 1)
