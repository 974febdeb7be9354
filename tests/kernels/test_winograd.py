"""`winograd`: its matrices, its blocks of tiles and channels, and what it does where a number is not finite."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d, parallel
from reference.kernels.convolution import direct, winograd
from reference.kernels.convolution import winograd_transforms as transforms
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.vectors import VECTOR_BYTES
from tests.kernels.test_conv_isolation import run


TAPS = {3: 4, 5: 2}  # outputs along a tile's side


def both_ways(line, patch, **keywords):
    return np.array(transforms.both_ways(partial(line, **keywords), list(patch)))


def correlation(pixels, weights):
    """Every place of `weights` in `pixels`."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, weights.shape)
    return np.einsum("yxij,ij->yx", windows, weights)


@pytest.mark.parametrize("taps", TAPS)
def test_the_transforms_multiply_to_a_correlation(taps):
    generator = np.random.default_rng(0)
    pixels, weights = generator.standard_normal((6, 6)), generator.standard_normal((taps, taps))
    points = both_ways(transforms.input_line, pixels) * both_ways(transforms.weight_line, weights)
    found = both_ways(transforms.output_line, points, outputs=TAPS[taps])
    np.testing.assert_allclose(found, correlation(pixels, weights), atol=1e-13)


@pytest.mark.parametrize("taps", TAPS)
def test_the_adjoint_transforms_multiply_to_the_weights_gradient(taps):
    generator = np.random.default_rng(1)
    pixels, gradient = generator.standard_normal((6, 6)), generator.standard_normal((TAPS[taps], TAPS[taps]))
    points = both_ways(transforms.input_line, pixels) * both_ways(transforms.output_grad_line, gradient)
    found = both_ways(transforms.weight_grad_line, points, taps=taps)
    np.testing.assert_allclose(found, correlation(pixels, gradient), atol=1e-13)


def derivatives(function, tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    output = function(*leaves)
    upstream = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view(output.shape)
    return [output.detach(), *torch.autograd.grad(output, leaves, upstream)]


SHAPES = {  # (N, C, O, H, W, padding); with 5x5 kernels, two more of each padding
    "whole tiles": (3, 5, 7, 8, 12, 1),
    "ragged tiles": (3, 5, 7, 7, 9, 1),
    "one output": (2, 3, 2, 3, 3, 0),
    "narrow": (2, 3, 4, 1, 21, 1),
    "padding wider than the kernel": (2, 3, 4, 3, 2, (4, 3)),
    "more channels than a vector": (2, 17, 19, 6, 5, 1),
    "more channels than two vectors": (1, 35, 33, 4, 4, 1),
    "several blocks of images": (70, 2, 3, 8, 8, 1),
    "several blocks in an image": (1, 2, 3, 61, 90, 1),
    "several blocks in a vector of images": (7, 2, 3, 50, 30, 1),
    "more tiles in a row than a block": (2, 1, 2, 5, 300, 1),
    "lanes of images, few pixels": (24, 3, 2, 2, 3, 1),
    "lanes of images, ragged": (23, 3, 20, 9, 7, 1),
    "few images of many channels": (6, 16, 70, 4, 4, 1),
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("taps", TAPS)
def test_blocks_and_lanes_of_every_kind_agree_with_torch(monkeypatch, taps, shape, threads):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    monkeypatch.setattr(winograd, "direct", None)  # what is not finite would be done again
    for name in ("CACHE_BYTES", "TURNED_BYTES", "GRAD_CACHE_BYTES", "SHARE_BYTES"):
        monkeypatch.setattr(winograd, name, 40_000)
    n, c, o, h, w, padding = SHAPES[shape]
    padding = tuple(np.add(padding, (taps - 3) // 2 * np.ones(2, int)).tolist())
    generator = torch.Generator().manual_seed(0)
    shapes = ((n, c, h, w), (o, c, taps, taps), (o,))
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = derivatives(lambda *t: conv2d(*t, padding=padding, algorithm="winograd"), tensors)
    finally:
        torch.set_num_threads(before)
    expected = derivatives(lambda *t: F.conv2d(*t, padding=padding), tensors)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "images, tiles, channels, chosen",
    [(64, 8, 16, True), (12, 8, 16, True), (500, 8, 16, True), (11, 8, 16, False), (20, 1, 16, False), (1, 1, 1, False),
     (64, 64, 64, False)],
)  # fmt: skip
def test_lanes_are_images_where_these_fill_them_and_a_row_of_tiles_is_no_large_block(images, tiles, channels, chosen):
    lanes = VECTOR_BYTES // 4
    images = images if lanes == 16 else images * lanes // 16
    assert winograd.lanes_are_images(images, tiles, channels, 4) is chosen


@pytest.mark.parametrize("few", [0, 10_000], ids=["filters kept", "filters made where used"])
@pytest.mark.parametrize("images", [3, 16], ids=["lanes of tiles", "lanes of images"])
def test_filters_may_be_transformed_beforehand_or_where_they_are_used(monkeypatch, images, few):
    monkeypatch.setattr(winograd, "FEW_TILES", few)
    tensors = [torch.randn(shape, dtype=torch.float64) for shape in ((images, 20, 9, 8), (64, 20, 3, 3), (64,))]
    found = derivatives(lambda *t: conv2d(*t, padding=1, algorithm="winograd"), tensors)
    torch.testing.assert_close(found, derivatives(lambda *t: F.conv2d(*t, padding=1), tensors))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["input", "weight", "upstream"])
@pytest.mark.parametrize("images, taps", [(2, 3), (13, 3), (13, 5)])
def test_what_is_not_finite_reaches_the_numbers_that_torchs_sums_take_it_to(images, taps, where, value):
    tensors = {"input": torch.rand(images, 3, 9, 8) + 0.1, "weight": torch.rand(4, 3, taps, taps) + 0.1,
               "upstream": torch.rand(images, 4, 9, 8) + 0.1}  # fmt: skip
    tensors[where][1, 2, 1, 2] = value
    input, weight, upstream = tensors.values()
    geometry = Geometry(padding=(taps // 2,) * 4)
    for product, arguments in (
        ("forward", (input, weight, None, geometry)),
        ("input_grad", (upstream, weight, geometry, (9, 8))),
        ("weight_grad", (upstream, input, geometry, (taps, taps))),
    ):
        found, expected = getattr(winograd, product)(*arguments), getattr(direct, product)(*arguments)
        torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-4, atol=1e-4)


def test_numbers_that_only_a_transform_overflows_give_finite_results():
    input, weight = torch.zeros(1, 1, 6, 6), torch.ones(1, 1, 3, 3)
    input[0, 0, ::2, ::2] = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]) * 3e38
    found = conv2d(input, weight, algorithm="winograd")
    assert found.isfinite().all()
    torch.testing.assert_close(found, F.conv2d(input, weight))


def test_gradients_that_are_not_finite_leave_no_trace_in_the_next_call():
    input, weight = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 3)
    expected = F.conv2d(input, weight, padding=1)
    conv2d(input * float("nan"), weight, padding=1, algorithm="winograd")
    torch.testing.assert_close(conv2d(input, weight, padding=1, algorithm="winograd"), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("keywords", [{"stride": 2}, {"dilation": (1, 2)}, {"groups": 2}])
def test_convolutions_it_is_not_made_for_are_refused_by_name(keywords):
    weight = torch.randn(4, 4 // keywords.get("groups", 1), 3, 3)
    with pytest.raises(ValueError, match="'winograd' is not made for"):
        conv2d(torch.randn(1, 4, 9, 9), weight, **keywords, algorithm="winograd")


PLAIN = """
import torch, torch.nn.functional as F
from reference.kernels import conv2d
for dtype in (torch.float64, torch.float32):
    for images, taps in ((2, 3), (15, 3), (15, 5)):
        shapes = ((images, 3, 5, 6), (5, 3, taps, taps), (5,))
        x, w, b = (torch.randn(s, dtype=dtype).requires_grad_() for s in shapes)
        results = []
        for y in (conv2d(x, w, b, padding=taps // 2, algorithm="winograd"), F.conv2d(x, w, b, padding=taps // 2)):
            results.append([y, *torch.autograd.grad(y.square().mean(), (x, w, b))])
        torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)
print("agrees")
"""


def test_the_plain_kernels_agree_without_the_compiler():
    assert run(PLAIN, NUMBA_DISABLE_JIT="1") == "agrees"
