"""What makes an operation a convolution or a max-pooling, without torch's own as the oracle."""

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from grader.strategies import SEEDS, convolutions, poolings
from tests.candidate import convolve

DOUBLE = {"dtypes": st.just(torch.float64), "layouts": st.just("contiguous")}
# Sums of at most a hundred products of normal numbers in float64.
CLOSE = {"rtol": 0, "atol": 1e-10}


@given(case=convolutions(biases=st.just(False), **DOUBLE), factor=st.floats(-3, 3))
def test_convolution_is_linear_in_the_input(mytorch, case, factor):
    x, y = case.tensors()["input"], replace(case, seed=case.seed ^ 1).tensors()["input"]
    weight = case.tensors()["weight"]

    def f(input):
        return mytorch.MyFConv2D(input, weight, stride=case.stride, padding=case.padding)

    torch.testing.assert_close(f(factor * x + y), factor * f(x) + f(y), **CLOSE)


@given(case=convolutions(biases=st.just(False), **DOUBLE), factor=st.floats(-3, 3))
def test_convolution_is_linear_in_the_weight(mytorch, case, factor):
    v, w = case.tensors()["weight"], replace(case, seed=case.seed ^ 1).tensors()["weight"]
    input = case.tensors()["input"]

    def f(weight):
        return mytorch.MyFConv2D(input, weight, stride=case.stride, padding=case.padding)

    torch.testing.assert_close(f(factor * v + w), factor * f(v) + f(w), **CLOSE)


@given(case=convolutions(strides=st.just(1), paddings=st.just(0), **DOUBLE), shift=st.integers(1, 3))
def test_convolution_moves_with_its_input(mytorch, case, shift):
    tensors = case.tensors()
    wide = torch.nn.functional.pad(tensors["input"], (shift, 0, shift, 0))  # down and right

    def f(input):
        return mytorch.MyFConv2D(input, tensors["weight"], tensors.get("bias"))

    moved = f(wide)[:, :, shift:, shift:]
    torch.testing.assert_close(moved, f(tensors["input"]), **CLOSE)


@given(
    batch=st.integers(1, 3), channels=st.integers(1, 4), outputs=st.integers(1, 4),
    height=st.integers(1, 6), width=st.integers(1, 6), seed=SEEDS,
)  # fmt: skip
def test_a_1x1_convolution_is_a_matrix_product(
    mytorch, batch, channels, outputs, height, width, seed
):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)
    matrix = torch.randn(outputs, channels, generator=generator, dtype=torch.float64)
    product = (matrix @ x.flatten(2)).unflatten(2, (height, width))  # (N, O, H, W)
    torch.testing.assert_close(mytorch.MyFConv2D(x, matrix[:, :, None, None]), product, **CLOSE)


@given(case=convolutions(biases=st.just(False), **DOUBLE))
def test_the_input_gradient_is_the_adjoint(mytorch, case):
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, where autograd's gradient for y upstream is convᵀ(y)."""
    tensors = case.tensors()
    answer = convolve(mytorch, case)
    left = (answer.output * tensors["grad_output"]).sum()
    right = (tensors["input"] * answer.input_grad).sum()
    torch.testing.assert_close(left, right, **CLOSE)


@given(case=convolutions(biases=st.just(False), **DOUBLE))
def test_the_weight_gradient_is_the_adjoint(mytorch, case):
    tensors = case.tensors()
    answer = convolve(mytorch, case)
    left = (answer.output * tensors["grad_output"]).sum()
    right = (tensors["weight"] * answer.weight_grad).sum()
    torch.testing.assert_close(left, right, **CLOSE)


@given(case=poolings(**DOUBLE), scale=st.floats(0.1, 4), offset=st.floats(-4, 4))
def test_pooling_commutes_with_increasing_functions(mytorch, case, scale, offset):
    input = case.tensors()["input"]
    pool = mytorch.MyMaxPool2D(case.kernel_size, case.stride)
    torch.testing.assert_close(pool(scale * input + offset), scale * pool(input) + offset, **CLOSE)
    assert torch.equal(pool(input.atan()), pool(input).atan())


@given(case=poolings(strides=st.none(), **DOUBLE), seed=SEEDS)
def test_pooling_ignores_the_order_within_a_window(mytorch, case, seed):
    kernel = case.kernel_size
    input = case.tensors()["input"]
    height, width = (extent // kernel * kernel for extent in input.shape[2:])
    windows = input[:, :, :height, :width].unfold(2, kernel, kernel).unfold(3, kernel, kernel)
    order = torch.randperm(kernel * kernel, generator=torch.Generator().manual_seed(seed))
    shuffled = windows.flatten(4)[..., order].unflatten(4, (kernel, kernel))
    shuffled = shuffled.transpose(3, 4).reshape(*input.shape[:2], height, width)
    pool = mytorch.MyMaxPool2D(kernel)
    assert torch.equal(pool(shuffled), pool(input))


@given(case=poolings(**DOUBLE))
def test_pooling_takes_its_values_from_the_window(mytorch, case):
    input = case.tensors()["input"]
    output = mytorch.MyMaxPool2D(case.kernel_size, case.stride)(input)
    assert torch.isin(output, input).all()


@given(case=poolings(strides=st.none(), **DOUBLE))
def test_the_pooling_gradient_keeps_the_sum(mytorch, case):
    tensors = case.tensors()
    input = tensors["input"].requires_grad_()
    mytorch.MyMaxPool2D(case.kernel_size)(input).backward(tensors["grad_output"])
    torch.testing.assert_close(input.grad.sum(), tensors["grad_output"].sum(), **CLOSE)
