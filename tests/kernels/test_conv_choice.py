"""`auto` never chooses an algorithm that cannot take the call, and chooses by product and shape."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference.kernels.conv import ALGORITHMS
from reference.kernels.convolution.choice import choose, fastest
from reference.kernels.convolution.geometry import Geometry

PRODUCTS = ("forward", "input_grad", "weight_grad")
SAME, TWO = Geometry(padding=(1, 1, 1, 1)), Geometry((2, 2), (1, 1, 1, 1))


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
        ("forward", 1, (512, 512, 3, 3), SAME, "unpacked"),
        ("forward", 8, (256, 128, 3, 3), Geometry((3, 3), (1, 1, 1, 1)), "unpacked"),
        ("input_grad", 1, (512, 512, 3, 3), SAME, "gemm"),
        ("forward", 64, (32, 32, 5, 5), Geometry(padding=(2, 2, 2, 2)), "winograd"),
        ("weight_grad", 64, (64, 32, 5, 5), Geometry(padding=(2, 2, 2, 2)), "winograd"),
        ("forward", 64, (16, 1, 3, 3), SAME, "direct"),
        ("input_grad", 64, (64, 3, 3, 3), SAME, "direct"),
        ("input_grad", 64, (64, 16, 3, 3), SAME, "winograd"),
        ("weight_grad", 64, (64, 3, 3, 3), SAME, "direct"),
        ("forward", 64, (128, 64, 3, 3), TWO, "winograd_strided"),
        ("input_grad", 64, (128, 64, 3, 3), TWO, "winograd_strided"),
        ("weight_grad", 64, (128, 64, 3, 3), TWO, "gemm"),
        ("weight_grad", 64, (512, 256, 3, 3), TWO, "winograd_strided"),
        ("forward", 8, (128, 64, 3, 3), TWO, "unpacked"),
        ("forward", 64, (32, 16, 3, 3), TWO, "gemm"),
        ("forward", 64, (16, 3, 3, 3), TWO, "unpacked"),
        ("input_grad", 64, (32, 16, 3, 3), TWO, "gemm"),
        ("forward", 64, (128, 64, 3, 3), Geometry((3, 3), (1, 1, 1, 1)), "gemm"),
        ("forward", 64, (32, 1, 3, 3), Geometry(padding=(1, 1, 1, 1), groups=32), "depthwise"),
        ("forward", 64, (8, 2, 3, 3), Geometry(groups=4), "direct"),
        ("forward", 64, (64, 32, 1, 1), Geometry(), "pointwise"),
        ("input_grad", 64, (128, 64, 1, 1), Geometry((2, 2)), "pointwise"),
        ("weight_grad", 64, (16, 3, 1, 1), Geometry(), "pointwise"),
        ("weight_grad", 64, (64, 32, 1, 1), SAME, "gemm"),
    ],
)
def test_each_product_gets_the_algorithm_that_was_measured_fastest(product, images, kernel, geometry, name):
    assert fastest(product, images, (8, 8), kernel, geometry).name == name


@pytest.mark.parametrize(
    "channels, columns, name",
    [(15, 3, "unpacked"), (16, 14, "unpacked"), (24, 14, "unpacked"), (16, 13, "gemm"), (25, 16, "gemm")],
)
def test_a_stride_over_few_channels_and_wide_rows_needs_no_packing(channels, columns, name):
    assert fastest("forward", 64, (16, columns), (32, channels, 3, 3), TWO).name == name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_types_without_compiled_kernels_go_to_the_matrix_product(dtype):
    assert choose(torch.ones(1, 1, 3, 3, dtype=dtype), torch.ones(1, 1, 3, 3, dtype=dtype), Geometry()).name == "im2col"


def test_each_product_is_given_to_the_algorithm_that_is_fastest_for_it():
    chosen = choose(torch.ones(64, 3, 8, 8), torch.ones(64, 3, 3, 3), SAME)
    assert chosen.forward is ALGORITHMS["direct"].forward
    assert chosen.input_grad is ALGORITHMS["direct"].input_grad
    assert chosen.weight_grad is ALGORITHMS["direct"].weight_grad
    chosen = choose(torch.ones(64, 64, 8, 8), torch.ones(128, 64, 3, 3), TWO)
    assert chosen.input_grad is ALGORITHMS["winograd_strided"].input_grad
    assert chosen.weight_grad is ALGORITHMS["gemm"].weight_grad
