"""Average-pooling against torch's."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from grader.worker.forbid import POOLING, Rules, forbidden
from reference.kernels.avg_pool import avg_pool2d
from tests.kernels.pool_cases import ALGORITHMS, SIZES, cases, value_and_gradient

# A window's sum has at most 16 terms here, added in another order: a few roundings of the result.
TOLERANCE = {torch.float32: {"rtol": 1e-6, "atol": 1e-6}, torch.float64: {"rtol": 1e-14, "atol": 1e-14}}
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@each_algorithm
@given(case=cases(dilated=False), count_include_pad=st.booleans(), divisor=st.sampled_from([None, None, 1, 3, -7]))
def test_values_and_gradients_are_torchs(algorithm, case, count_include_pad, divisor):
    arguments = {**case.arguments, "count_include_pad": count_include_pad, "divisor_override": divisor}
    found = value_and_gradient(avg_pool2d, case.input(), **arguments, algorithm=algorithm)
    expected = value_and_gradient(F.avg_pool2d, case.input(), **arguments)
    torch.testing.assert_close(found, expected, **TOLERANCE[case.dtype])


@each_algorithm
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 2},
        {"kernel_size": (5, 6)},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
        {"kernel_size": (2, 3), "stride": (3, 1), "divisor_override": 2},
    ],
)
def test_first_and_second_derivatives_match_finite_differences(algorithm, arguments):
    input = torch.randn(1, 2, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)

    def pool(image):
        return avg_pool2d(image, **arguments, algorithm=algorithm)

    assert torch.autograd.gradcheck(pool, input)
    assert torch.autograd.gradgradcheck(pool, input)
    assert torch.autograd.gradgradcheck(lambda image: pool(image * image), input)


@each_algorithm
@pytest.mark.parametrize("kernel_size, stride, padding", [(2, 2, 0), (3, 2, 1), (7, 7, 0)])
@pytest.mark.parametrize("special", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_reach_just_the_windows_that_see_them(algorithm, kernel_size, stride, padding, special):
    input = torch.zeros(1, 1, 7, 7)
    input[0, 0, 3, 2] = special
    output = avg_pool2d(input, kernel_size, stride, padding, algorithm=algorithm)
    torch.testing.assert_close(output, F.avg_pool2d(input, kernel_size, stride, padding), equal_nan=True)


@pytest.mark.parametrize("algorithm", ["naive", "unfold", "auto"])
def test_integers_are_divided_towards_zero(algorithm):
    input = -torch.arange(16).view(1, 1, 4, 4)
    assert torch.equal(avg_pool2d(input, 2, divisor_override=3, algorithm=algorithm),
                       F.avg_pool2d(input, 2, divisor_override=3))  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    input = torch.full((1, 1, 64, 64), 1.0, dtype=dtype)
    input[0, 0, 0, 0] = 3
    # In the half type itself, a sum of ones stops growing at 2048 or at 256.
    assert avg_pool2d(input, 64).item() == torch.tensor((4096 + 2) / 4096).to(dtype).item()


@each_algorithm
def test_channels_last_stays_channels_last(algorithm):
    input = torch.randn(2, 3, 6, 8).contiguous(memory_format=torch.channels_last)
    output = avg_pool2d(input, 2, algorithm=algorithm)
    assert output.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(output, F.avg_pool2d(input, 2))


@pytest.mark.parametrize("size", [(32, 32), (33, 31)])
@pytest.mark.parametrize("kernel_size, stride", [(2, 2), (3, 2)])
def test_threads_share_planes_without_a_gap(kernel_size, stride, size):
    input = torch.randn(32, 33, *size, generator=torch.Generator().manual_seed(0))
    found = value_and_gradient(avg_pool2d, input, kernel_size=kernel_size, stride=stride)
    expected = value_and_gradient(F.avg_pool2d, input, kernel_size=kernel_size, stride=stride)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kernel_size, padding", [(2, 0), (3, 0), (3, 1), (None, 0)])
@pytest.mark.parametrize("size", SIZES)
def test_planes_side_by_side_are_shared_by_threads_without_a_gap(size, kernel_size, padding):
    # An odd number of planes for two threads: some are left over from groups of four and of two.
    input = torch.randn(9, 67, *size, generator=torch.Generator().manual_seed(5))
    arguments = {"kernel_size": kernel_size or size, "stride": 2, "padding": padding}
    found = value_and_gradient(avg_pool2d, input, **arguments, algorithm="direct")
    torch.testing.assert_close(found, value_and_gradient(F.avg_pool2d, input, **arguments))


@each_algorithm
def test_no_pooling_operator_of_torch_is_reached(algorithm):
    input = torch.randn(2, 3, 6, 8, dtype=torch.float64, requires_grad=True)
    with forbidden(Rules(operators=(POOLING,))) as hits:
        for arguments in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": (6, 8)}):
            output = avg_pool2d(input, **arguments, algorithm=algorithm)
            (gradient,) = torch.autograd.grad(output.square().sum(), input, create_graph=True)
            gradient.square().sum().backward()
        assert not hits
        with pytest.raises(RuntimeError, match="avg_pool2d"):
            F.avg_pool2d(input, 2)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1"),
        ({"kernel_size": 2, "stride": (1, 0)}, ValueError, r"stride must be at least 1, found \(1, 0\)"),
        ({"kernel_size": 2, "padding": 2}, ValueError, "padding should be at most half"),
        ({"kernel_size": (2, 6)}, ValueError, "4x5 pixels .* too small"),
        ({"kernel_size": 2, "divisor_override": 0}, ValueError, "divisor_override must not be 0"),
        ({"kernel_size": 2, "divisor_override": 2.5}, TypeError, "divisor_override must be an int or None, found 2.5"),
        ({"kernel_size": 2, "algorithm": "magic"}, ValueError, "'auto', 'naive', 'unfold', 'direct'.*'magic'"),
    ],
)
def test_impossible_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        avg_pool2d(torch.zeros(1, 1, 4, 5), **arguments)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.complex64])
def test_dtypes_without_a_mean_are_named(dtype):
    with pytest.raises(TypeError, match=str(dtype)):
        avg_pool2d(torch.zeros(1, 1, 4, 4, dtype=dtype), 2)
