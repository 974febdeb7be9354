"""The oracles: the comparison is strict, the tolerance is the arithmetic's."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grader.oracles import convolution, plain_layout, pooling
from grader.oracles.compare import Expected, mismatch, rounding
from grader.oracles.convolution import Answer, ConvolutionCase
from grader.oracles.figure1 import Figure1
from grader.oracles.pooling import PoolingCase
from grader.strategies import SEEDS, convolutions


def truth(*shape: int) -> Expected:
    return Expected(
        torch.zeros(shape, dtype=torch.float64),
        torch.full(shape, 1e-6, dtype=torch.float64),
        torch.float32,
    )


def test_an_equal_tensor_is_right():
    assert mismatch("output", torch.zeros(2, 3), truth(2, 3)) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "missing"),
        ([0.0], "expected a torch.Tensor, found list"),
        (torch.zeros(3), r"wrong shape \(3,\); expected \(2, 3\)"),  # broadcasts
        (torch.zeros(1, 1), "wrong shape"),
        (torch.zeros(2, 3).double(), "wrong dtype torch.float64"),
        (torch.full((2, 3), float("nan")), r"nan at \[0, 0\]"),
        (torch.full((2, 3), float("inf")), r"inf at \[0, 0\]"),
        (torch.tensor([[0.0, 0, 0], [0, 0.5, 0]]), r"1 of 6.*\[1, 1\]: expected 0, got 0.5"),
    ],
)
def test_a_wrong_answer_is_named(answer, said):
    assert re.search(said, mismatch("output", answer, truth(2, 3)))


def test_an_empty_answer_must_have_the_right_shape_too():
    assert mismatch("output", torch.zeros(0, 3), truth(0, 3)) is None
    assert "wrong shape" in mismatch("output", torch.zeros(0, 4), truth(0, 3))


@given(terms=st.integers(1, 400), seed=SEEDS)
def test_no_order_of_summation_leaves_the_tolerance(terms, seed):
    """Forwards, backwards, by size, pairwise: all within γ_n Σ|aᵢ bᵢ|, so no false alarm."""
    generator = torch.Generator().manual_seed(seed)
    products = torch.randn(2, terms, generator=generator).prod(0)  # rounded once each
    exact = products.double().sum()
    allowed = rounding(products.double().abs().sum(), terms, torch.float32)
    for order in (products, products.flip(0), products.sort().values):
        total = torch.tensor(0.0)
        for product in order:
            total = total + product
        assert abs(total.double() - exact) <= allowed
    assert abs(products.sum().double() - exact) <= allowed


def test_the_tolerance_sees_one_lost_product():
    """A single missing term of ordinary size is far outside of the rounding allowed."""
    products = torch.randn(200, generator=torch.Generator().manual_seed(0)).double()
    allowed = rounding(products.abs().sum(), 200, torch.float32)
    assert (products.abs() > allowed).double().mean() > 0.95


def test_float32_inside_does_not_pass_for_float64():
    case = ConvolutionCase(1, 2, 6, 6, 3, 3, 3, dtype=torch.float64)
    tensors = case.tensors()
    output = torch.nn.functional.conv2d(
        tensors["input"].float(), tensors["weight"].float(), tensors["bias"].float()
    ).double()
    assert "values are wrong" in convolution.judge(case, Answer(output), ("output",))


@given(case=convolutions())
def test_torch_itself_is_right_in_every_part(case):
    tensors = case.tensors()
    upstream = tensors.pop("grad_output")
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    output = torch.nn.functional.conv2d(
        leaves["input"], leaves["weight"], leaves.get("bias"), case.stride, case.padding
    )
    gradients = torch.autograd.grad(output, list(leaves.values()), upstream)
    named = {f"{name}_grad": value for name, value in zip(leaves, gradients, strict=True)}
    parts = ("output", "input_grad", "weight_grad", "bias_grad")
    assert output.shape == case.output_shape
    assert convolution.judge(case, Answer(output, **named), parts) is None


def test_an_argument_changed_in_place_is_named():
    case = ConvolutionCase(1, 1, 3, 3, 1, 3, 3)
    assert "input in place" in convolution.judge(case, Answer(None, changed=("input",)), ())


def test_pooling_cases_have_no_ties():
    for seed in range(20):
        input = PoolingCase(2, 3, 8, 8, 2, seed=seed).tensors()["input"]
        assert len(input.unique()) == input.numel()


def test_negative_pooling_cases_are_below_zero():
    assert (PoolingCase(2, 3, 8, 8, 2, negative=True).tensors()["input"] < 0).all()


def test_pooling_must_be_exact():
    case = PoolingCase(1, 1, 4, 4, 2)
    output = torch.nn.functional.max_pool2d(case.tensors()["input"], 2)
    assert pooling.judge(case, Answer(output), ("output",)) is None
    assert pooling.judge(case, Answer(output * (1 + 1e-6)), ("output",)) is not None


FIGURE_1 = Figure1().network()


def test_figure_1_has_39248_parameters():
    assert FIGURE_1.parameter_count == 39_248


def test_parameters_are_matched_by_shape_under_any_name():
    shapes = FIGURE_1.shapes()
    found = {f"p{place}": shape for place, shape in enumerate(reversed(shapes))}
    orders = plain_layout.arrangements(FIGURE_1, plain_layout.read(FIGURE_1, found))
    assert list(orders) == [tuple(f"p{place}" for place in reversed(range(8)))]


def test_flattened_parameters_are_matched_too():
    shapes = dict(enumerate(FIGURE_1.shapes()))
    found = {str(place): shape for place, shape in shapes.items()}
    found["0"], found["1"] = (3, 9), (1, 3, 1, 1)
    assert not isinstance(plain_layout.read(FIGURE_1, found), str)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"0": (3, 1, 5, 5)}, r"no parameter of shape \(3, 1, 3, 3\)"),
        ({"extra": (7,)}, r"does not have: extra \(7,\)"),
    ],
)
def test_other_parameters_are_named(change, said):
    found = {str(place): shape for place, shape in enumerate(FIGURE_1.shapes())} | change
    assert re.search(said, plain_layout.read(FIGURE_1, found))
