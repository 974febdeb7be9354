"""Max-pooling against torch's, bit by bit where numbers are copied."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given

from grader.worker.forbid import POOLING, Rules, forbidden
from reference.kernels.avg_pool import avg_pool2d
from reference.kernels.max_pool import max_pool2d
from reference.kernels.pooling import direct
from reference.kernels.pooling.autograd import MaxPooling
from reference.kernels.pooling.geometry import PoolGeometry
from reference.kernels.pooling.registry import ALGORITHMS as REGISTRY
from reference.kernels.pooling.unfold import UNFOLD
from tests.kernels.pool_cases import ALGORITHMS, SIZES, cases, value_and_gradient

NAN, INF = float("nan"), float("inf")
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def test_these_are_all_the_algorithms_there_are():
    assert {"naive", "unfold", "direct"} <= set(ALGORITHMS) <= set(REGISTRY)


@each_algorithm
@given(case=cases(dilated=True))
def test_values_positions_and_gradients_are_torchs(algorithm, case):
    input = case.input()
    output, gradient = value_and_gradient(max_pool2d, input, **case.arguments, algorithm=algorithm)
    expected, expected_gradient = value_and_gradient(F.max_pool2d, input, **case.arguments)
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-6, atol=1e-6)
    positions = max_pool2d(input, **case.arguments, return_indices=True, algorithm=algorithm)[1]
    torch.testing.assert_close(positions, F.max_pool2d(input, **case.arguments, return_indices=True)[1])


@each_algorithm
@pytest.mark.parametrize("kernel_size, stride", [(2, 2), (3, 2)])
def test_of_equal_maxima_the_first_gets_the_whole_gradient(algorithm, kernel_size, stride):
    _, gradient = value_and_gradient(
        max_pool2d, torch.zeros(1, 1, 5, 5), kernel_size=kernel_size, stride=stride, algorithm=algorithm
    )
    assert gradient[0, 0, ::2, ::2].count_nonzero() == gradient.count_nonzero() == 4


@each_algorithm
@pytest.mark.parametrize("kernel_size, stride, padding", [(2, 2, 0), (3, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)])
@pytest.mark.parametrize("special", [NAN, INF, -INF])
def test_nan_and_infinity_are_taken_as_torch_takes_them(algorithm, kernel_size, stride, padding, special):
    generator = torch.Generator().manual_seed(3)
    input = torch.randn(2, 3, 8, 37, generator=generator)
    input[torch.rand(input.shape, generator=generator) < 0.4] = special
    found = max_pool2d(input, kernel_size, stride, padding, return_indices=True, algorithm=algorithm)
    expected = F.max_pool2d(input, kernel_size, stride, padding, return_indices=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    _, gradient = value_and_gradient(max_pool2d, input, kernel_size=kernel_size, stride=stride, padding=padding,
                                     algorithm=algorithm)  # fmt: skip
    _, expected = value_and_gradient(F.max_pool2d, input, kernel_size=kernel_size, stride=stride, padding=padding)
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_a_nan_wins_in_whichever_of_the_planes_side_by_side_it_is(size, kernel_size):
    generator = torch.Generator().manual_seed(4)
    for plane in range(7):
        input = torch.randn(7, *size, generator=generator)
        for _ in range(2):
            row, column = (torch.randint(length, (), generator=generator) for length in size)
            input[plane, row, column] = NAN
        found = max_pool2d(input, kernel_size, 2, return_indices=True, algorithm="direct")
        expected = F.max_pool2d(input, kernel_size, 2, return_indices=True)
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("kernel_size", [2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_planes_side_by_side_are_shared_by_threads_without_a_gap(size, kernel_size):
    # An odd number of planes for two threads: some are left over from groups of four and of two.
    input = torch.randn(9, 67, *size, generator=torch.Generator().manual_seed(5))
    found = value_and_gradient(max_pool2d, input, kernel_size=kernel_size, stride=2, algorithm="direct")
    torch.testing.assert_close(found, value_and_gradient(F.max_pool2d, input, kernel_size=kernel_size, stride=2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_gradients_written_past_the_caches_are_torchs_to_the_last_number(monkeypatch, size, dtype):
    monkeypatch.setattr(direct, "PAST_BYTES", 0)
    for batch, channels in ((1, 1), (1, 7), (9, 67)):  # planes that start anywhere on a line, or in the midst of one
        input = torch.randn(batch, channels, *size, dtype=dtype, generator=torch.Generator().manual_seed(6))
        for ours, torchs in ((max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)):
            found = value_and_gradient(ours, input, kernel_size=2, algorithm="direct")
            torch.testing.assert_close(found, value_and_gradient(torchs, input, kernel_size=2))


@each_algorithm
def test_padding_never_wins_even_against_minus_infinity(algorithm):
    input = torch.full((1, 1, 4, 4), -INF)
    output, positions = max_pool2d(input, 3, 1, 1, return_indices=True, algorithm=algorithm)
    assert torch.equal(output, input)
    assert positions[0, 0, 0, 0] == 0 and positions[0, 0, 3, 3] == 10


@each_algorithm
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": (2, 3), "stride": 1, "dilation": (2, 1)},
    ],
)
def test_first_and_second_derivatives_match_finite_differences(algorithm, arguments):
    # Distinct numbers far apart: a finite difference must not change who wins.
    input = torch.randperm(2 * 5 * 6, generator=torch.Generator().manual_seed(1)).double().view(1, 2, 5, 6) / 7
    input.requires_grad_()

    def pool(image):
        return max_pool2d(image, **arguments, algorithm=algorithm)

    assert torch.autograd.gradcheck(pool, input)
    assert torch.autograd.gradgradcheck(pool, input)
    # Pooling itself has no curvature: through a square, the second derivative is not zero.
    assert torch.autograd.gradgradcheck(lambda image: pool(image * image), input)


@pytest.mark.parametrize("algorithm", ["naive", "unfold", "auto"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_integers_have_maxima(algorithm, dtype):
    input = torch.randint(0, 100, (2, 3, 6, 7), generator=torch.Generator().manual_seed(0)).to(dtype)
    input -= 0 if dtype == torch.uint8 else 50
    found = max_pool2d(input, 3, 2, 1, return_indices=True, algorithm=algorithm)
    torch.testing.assert_close(found, F.max_pool2d(input, 3, 2, 1, return_indices=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_exact(dtype):
    input = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    output, gradient = value_and_gradient(max_pool2d, input, kernel_size=2)
    expected, expected_gradient = value_and_gradient(F.max_pool2d, input, kernel_size=2)
    assert torch.equal(output, expected) and torch.equal(gradient, expected_gradient)


@each_algorithm
def test_channels_last_stays_channels_last(algorithm):
    input = torch.randn(2, 3, 6, 8).contiguous(memory_format=torch.channels_last)
    output = max_pool2d(input, 2, algorithm=algorithm)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(output, F.max_pool2d(input, 2))


@each_algorithm
def test_a_window_without_any_tap_in_the_image_is_minus_infinity_and_sends_no_gradient(algorithm):
    # Taps at rows -1 and 3 of a single row. torch's own backward writes outside of its memory here.
    output, gradient = value_and_gradient(
        max_pool2d, torch.ones(1, 1, 1, 1), kernel_size=(2, 1), stride=5, padding=(1, 0), dilation=(4, 1),
        ceil_mode=True, algorithm=algorithm,
    )  # fmt: skip
    assert output.tolist() == [[[[-INF]]]]
    assert gradient.tolist() == [[[[0.0]]]]


def test_windows_with_more_taps_than_a_byte_counts_are_torchs():
    input = torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    arguments = {"kernel_size": (17, 18), "stride": (2, 3), "padding": (8, 1)}
    found = value_and_gradient(max_pool2d, input, **arguments, algorithm="direct")
    torch.testing.assert_close(found, value_and_gradient(F.max_pool2d, input, **arguments))
    positions = max_pool2d(input, **arguments, return_indices=True, algorithm="direct")[1]
    assert torch.equal(positions, F.max_pool2d(input, **arguments, return_indices=True)[1])


@pytest.mark.parametrize("size", [(32, 32), (33, 31)])
@pytest.mark.parametrize("kernel_size, stride", [(2, 2), (3, 2)])
def test_threads_share_planes_without_a_gap(kernel_size, stride, size):
    input = torch.randn(32, 33, *size, generator=torch.Generator().manual_seed(0))
    output, gradient = value_and_gradient(max_pool2d, input, kernel_size=kernel_size, stride=stride)
    expected, expected_gradient = value_and_gradient(F.max_pool2d, input, kernel_size=kernel_size, stride=stride)
    assert torch.equal(output, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("needs_grad", [True, False])
def test_winners_are_only_kept_where_something_asks_for_them(needs_grad):
    asked = []

    def maxima(input, geometry, winners_wanted):
        asked.append(winners_wanted)
        return UNFOLD.maxima(input, geometry, winners_wanted)

    input = torch.randn(1, 1, 4, 4, requires_grad=needs_grad)
    MaxPooling.apply(input, replace(UNFOLD, maxima=maxima), PoolGeometry.parse(2, None, 0, 1, False), False)
    assert asked == [needs_grad]


@each_algorithm
def test_no_pooling_operator_of_torch_is_reached(algorithm):
    input = torch.randn(2, 3, 7, 8, dtype=torch.float64, requires_grad=True)
    with forbidden(Rules(operators=(POOLING,))) as hits:
        for arguments in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}):
            output = max_pool2d(input, **arguments, algorithm=algorithm)
            (gradient,) = torch.autograd.grad(output.square().sum(), input, create_graph=True)
            gradient.square().sum().backward()
        assert not hits
        with pytest.raises(RuntimeError, match="max_pool2d"):
            F.max_pool2d(input, 2)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1"),
        ({"kernel_size": 2.0}, TypeError, "kernel_size must be an int"),
        ({"kernel_size": True}, TypeError, "kernel_size must be an int"),
        ({"kernel_size": (2, 2, 2)}, ValueError, "kernel_size .* found 3 entries"),
        ({"kernel_size": 2, "stride": 0}, ValueError, "stride must be at least 1"),
        ({"kernel_size": 2, "padding": -1}, ValueError, "padding must be at least 0"),
        ({"kernel_size": 2, "padding": 2}, ValueError, "padding should be at most half"),
        ({"kernel_size": 2, "dilation": 0}, ValueError, "dilation must be at least 1"),
        ({"kernel_size": 6}, ValueError, "4x5 pixels .* too small .* 6"),
        ({"kernel_size": 2, "algorithm": "magic"}, ValueError, "'auto', 'naive', 'unfold', 'direct'.*'magic'"),
    ],
)
def test_impossible_arguments_are_named(arguments, error, words):
    max_pool2d(torch.zeros(1, 1, 4, 5), kernel_size=1)  # what is remembered of a good call must not excuse a bad one
    with pytest.raises(error, match=words):
        max_pool2d(torch.zeros(1, 1, 4, 5), **arguments)


@pytest.mark.parametrize(
    "input, error, words",
    [
        ([[1.0]], TypeError, "input must be a torch.Tensor, found list"),
        (torch.zeros(4, 4), ValueError, r"input must have shape .* found shape \(4, 4\)"),
        (torch.zeros(2, 0, 4, 4), ValueError, r"at least one channel .* \(2, 0, 4, 4\)"),
        (torch.zeros(2, 1, 4, 0), ValueError, r"one pixel .* \(2, 1, 4, 0\)"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.bool), TypeError, "found torch.bool"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.complex64), TypeError, "found torch.complex64"),
    ],
)
def test_impossible_inputs_are_named(input, error, words):
    with pytest.raises(error, match=words):
        max_pool2d(input, 2)


def test_an_algorithm_that_cannot_take_the_dtype_says_which_can():
    with pytest.raises(ValueError, match="'direct' does not take torch.int64 on cpu; these do: .*'unfold'"):
        max_pool2d(torch.zeros(1, 1, 4, 4, dtype=torch.int64), 2, algorithm="direct")


def test_the_kernels_run_as_plain_python_too():
    script = """if True:
        import torch, torch.nn.functional as F
        from reference.kernels.avg_pool import avg_pool2d
        from reference.kernels.max_pool import max_pool2d
        from reference.kernels.pooling.direct_kernels import maxima_2x2
        assert type(maxima_2x2).__name__ == "function", type(maxima_2x2)
        for shape in ((1, 2, 5, 19), (1, 1, 4, 4), (1, 5, 7, 7), (1, 3, 5, 15)):
            for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)):
                for ours, theirs in ((max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)):
                    a = torch.randn(shape).requires_grad_()
                    b = a.detach().clone().requires_grad_()
                    x, y = ours(a, kernel, stride, padding, algorithm="direct"), theirs(b, kernel, stride, padding)
                    torch.testing.assert_close(x, y)
                    x.square().sum().backward()
                    y.square().sum().backward()
                    torch.testing.assert_close(a.grad, b.grad)
    """
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
