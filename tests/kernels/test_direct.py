"""`direct` on shapes that exercise each of its register tiles and the ends of its lines."""

import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d
from reference.kernels.conv_geometry import Geometry
from reference.kernels.direct_lines import HEIGHTS
from reference.kernels.direct_lines_plan import input_lines, output_lines


def agree(input_shape, weight_shape, dtype=torch.float64, **keywords):
    generator = torch.Generator().manual_seed(0)
    shapes = (input_shape, weight_shape, weight_shape[:1])
    tensors = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]
    found, expected = conv2d(*tensors, **keywords, algorithm="direct"), F.conv2d(*tensors, **keywords)
    upstream = torch.randn(expected.shape, generator=generator, dtype=dtype)
    torch.testing.assert_close(
        [found, *torch.autograd.grad(found, tensors, upstream)],
        [expected, *torch.autograd.grad(expected, tensors, upstream)], rtol=1e-11, atol=1e-11,
    )  # fmt: skip


@pytest.mark.parametrize("out_channels", range(1, 16))
def test_every_number_of_output_channels_is_covered_by_tiles(out_channels):
    agree((2, 2, 5, 6), (out_channels, 2, 3, 3), padding=1)


@pytest.mark.parametrize("channels", range(1, 8))
def test_every_number_of_input_channels_gets_its_gradient(channels):
    agree((2, channels, 5, 6), (3, channels, 2, 2))


@pytest.mark.parametrize("pixels", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33])
def test_lines_end_anywhere_in_a_vector(pixels):
    agree((2, 2, 1, pixels), (4, 2, 1, 3), padding=(0, 1))
    agree((2, 2, pixels, 1), (4, 2, 3, 1), padding=(1, 0))


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_lines_of_a_strided_and_dilated_kernel_hold_what_it_sees(stride, dilation):
    agree((2, 3, 14, 17), (5, 3, 3, 2), stride=stride, dilation=dilation, padding=2)


def test_one_image_is_split_by_its_output_channels(monkeypatch):
    monkeypatch.setattr("reference.kernels.parallel.OPERATIONS_PER_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        agree((1, 3, 9, 9), (25, 3, 3, 3), padding=1)
        agree((1, 4, 9, 9), (26, 2, 3, 3), padding=1, groups=2)
    finally:
        torch.set_num_threads(before)


def test_panels_of_output_channels_add_up_and_have_tiles():
    for channels in range(1, 70):
        heights = output_lines(Geometry(), (4, 4), (channels, 1, 2, 2)).cuts
        steps = [int(end - start) for start, end in zip(heights, heights[1:])]
        assert sum(steps) == channels and set(steps) <= set(HEIGHTS)


def test_every_weight_is_read_once_in_each_product():
    geometry, kernel = Geometry(padding=(1, 1, 1, 1), groups=2), (10, 3, 2, 3)
    for lines in (output_lines(geometry, (6, 7), kernel), input_lines(geometry, (6, 7), kernel)):
        assert sorted(lines.weights.tolist()) == list(range(10 * 3 * 2 * 3))


def test_nan_beside_the_last_window_stays_out_of_the_weights_gradient():
    image = torch.ones(1, 1, 6, 20)
    image[0, 0, :, 18:] = float("nan")  # a stride of 3 and a kernel of 3 see the columns 0 to 17
    weight = torch.ones(2, 1, 3, 3, requires_grad=True)
    conv2d(image, weight, stride=3, algorithm="direct").sum().backward()
    assert (weight.grad == 12).all()
