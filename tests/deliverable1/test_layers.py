"""`MyConv2D` and `MyMaxPool2D` against torch's in float64."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from grader.oracles import convolution, pooling
from grader.oracles.pooling import PoolingCase
from grader.strategies import convolutions, poolings
from tests.candidate import apply_layer, pool

# A layer is built in float32, as nn.Module does by default.
LAYER = {"dtypes": st.just(torch.float32), "square_kernel": True}


@given(case=convolutions(**LAYER))
def test_conv2d_computes_with_its_own_parameters(mytorch, case):
    reason = convolution.judge(case, apply_layer(mytorch, case), ("output",))
    if reason:
        pytest.fail(f"{reason}\n  in {case.module()}", pytrace=False)


@given(case=convolutions(**LAYER))
def test_gradients_reach_the_parameters_of_conv2d(mytorch, case):
    parts = ("input_grad", "weight_grad", "bias_grad")
    reason = convolution.judge(case, apply_layer(mytorch, case), parts)
    if reason:
        pytest.fail(f"{reason}\n  in {case.module()}", pytrace=False)


@pytest.mark.parametrize("bias", [True, False])
def test_conv2d_registers_its_parameters(mytorch, bias):
    layer = mytorch.MyConv2D(3, 5, 4, stride=2, padding=1, bias=bias)
    shapes = sorted((tuple(parameter.shape) for parameter in layer.parameters()), key=len)
    assert shapes == [(5,)] * bias + [(5, 3, 4, 4)]
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_fresh_layers_are_random_and_finite(mytorch):
    one, other = (mytorch.MyConv2D(16, 32, 3, stride=1, padding=1) for _ in range(2))
    for parameter, another in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.isfinite(parameter).all()
        if parameter.dim() == 4:
            assert parameter.std() > 0, "all elements are equal: all filters would learn the same"
            assert not torch.equal(parameter, another), "two fresh layers are the same"


def hold(mytorch, case: PoolingCase, parts: tuple[str, ...]) -> None:
    reason = pooling.judge(case, pool(mytorch, case), parts)
    if reason:
        pytest.fail(f"{reason}\n  in {case.module()}", pytrace=False)


@given(case=poolings(strides=st.none(), whole_windows=True))
def test_pooling_with_windows_that_tile_the_image(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=poolings(strides=st.integers(1, 4)))
def test_pooling_with_windows_that_overlap_or_leave_gaps(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=poolings(strides=st.none()))
@example(case=PoolingCase(2, 2, 7, 5, 2))
def test_pooling_leaves_out_what_no_whole_window_reaches(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=poolings(negatives=st.just(True)))
def test_pooling_of_negative_images(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=poolings())
def test_gradient_of_pooling(mytorch, case):
    hold(mytorch, case, ("input_grad",))
