"""`MyFConv2D` against `torch.nn.functional.conv2d` in float64."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from grader.oracles.convolution import ConvolutionCase, judge
from grader.strategies import convolutions
from tests.candidate import convolve

PARTS = ("output", "input_grad", "weight_grad", "bias_grad")


def hold(mytorch, case: ConvolutionCase, parts: tuple[str, ...]) -> None:
    """Fail with the reason and the line of Python that shows it."""
    reason = judge(case, convolve(mytorch, case), parts)
    if reason:
        pytest.fail(f"{reason}\n  in {case.functional()}", pytrace=False)


# The bias has tests of its own: a fault in it does not show in the others.
UNBIASED = {"biases": st.just(False)}


@given(case=convolutions(strides=st.just(1), paddings=st.just(0), **UNBIASED))
def test_values_at_stride_one_without_padding(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=convolutions(strides=st.integers(2, 3), paddings=st.just(0), **UNBIASED))
def test_values_at_larger_strides(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=convolutions(paddings=st.integers(1, 2), **UNBIASED))
@example(case=ConvolutionCase(2, 2, 3, 2, 3, 5, 4, padding=1, bias=False))  # kernel of the image's size
def test_values_with_padding(mytorch, case):
    hold(mytorch, case, ("output",))


@pytest.mark.parametrize("bias", [True, False])
def test_bias_is_added_once_and_may_be_none(mytorch, bias):
    hold(mytorch, ConvolutionCase(2, 3, 6, 5, 4, 3, 3, bias=bias), ("output",))


@given(case=convolutions(batches=st.just(0), **UNBIASED))
def test_a_batch_of_zero_images_gives_zero_outputs(mytorch, case):
    hold(mytorch, case, ("output",))


@given(case=convolutions(**UNBIASED))
def test_gradient_of_the_input(mytorch, case):
    hold(mytorch, case, ("input_grad",))


@given(case=convolutions(**UNBIASED))
def test_gradient_of_the_weight(mytorch, case):
    hold(mytorch, case, ("weight_grad",))


@given(case=convolutions(biases=st.just(True)))
def test_gradient_of_the_bias(mytorch, case):
    hold(mytorch, case, ("bias_grad",))


def test_no_existing_convolution_or_pooling_is_reached(mytorch, submission):
    from grader.assignments.hw3.rules import FROM_SCRATCH
    from grader.worker.forbid import forbidden

    layer, pool = mytorch.MyConv2D(2, 3, 3, stride=1, padding=1), mytorch.MyMaxPool2D(2)
    input = torch.randn(2, 2, 8, 8, requires_grad=True)
    with forbidden(FROM_SCRATCH, [submission.root]) as hits:
        try:
            pool(layer(input)).sum().backward()
        finally:
            assert not hits, "; ".join(str(hit) for hit in hits)
