"""`depthwise` over small images: vectors that run from channel to channel, for every size that they are made for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d
from reference.kernels.convolution import depthwise
from reference.kernels.convolution.depthwise_runs import FIRST, IMAGES, NEXT, run
from reference.kernels.vectors import VECTOR_BYTES
from tests.kernels import test_conv_isolation
from tests.kernels.test_depthwise import agree

HALF = VECTOR_BYTES // 4 // 2  # of a vector's numbers in float32


@pytest.fixture(autouse=True)
def count_runs(monkeypatch):
    """Lets a test see that its images went this way: nothing but the speed tells the two apart."""
    taken = []
    inner = depthwise._in_runs
    monkeypatch.setattr(depthwise, "_in_runs", lambda *call: taken.append(inner(*call)) or taken[-1])
    return taken


@pytest.mark.parametrize("width", range(1, HALF))
@pytest.mark.parametrize("channels", [2, 5, 16])
def test_narrow_images_of_every_width_agree_with_torch(count_runs, width, channels):
    height = -(-2 * HALF // width)
    for more in (0, 1, 5):
        agree((3, channels, height + more, width), 1, torch.float32)
    assert all(count_runs)


@pytest.mark.parametrize("images", [1, 2, IMAGES, 2 * IMAGES + 3])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_images_and_vectors_are_split_among_threads(monkeypatch, count_runs, threads, images):
    monkeypatch.setattr("reference.kernels.parallel.OPERATIONS_PER_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        agree((images, 6, 2 * HALF, max(1, HALF - 1)), 1, torch.float32)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("pixel", [(0, 0), (6, 2), (15, 0), (15, 2)])
def test_what_is_not_finite_stays_in_its_own_channel_and_windows(value, pixel):
    image, weight = torch.ones(2, 4, 16, 3), torch.ones(4, 1, 3, 3)
    image[0, 2, pixel[0], pixel[1]] = value
    leaves = image.requires_grad_(), weight.requires_grad_()
    found = conv2d(*leaves, padding=1, groups=4, algorithm="depthwise")
    expected = F.conv2d(*leaves, padding=1, groups=4)
    upstream = torch.ones_like(found)
    torch.testing.assert_close(
        [found, *torch.autograd.grad(found, leaves, upstream)],
        [expected, *torch.autograd.grad(expected, leaves, upstream)], equal_nan=True,
    )  # fmt: skip


@pytest.mark.parametrize("channels, size", [(1, (7, 7)), (64, (7, 7)), (5, (9, 4)), (2, (16, 1))], ids=str)
def test_a_runs_taps_are_the_windows_of_every_pixel(channels, size):
    lanes, (height, width) = VECTOR_BYTES // 4, size
    seen = np.zeros((channels, height, width, 9), int)
    for vector in run(channels, size, 4):
        for lane in range(lanes):
            place = vector[FIRST] + lane
            if place < channels * height * width:
                channel, pixel = divmod(place, height * width)
                assert channel == vector[1] + (vector[NEXT] >> lane & 1)
                seen[channel, *divmod(pixel, width)] += vector[NEXT + 1 :] >> lane & 1
            else:
                assert not (vector[NEXT + 1 :] >> lane & 1).any()
    inside = np.pad(np.ones((height, width), int), 1)
    windows = np.lib.stride_tricks.sliding_window_view(inside, (3, 3)).reshape(height, width, 9)
    assert (seen == windows).all()


PLAIN = """
import torch
from tests.kernels.test_depthwise import agree
for shape in ((3, 2, 8, 3), (18, 3, 16, 1), (2, 3, 7, 7)):
    agree(shape, 1, torch.float32)
print("agrees")
"""


def test_small_sizes_agree_without_the_compiler():
    assert test_conv_isolation.run(PLAIN, NUMBA_DISABLE_JIT="1") == "agrees"
