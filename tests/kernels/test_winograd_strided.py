"""`winograd_strided`: its matrices, its blocks of tiles and channels, its errors, and what is not finite."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d, parallel
from reference.kernels.convolution import direct, naive, winograd_strided
from reference.kernels.convolution import winograd_strided_transforms as transforms
from reference.kernels.convolution.geometry import Geometry
from tests.kernels.conv_cases import allowed_errors
from tests.kernels.test_conv_isolation import run
from tests.kernels.test_winograd import both_ways, correlation, derivatives

TWO = Geometry(stride=(2, 2), padding=(1, 1, 1, 1))


def met_by_patches(filters):
    """(6, 6) points of a filter as the (9, 9) that a patch's points meet."""
    met = np.empty(81)
    met[transforms.MEETINGS[:, 0]] = filters.reshape(-1)[transforms.MEETINGS[:, 1]]
    return met.reshape(9, 9)


def test_the_transforms_multiply_to_every_other_place_of_a_correlation():
    generator = np.random.default_rng(0)
    pixels, weights = generator.standard_normal((9, 9)), generator.standard_normal((3, 3))
    points = both_ways(transforms.input_line, pixels) * met_by_patches(both_ways(transforms.weight_line, weights))
    found = both_ways(transforms.output_line, points)
    np.testing.assert_allclose(found, correlation(pixels, weights)[::2, ::2], atol=1e-13)


def test_the_transforms_multiply_to_the_pixels_gradient():
    generator = np.random.default_rng(1)
    gradient, weights = generator.standard_normal((5, 5)), generator.standard_normal((3, 3))
    turned = met_by_patches(both_ways(transforms.weight_line, weights[::-1, ::-1]))
    found = both_ways(transforms.pixel_line, both_ways(transforms.seen_line, gradient) * turned)
    every = np.zeros((11, 11))
    for y, x in np.ndindex(5, 5):
        every[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] += gradient[y, x] * weights
    np.testing.assert_allclose(found, every[1:9, 1:9], atol=1e-13)


def test_the_adjoint_transforms_multiply_to_the_weights_gradient():
    generator = np.random.default_rng(2)
    pixels, gradient = generator.standard_normal((9, 9)), generator.standard_normal((4, 4))
    points = both_ways(transforms.input_line, pixels) * both_ways(transforms.output_grad_line, gradient)
    sums = np.zeros(36)
    np.add.at(sums, transforms.MEETINGS[:, 1], points.reshape(-1)[transforms.MEETINGS[:, 0]])
    spread = np.zeros((7, 7))
    spread[::2, ::2] = gradient
    found = both_ways(transforms.weight_grad_line, sums.reshape(6, 6))
    np.testing.assert_allclose(found, correlation(pixels, spread), atol=1e-13)


SHAPES = {  # (N, C, O, H, W, padding)
    "whole tiles": (3, 5, 7, 16, 24, 1),
    "ragged tiles": (3, 5, 7, 13, 19, 1),
    "one output": (2, 3, 2, 3, 3, 0),
    "no padding": (2, 3, 5, 9, 18, 0),
    "padding of two kinds": (2, 3, 5, 8, 17, (2, 1)),
    "narrow": (2, 3, 4, 1, 41, 1),
    "padding wider than the kernel": (2, 3, 4, 3, 2, (4, 3)),
    "more channels than a vector": (2, 17, 19, 8, 8, 1),
    "more channels than two vectors": (1, 35, 33, 8, 8, 1),
    "several blocks of images": (140, 2, 3, 8, 8, 1),
    "several blocks in an image": (1, 2, 3, 101, 110, 1),
    "more tiles in a row than a block": (2, 1, 2, 9, 600, 1),
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_blocks_and_lanes_of_every_kind_agree_with_torch(monkeypatch, shape, threads):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    monkeypatch.setattr(winograd_strided, "CACHE_BYTES", 40_000)
    monkeypatch.setattr(winograd_strided, "GRAD_TILES", 48)
    monkeypatch.setattr(winograd_strided, "GRAD_BYTES", 400_000)
    n, c, o, h, w, padding = SHAPES[shape]
    generator = torch.Generator().manual_seed(0)
    shapes = ((n, c, h, w), (o, c, 3, 3), (o,))
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = derivatives(
            lambda *t: conv2d(*t, stride=2, padding=padding, algorithm="winograd_strided"), tensors
        )
    finally:
        torch.set_num_threads(before)
    expected = derivatives(lambda *t: F.conv2d(*t, stride=2, padding=padding), tensors)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("few", [0, 10_000], ids=["filters kept", "filters made where used"])
def test_filters_may_be_transformed_beforehand_or_where_they_are_used(monkeypatch, few):
    monkeypatch.setattr(winograd_strided, "FEW_TILES", few)
    tensors = [torch.randn(shape, dtype=torch.float64) for shape in ((3, 20, 17, 16), (31, 20, 3, 3), (31,))]
    found = derivatives(lambda *t: conv2d(*t, stride=2, padding=1, algorithm="winograd_strided"), tensors)
    torch.testing.assert_close(found, derivatives(lambda *t: F.conv2d(*t, stride=2, padding=1), tensors))


def products(algorithm, images, kernels, upstream):
    return (
        algorithm.forward(images, kernels, None, TWO),
        algorithm.input_grad(upstream, kernels, TWO, tuple(images.shape[2:])),
        algorithm.weight_grad(upstream, images, TWO, (3, 3)),
    )


@pytest.mark.parametrize("signed", [False, True], ids=["positive", "signed"])
def test_errors_are_within_the_stated_bounds(signed):
    draw = torch.randn if signed else torch.rand
    numbers = draw(2, 16, 17, 18), draw(8, 16, 3, 3), draw(2, 8, 9, 9)
    truths = products(naive, *(tensor.double() for tensor in numbers))
    scales = products(naive, *(tensor.double().abs() for tensor in numbers))
    terms = products(naive, *(torch.ones_like(tensor, dtype=torch.float64) for tensor in numbers))
    bounds = allowed_errors("winograd_strided", torch.float32, terms)
    for found, truth, scale, bound in zip(products(winograd_strided, *numbers), truths, scales, bounds):
        assert ((found.double() - truth).abs() / scale < bound).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["input", "weight", "upstream"])
def test_what_is_not_finite_reaches_the_numbers_that_torchs_sums_take_it_to(where, value):
    tensors = {"input": torch.rand(2, 3, 17, 16) + 0.1, "weight": torch.rand(4, 3, 3, 3) + 0.1,
               "upstream": torch.rand(2, 4, 9, 8) + 0.1}  # fmt: skip
    tensors[where][1, 2, 1, 2] = value
    numbers = tensors.values()
    for found, expected in zip(products(winograd_strided, *numbers), products(direct, *numbers)):
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-4)


def test_numbers_that_only_a_transform_overflows_give_finite_results():
    input, weight = torch.zeros(1, 1, 9, 9), torch.ones(1, 1, 3, 3)
    input[0, 0, ::2, ::2] = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]) * 3e38
    found = conv2d(input, weight, stride=2, algorithm="winograd_strided")
    assert found.isfinite().all()
    torch.testing.assert_close(found, F.conv2d(input, weight, stride=2))


def test_what_is_not_finite_leaves_no_trace_in_the_next_call():
    tensors = torch.randn(2, 3, 17, 16), torch.randn(4, 3, 3, 3), torch.randn(2, 4, 9, 8)
    expected = products(direct, *tensors)
    products(winograd_strided, *(tensor * float("nan") for tensor in tensors))
    torch.testing.assert_close(products(winograd_strided, *tensors), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("keywords", [{"stride": 1}, {"stride": (2, 1)}, {"dilation": 2}, {"groups": 2}])
def test_convolutions_it_is_not_made_for_are_refused_by_name(keywords):
    keywords = {"stride": 2, **keywords}
    weight = torch.randn(4, 4 // keywords.get("groups", 1), 3, 3)
    with pytest.raises(ValueError, match="'winograd_strided' is not made for"):
        conv2d(torch.randn(1, 4, 9, 9), weight, **keywords, algorithm="winograd_strided")


PLAIN = """
import torch, torch.nn.functional as F
from reference.kernels import conv2d
for dtype in (torch.float64, torch.float32):
    x, w, b = (torch.randn(s, dtype=dtype).requires_grad_() for s in ((2, 3, 9, 10), (5, 3, 3, 3), (5,)))
    results = []
    for y in (conv2d(x, w, b, 2, 1, algorithm="winograd_strided"), F.conv2d(x, w, b, 2, 1)):
        results.append([y, *torch.autograd.grad(y.square().sum(), (x, w, b))])
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-3)
print("agrees")
"""


def test_the_plain_kernels_agree_without_the_compiler():
    assert run(PLAIN, NUMBA_DISABLE_JIT="1") == "agrees"
