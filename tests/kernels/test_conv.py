"""`conv2d` agrees with `torch.nn.functional.conv2d` by every algorithm, in value and in every derivative."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from reference.kernels import conv2d
from reference.kernels import parallel
from reference.kernels.conv import ALGORITHMS
from reference.kernels.convolution.geometry import Geometry
from tests.kernels.conv_cases import CASES, NAMES, allowed_errors, case_for, draw, takes

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


PAIRS = [(algorithm, case) for algorithm in [*NAMES, "auto"] for case in CASES if takes(algorithm, case)]


@pytest.mark.parametrize("algorithm, case", PAIRS)
def test_value_and_gradients_agree_with_torch(algorithm, case):
    tensors, keywords = draw(case)[:3], CASES[case][2]
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in tensors] for _ in range(2))
    found, expected = conv2d(*ours, **keywords, algorithm=algorithm), F.conv2d(*theirs, **keywords)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    upstream = torch.randn_like(expected)
    results = zip(
        [found, *torch.autograd.grad(found, ours, upstream)],
        [expected, *torch.autograd.grad(expected, theirs, upstream)],
    )
    for ours, theirs in results:
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("algorithm", [name for name in NAMES if takes(name, "three by three")])
@pytest.mark.parametrize("signed", [False, True], ids=["positive", "signed"])
@pytest.mark.parametrize("count, taps", [(2, 3), (13, 3), (13, 5)])
def test_errors_are_within_the_algorithms_stated_bounds(algorithm, count, taps, signed):
    draw_numbers = torch.randn if signed else torch.rand
    images, kernels = draw_numbers(count, 40, 9, 10), draw_numbers(8, 40, taps, taps)
    upstream, geometry = draw_numbers(count, 8, 9, 10), Geometry(padding=(taps // 2,) * 4)

    def products(name, images, kernels, upstream):
        chosen = ALGORITHMS[name]
        return (
            chosen.forward(images, kernels, None, geometry),
            chosen.input_grad(upstream, kernels, geometry, (9, 10)),
            chosen.weight_grad(upstream, images, geometry, (taps, taps)),
        )

    numbers = (images, kernels, upstream)
    truths = products("naive", *(tensor.double() for tensor in numbers))  # 2**29 times finer than float32
    scales = products("naive", *(tensor.double().abs() for tensor in numbers))
    bounds = allowed_errors(algorithm, torch.float32, (40 * taps**2, 8 * taps**2, count * 9 * 10))
    for found, truth, scale, bound in zip(products(algorithm, *numbers), truths, scales, bounds):
        assert ((found.double() - truth).abs() / scale).max() < bound


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize("case", ["stride", "groups", "same with an even kernel", "one by one with stride"])
def test_first_and_second_derivatives_agree_with_finite_differences(case, algorithm):
    case = case_for(algorithm, case)
    (_, channels, _, _), (out, per_group, kh, kw), keywords = CASES[case]
    generator = torch.Generator().manual_seed(0)
    shapes = ((1, channels, 4, 5), (out, per_group, min(kh, 3), min(kw, 3)), (out,))
    tensors = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]

    def function(*tensors):
        return conv2d(*tensors, **keywords, algorithm=algorithm)

    assert gradcheck(function, tensors)
    assert gradgradcheck(function, tensors)


@pytest.mark.parametrize("wanted", ["input", "weight", "bias"])
def test_only_the_wanted_gradient_is_computed(monkeypatch, wanted):
    calls = []

    def counted(name):
        product = getattr(ALGORITHMS["im2col"], name)
        return lambda *arguments: (calls.append(name), product(*arguments))[1]

    products = {name: counted(name) for name in ("forward", "input_grad", "weight_grad")}
    monkeypatch.setitem(ALGORITHMS, "im2col", replace(ALGORITHMS["im2col"], **products))
    input, weight, bias, keywords = draw("padding")
    leaf = {"input": input, "weight": weight, "bias": bias}[wanted].requires_grad_()
    output = conv2d(input, weight, bias, **keywords, algorithm="im2col")
    torch.autograd.grad(output.sum(), leaf)
    gradient = {"input": ["input_grad"], "weight": ["weight_grad"], "bias": []}[wanted]
    assert calls == ["forward", *gradient]


@pytest.mark.parametrize("algorithm", NAMES)
def test_memory_layout_does_not_matter(algorithm):
    input, weight, bias, keywords = draw(case_for(algorithm, "groups"))
    expected = F.conv2d(input, weight, bias, **keywords)
    layouts = {
        "channels_last": (input.to(memory_format=torch.channels_last), weight.to(memory_format=torch.channels_last)),
        "transposed": (input.mT.contiguous().mT, weight.transpose(0, 1).contiguous().transpose(0, 1)),
        "every other": (torch.stack([input, input + 1], -1)[..., 0], torch.stack([weight, weight], 2)[:, :, 1]),
    }
    for name, (x, w) in layouts.items():
        assert not (x.is_contiguous() and w.is_contiguous()), name
        found = conv2d(x, w, bias, **keywords, algorithm=algorithm)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, msg=name)
    one = input[:1].expand(4, -1, -1, -1)  # stride 0
    found = conv2d(one, weight, bias, **keywords, algorithm=algorithm)
    torch.testing.assert_close(found, expected[:1].expand(4, -1, -1, -1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("algorithm", NAMES)
def test_gradient_may_come_in_any_layout(algorithm):
    input, weight, _, keywords = draw(case_for(algorithm, "stride"))
    input.requires_grad_(), weight.requires_grad_()
    output = conv2d(input, weight, **keywords, algorithm=algorithm)
    found = torch.autograd.grad(output.sum(), (input, weight))  # an upstream gradient of stride 0
    expected = torch.autograd.grad(F.conv2d(input, weight, **keywords).sum(), (input, weight))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("algorithm", NAMES)
def test_one_image_needs_no_batch(algorithm):
    input, weight, bias, keywords = draw(case_for(algorithm, "padding"))
    found = conv2d(input[0], weight, bias, **keywords, algorithm=algorithm)
    torch.testing.assert_close(found, F.conv2d(input[0], weight, bias, **keywords), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("algorithm", NAMES)
def test_arguments_are_left_as_they_were(algorithm):
    *tensors, keywords = draw(case_for(algorithm, "padding"))
    before = [tensor.clone() for tensor in tensors]
    conv2d(*tensors, **keywords, algorithm=algorithm)
    assert all(torch.equal(*both) for both in zip(tensors, before))


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_reach_the_windows_that_see_them_and_no_other(algorithm, value):
    input_shape, weight_shape, keywords = CASES[case_for(algorithm, "padding")]
    input, weight = torch.rand(input_shape) + 0.1, torch.rand(weight_shape) + 0.1
    input[1, 0, 4, 5] = value
    found = conv2d(input, weight, **keywords, algorithm=algorithm)
    torch.testing.assert_close(found, F.conv2d(input, weight, **keywords), equal_nan=True, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["im2col", "cuda", "auto"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_types_are_taken_by_the_torch_paths(algorithm, dtype):
    input, weight, bias, keywords = draw("padding", torch.float32)
    found = conv2d(input.to(dtype), weight.to(dtype), bias.to(dtype), **keywords, algorithm=algorithm)
    assert found.dtype == dtype
    expected = F.conv2d(*(tensor.to(dtype).float() for tensor in (input, weight, bias)), **keywords)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(found.float(), expected, rtol=4 * eps, atol=8 * eps)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_splitting_the_batch_among_threads_changes_nothing_beyond_rounding(monkeypatch, threads):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        shapes = ((7, 3, 8, 9), (5, 3, 3, 3), (5,))
        input, weight, bias = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
        input.requires_grad_(), weight.requires_grad_()
        found, expected = conv2d(input, weight, bias, algorithm="direct"), F.conv2d(input, weight, bias)
        upstream = torch.randn_like(expected)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            torch.autograd.grad(found, (input, weight), upstream),
            torch.autograd.grad(expected, (input, weight), upstream), rtol=1e-12, atol=1e-12,
        )  # fmt: skip
    finally:
        torch.set_num_threads(before)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gpu_agrees_with_torch(dtype):
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    input, weight, bias, keywords = draw("stride", torch.float32)
    found = conv2d(*(t.to("cuda", dtype) for t in (input, weight, bias)), **keywords).float().cpu()
    expected = F.conv2d(input, weight, bias, **keywords)
    bound = 5e-2 if dtype == torch.bfloat16 else 1e-4  # the operands themselves were rounded
    torch.testing.assert_close(found, expected, rtol=bound, atol=bound)
