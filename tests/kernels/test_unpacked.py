"""The weights as they lie: tiles and lines of every kind, images as lines, any split among threads."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from reference.kernels import conv2d, parallel
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.memory import NONE
from reference.kernels.convolution.unpacked import UNPACKED
from reference.kernels.convolution.unpacked_plan import plan
from reference.kernels.convolution.unpacked_tiles import SUMS
from reference.kernels.vectors import VECTOR_BYTES

LANES = VECTOR_BYTES // 4
# (input, weight, keywords). Rows of a tile and vectors of pixels that are whole, that are not, and only one of them.
LAYERS = {
    "fewer pixels than a vector": ((1, 5, 3, 2), (7, 5, 2, 2), {}),
    "a vector and one more": ((1, 3, 1, 18), (SUMS + 1, 3, 1, 2), {}),
    "whole tiles": ((1, 4, 8, 8), (2 * SUMS, 4, 3, 3), {"padding": 1}),
    "rows wider than two vectors": ((2, 2, 5, 50), (3, 2, 3, 3), {"padding": (1, 2)}),
    "every other column": ((1, 3, 9, 40), (9, 3, 3, 3), {"padding": 1, "stride": 2}),
    "every third column": ((2, 3, 11, 23), (5, 3, 4, 4), {"padding": 2, "stride": (2, 3)}),
    "a stride wider than the kernel": ((1, 3, 13, 17), (5, 3, 2, 1), {"stride": (4, 2)}),
    "taps that see only padding": ((1, 2, 2, 3), (4, 2, 3, 3), {"padding": 4, "dilation": (2, 3)}),
    "a row of lines above the image": ((1, 2, 3, 3), (3, 2, 1, 1), {"padding": 5, "stride": 2}),
    "groups": ((2, 6, 7, 9), (8, 3, 3, 3), {"padding": 1, "groups": 2}),
    "the image as it lies": ((1, 9, 6, 7), (11, 9, 1, 1), {}),
    "images and groups as they lie": ((3, 8, 5, 9), (6, 4, 1, 1), {"groups": 2}),
    "rows of a vector": ((3, 3, 5, LANES), (SUMS + 1, 3, 3, 3), {"padding": 1}),
    "rows of a vector, every other column": ((2, 3, 9, 2 * LANES), (9, 3, 3, 3), {"padding": 1, "stride": 2}),
    "rows of two vectors": ((2, 4, 6, 2 * LANES), (7, 4, 5, 5), {"padding": 2}),
    "rows of four vectors, every third column": ((1, 2, 4, 12 * LANES), (3, 2, 2, 4), {"padding": (0, 1), "stride": (1, 3)}),
    "rows of a vector with more zeros than pixels": ((1, 2, 3, 4), (3, 2, 1, 5), {"padding": (1, LANES // 2)}),
    "rows of a vector with too many zeros": ((1, 2, 3, 2), (3, 2, 1, LANES + 3), {"padding": (1, LANES)}),
    "rows of two vectors from wider ones": ((2, 2, 4, 2 * LANES + 6), (3, 2, 3, 4), {"dilation": (1, 2)}),
    "no image": ((0, 2, 5, 6), (3, 2, 3, 3), {}),
}


@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_kind_of_tile_line_and_split_gives_the_convolution(layer, dtype, threads):
    input_shape, weight_shape, keywords = LAYERS[layer]
    generator = torch.Generator().manual_seed(0)
    input, weight = (torch.randn(shape, generator=generator, dtype=dtype) for shape in (input_shape, weight_shape))
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    for bias in (torch.randn(weight_shape[0], generator=generator, dtype=dtype), None):
        found = conv2d(input, weight, bias, **keywords, algorithm="unpacked")
        torch.testing.assert_close(found, F.conv2d(input, weight, bias, **keywords), **tolerance)


@given(
    vectors=st.sampled_from((1, 2, 4)), stride=st.integers(1, 3), taps=st.integers(1, 6), dilation=st.integers(1, 3),
    left=st.integers(0, LANES + 2), data=st.data(),
)  # fmt: skip
def test_rows_of_whole_vectors_under_any_kernel(vectors, stride, taps, dilation, left, data):
    pixels = (vectors * LANES - 1) * stride + (taps - 1) * dilation + 1  # with the padding
    right = data.draw(st.integers(0, min(LANES + 2, pixels - left - 1))) if left < pixels else 0
    left = min(left, pixels - 1)
    images = torch.randn(2, 2, 3, pixels - left - right, dtype=torch.float64)
    weight = torch.randn(3, 2, 2, taps, dtype=torch.float64)
    geometry = Geometry(stride=(1, stride), padding=(1, 0, left, right), dilation=(1, dilation))
    padded = F.pad(images, (left, right, 1, 0))
    expected = F.conv2d(padded, weight, stride=(1, stride), dilation=(1, dilation))
    found = UNPACKED.forward(images.float(), weight.float(), None, geometry)
    assert found.shape[3] == vectors * LANES
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


def test_what_lies_around_an_image_is_not_seen(threads):
    for size in ((4, 8), (5, 9), (6, 11)):
        for channels in (SUMS, SUMS + 3):
            around = torch.full((2 + 9 * size[0] * size[1],), float("nan"))
            image = around[1:-1].view(1, 9, *size).copy_(torch.randn(1, 9, *size))
            found = conv2d(image, torch.ones(channels, 9, 1, 1), algorithm="unpacked")
            torch.testing.assert_close(found, image.sum(1, keepdim=True).expand(-1, channels, -1, -1))


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if layer != "no image"])
def test_nothing_but_its_own_output_is_written(layer, threads, monkeypatch):
    written = []

    def guarded(shape, dtype):
        written.append(torch.full((math.prod(shape) + 128,), 7, dtype=dtype))
        return written[-1][64:-64].view(shape)

    monkeypatch.setattr("reference.kernels.convolution.unpacked.memory.empty", guarded)
    input_shape, weight_shape, keywords = LAYERS[layer]
    conv2d(torch.zeros(input_shape), torch.zeros(weight_shape), **keywords, algorithm="unpacked")
    (memory,) = written
    assert (memory[:64] == 7).all() and (memory[-64:] == 7).all() and not memory[64:-64].any()


def test_an_image_is_its_own_line_where_a_tile_fits_into_it():
    pixels = 2 * VECTOR_BYTES // 4
    for shape, kernel, geometry, as_it_lies in (
        ((1, 3, 1, pixels), (4, 3, 1, 1), Geometry(), True),
        ((2, 3, 1, pixels - 1), (4, 3, 1, 1), Geometry(), False),
        ((1, 3, 2, pixels), (4, 3, 1, 1), Geometry(padding=(1, 1, 0, 0)), False),
        ((1, 3, 2, 2 * pixels), (4, 3, 1, 1), Geometry(stride=(1, 2)), False),
        ((1, 3, 2, 2 * pixels), (4, 3, 1, 2), Geometry(), False),
    ):
        assert (plan(geometry, shape, kernel, NONE[torch.float32].dtype).room == 0) == as_it_lies


def test_a_tensor_that_is_negated_when_it_is_read_is_negated():
    image = torch.randn(1, 2, 4, 4, dtype=torch.complex64).conj().imag
    assert image.is_neg()
    weight = torch.randn(3, 2, 3, 3)
    torch.testing.assert_close(conv2d(image, weight, algorithm="unpacked"), F.conv2d(image.resolve_neg(), weight))
    one = torch.randn(1, 1, 1, 1, dtype=torch.complex64).conj().imag  # contiguous, whatever its strides
    weight = torch.ones(1, 1, 1, 1)
    torch.testing.assert_close(conv2d(one, weight, algorithm="unpacked"), one.resolve_neg())
