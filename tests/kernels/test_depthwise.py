"""`depthwise`: rows in registers, for every width of an image and every padding."""

import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d
from reference.kernels.convolution.depthwise_kernels import rows_together
from reference.kernels.vectors import VECTOR_BYTES


def agree(shape, padding, dtype=torch.float64, **keywords):
    generator = torch.Generator().manual_seed(0)
    shapes, channels = (shape, (shape[1], 1, 3, 3), (shape[1],)), shape[1]
    tensors = [torch.randn(s, generator=generator, dtype=dtype).requires_grad_() for s in shapes]
    keywords = {"padding": padding, "groups": channels, **keywords}
    found, expected = conv2d(*tensors, **keywords, algorithm="depthwise"), F.conv2d(*tensors, **keywords)
    upstream = torch.randn(expected.shape, generator=generator, dtype=dtype)
    bound = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(
        [found, *torch.autograd.grad(found, tensors, upstream)],
        [expected, *torch.autograd.grad(expected, tensors, upstream)], rtol=bound, atol=10 * bound,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33])
def test_rows_of_every_width_agree_with_torch(width, dtype):
    agree((2, 3, 5, width), 1, dtype)


@pytest.mark.parametrize("height", [1, 2, 3, 4])
def test_images_lower_than_the_kernel_agree_with_torch(height):
    agree((2, 3, height, 6), 1)


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 5, (0, 4), (4, 0)], ids=str)
def test_every_padding_agrees_with_torch(padding):
    agree((2, 3, 6, 7), padding)


@pytest.mark.parametrize("images", [1, 5])
def test_channels_and_images_are_split_among_threads(monkeypatch, images):
    monkeypatch.setattr("reference.kernels.parallel.OPERATIONS_PER_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        agree((images, 7, 6, 9), 1)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_in_its_own_windows(value):
    image, weight = torch.ones(1, 2, 6, 20), torch.ones(2, 1, 3, 3)
    image[0, 0, 5, 19] = value
    found = conv2d(image, weight, padding=1, groups=2, algorithm="depthwise")
    torch.testing.assert_close(found, F.conv2d(image, weight, padding=1, groups=2), equal_nan=True)


@pytest.mark.parametrize(
    "weight, keywords",
    [
        ((4, 1, 3, 3), {"groups": 2}),  # two kernels per channel
        ((2, 1, 3, 3), {"groups": 2, "stride": 2}),
        ((2, 1, 3, 3), {"groups": 2, "dilation": 2}),
        ((2, 1, 5, 5), {"groups": 2}),
        ((2, 2, 3, 3), {}),
    ],
)
def test_other_convolutions_are_refused(weight, keywords):
    with pytest.raises(ValueError, match="'depthwise' is not made for"):
        conv2d(torch.ones(1, 2, 8, 8), torch.ones(weight), **keywords, algorithm="depthwise")


def test_narrow_rows_are_taken_in_twos_where_those_of_the_image_lie_alike():
    half = VECTOR_BYTES // 4 // 2
    assert rows_together(half, half, 4) == 2
    assert rows_together(half + 1, half + 1, 4) == 1
    assert rows_together(half, half + 1, 4) == 1


@pytest.mark.parametrize("height", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("padding", [(0, 1), (1, 1), (2, 1), (5, 1)], ids=str)
def test_rows_in_twos_agree_with_torch_at_every_border(height, padding):
    if height + 2 * padding[0] >= 3:
        agree((2, 3, height, 3), padding, torch.float32)
