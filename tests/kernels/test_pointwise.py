"""`pointwise`: units of pixels wherever they lie, packed and spread by any stride, for every size of an image."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d, parallel
from reference.kernels.convolution import pointwise, pointwise_plan
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.vectors import VECTOR_BYTES
from tests.kernels.test_conv_isolation import run


def agree(shape, out_channels, stride, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    shapes = (shape, (out_channels, shape[1], 1, 1), (out_channels,))
    tensors = [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]
    found, expected = conv2d(*tensors, stride, algorithm="pointwise"), F.conv2d(*tensors, stride)
    upstream = torch.randn(expected.shape, generator=generator, dtype=dtype)
    bound = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(
        [found, *torch.autograd.grad(found, tensors, upstream)],
        [expected, *torch.autograd.grad(expected, tensors, upstream)], rtol=bound, atol=100 * bound,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("stride", [1, 2, 3, (2, 1), (1, 2)], ids=str)
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 7), (3, 5), (4, 4), (8, 8), (7, 7), (15, 15), (16, 16), (9, 40), (32, 32)], ids=str
)
def test_images_of_every_size_agree_with_torch(size, stride, dtype):
    agree((3, 5, *size), 18, stride, dtype)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("out_channels", [1, 2, 14, 37])
@pytest.mark.parametrize("channels", [1, 31, 33])
def test_every_number_of_channels_agrees_with_torch(channels, out_channels, stride):
    agree((2, channels, 6, 6), out_channels, stride)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("images", [1, 2, 5, 9])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_of_images_and_chunks_of_channels_are_split_among_threads(monkeypatch, threads, images, stride):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    monkeypatch.setattr(pointwise_plan, "BLOCK_BYTES", 2 * 20 * 25 * 8)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        agree((images, 20, 5, 5), 50, stride)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rest", [0, 1, 2, 3])
@pytest.mark.parametrize("vectors", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3, 4, 9])
def test_pixels_after_the_last_vector_agree_with_torch(channels, vectors, rest):
    agree((3, channels, 1, vectors * (VECTOR_BYTES // 4) + rest), 18, 1, torch.float32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("stride", [1, 2])
def test_what_is_not_finite_stays_in_its_own_pixel(stride, value):
    image, weight = torch.ones(3, 2, 7, 7), torch.ones(20, 2, 1, 1)
    image[1, 1, 6, 6] = value
    found = conv2d(image, weight, stride=stride, algorithm="pointwise")
    torch.testing.assert_close(found, F.conv2d(image, weight, stride=stride), equal_nan=True)
    size = (6 * stride + 1,) * 2
    found = pointwise.input_grad(image, weight[:2], Geometry((stride, stride)), size)
    expected = torch.zeros(3, 2, *size)
    expected[:, :, ::stride, ::stride] = F.conv2d(image, weight[:2].transpose(0, 1))
    torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1), (3, 2)], ids=str)
@pytest.mark.parametrize("size", [(3, 3), (7, 9), (16, 16)], ids=str)
def test_units_hold_every_used_pixel_and_vectors_every_pixel(size, stride):
    seen, lanes = pointwise_plan.pixels(size, stride, 4), VECTOR_BYTES // 4
    numbers = np.arange(size[0] * size[1]).reshape(size)
    wanted = numbers[:: stride[0], :: stride[1]].reshape(-1)
    for unit, first, end in zip(seen.units, seen.firsts, seen.firsts[1:]):
        found = [place + x * stride[1] for _, place, count in seen.pieces[first:end] for x in range(count)]
        assert found == list(wanted[unit : unit + lanes])
    assert set(np.concatenate([wanted[unit : unit + lanes] for unit in seen.units])) == set(wanted)
    vectors = zip(seen.starts, seen.spread[:, 1])
    used = {start + lane for start, bits in vectors for lane in range(lanes) if bits >> lane & 1}
    assert used == set(wanted) and seen.starts[-1] + lanes >= numbers.size


@pytest.mark.parametrize("images", [1, 2, 3])
@pytest.mark.parametrize("size", [(4, 4), (7, 9), (16, 17)], ids=str)
def test_tiles_hold_every_unit_of_a_block_once(size, images):
    seen = pointwise_plan.pixels(size, (1, 2), 4)
    tiles = pointwise_plan.places(seen.units, seen.firsts, images)
    left, right = tiles[:, :2], tiles[:, :2] + tiles[:, 2:4]
    wanted = [(n, unit) for n in range(images) for unit in seen.units]
    found = np.stack([left, right], 1).reshape(-1, 2)[: len(wanted)]
    assert [tuple(place) for place in found] == wanted
    pieces = tiles[:, [4, 5, 5, 6]].reshape(-1, 2)  # of the left ones and the right ones
    counts = np.tile(np.diff(seen.firsts), images)
    assert list(np.diff(pieces)[: len(wanted), 0]) == list(counts) and pieces[-1, 1] == counts.sum()


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("images", [0, 1, 5, 64, 500])
def test_blocks_leave_no_thread_more_images_than_it_must_have(images, threads):
    some = pointwise_plan.block(images, pointwise_plan.BLOCK_BYTES // 5, threads)
    blocks = -(-images // some)
    assert 1 <= some <= 5 and -(-blocks // threads) * some <= -(-images // threads)


@pytest.mark.parametrize(
    "weight, keywords",
    [((4, 2, 1, 1), {"padding": 1}), ((2, 1, 1, 1), {"groups": 2}), ((2, 2, 1, 2), {}), ((2, 2, 3, 3), {})],
)
def test_other_convolutions_are_refused(weight, keywords):
    with pytest.raises(ValueError, match="'pointwise' is not made for"):
        conv2d(torch.ones(1, 2, 8, 8), torch.ones(weight), **keywords, algorithm="pointwise")


PLAIN = """
import torch
from tests.kernels.test_pointwise import agree
for size in (3, 5, 8):
    for stride in (1, 2, 3):
        agree((3, 3, size, size + 1), 17, stride)
print("agrees")
"""


def test_small_sizes_agree_without_the_compiler():
    assert run(PLAIN, NUMBA_DISABLE_JIT="1") == "agrees"
