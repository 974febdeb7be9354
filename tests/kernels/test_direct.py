"""`direct` on shapes that exercise each of its register tiles and the ends of its lines."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d
from reference.kernels.convolution import choice, direct
from reference.kernels.arguments import pair
from reference.kernels.conv import ALGORITHMS
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.direct_channels import PIXELS, channel_plan, channels_of_a_panel
from reference.kernels.convolution.direct_lines_plan import input_lines, output_lines, product_lines
from reference.kernels.convolution.direct_products import ROWS, TAPS
from reference.kernels.convolution.direct_taps import tap_plan
from reference.kernels.convolution.direct_tile import HEIGHTS


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


def test_tiles_of_the_weights_gradient_add_up_and_exist():
    for taps in range(1, 70):
        plan = product_lines(Geometry(), (4, 4), (taps, 1, 1, taps))
        for found, count, sizes in ((plan.row_cuts, taps, ROWS), (plan.tap_cuts, taps + 1, TAPS)):
            steps = [int(end - start) for start, end in zip(found, found[1:])]
            assert sum(steps) == count and set(steps) <= set(sizes)


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


@pytest.mark.parametrize("taps", range(1, 15))
def test_every_number_of_taps_gets_its_gradient(taps):
    agree((2, 1, 3, 20), (7, 1, 1, taps), padding=(0, 3))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("algorithm", ["direct", "auto"])
def test_the_biass_gradient_comes_with_the_weights(monkeypatch, algorithm, groups):
    calls = []
    together = direct.weight_and_bias_grad
    spied = replace(direct.DIRECT, weight_and_bias_grad=lambda *given: (calls.append(1), together(*given))[1])
    monkeypatch.setitem(ALGORITHMS, "direct", spied)
    monkeypatch.setattr(choice, "fastest", lambda *shape: spied)
    tensors = [torch.randn(shape, dtype=torch.float64) for shape in ((3, 2, 7, 9), (6, 2 // groups, 3, 3), (6,))]
    tensors[1].requires_grad_(), tensors[2].requires_grad_()
    output = conv2d(*tensors, padding=1, groups=groups, algorithm=algorithm)
    upstream = torch.randn_like(output)
    _, found = torch.autograd.grad(output, tensors[1:], upstream)
    assert calls == [1]
    torch.testing.assert_close(found, upstream.sum((0, 2, 3)), rtol=1e-12, atol=1e-12)


# Every tile, rows that it divides and others, wide strips; rows of whole vectors are not for channels as lanes.
LANES_ARE_CHANNELS = [width for width in (*range(PIXELS[-1], 35), 140) if 2 * width % channels_of_a_panel(8)]


@pytest.mark.parametrize("width", LANES_ARE_CHANNELS)
def test_tiles_of_pixels_cover_rows_of_every_width(width):
    out_channels = channels_of_a_panel(8)
    shapes = (2, 2, 9, width), (out_channels, 2, 5, 5)
    assert channel_plan(Geometry(padding=(2, 2, 2, 2)), shapes[0][2:], shapes[1], 8) is not None
    agree(*shapes, padding=2)


@pytest.mark.parametrize(
    "size, kernel, keywords",
    [
        ((12, 15), (5, 5), {}),  # no zeros around the image, which is read where it lies
        ((12, 15), (4, 7), {"padding": (0, 3)}),
        ((12, 15), (4, 7), {"padding": (3, 0)}),
        ((23, 15), (5, 5), {"stride": (2, 1), "padding": 1}),
        ((23, 25), (5, 5), {"dilation": (3, 2), "padding": 4}),
        ((33, 13), (5, 5), {"padding": 2}),  # several strips of rows
    ],
)
def test_channels_as_lanes_see_what_the_geometry_says(size, kernel, keywords):
    agree((2, 2, *size), (2 * channels_of_a_panel(8), 2, *kernel), **keywords)
    agree((3, 3, *size), (channels_of_a_panel(4), 3, *kernel), torch.float64, **keywords)


def test_images_are_split_into_strips_among_threads(monkeypatch):
    monkeypatch.setattr("reference.kernels.parallel.OPERATIONS_PER_THREAD", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for images in (1, 2, 5):
            agree((images, 2, 40, 17), (16, 2, 5, 5), padding=2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("channels", range(1, 8))
@pytest.mark.parametrize(
    "keywords", [{"padding": 1}, {"padding": 0}, {"padding": (3, 4)}, {"padding": 2, "dilation": (2, 3)}]
)
def test_few_channels_gather_their_gradient_from_products_of_taps(channels, keywords):
    geometry = conv_geometry(**keywords)
    shapes = (2, channels, 19, 23), (9, channels, 3, 3)
    assert tap_plan(geometry, geometry.output_size((19, 23), (3, 3)), shapes[1], 8) is not None
    agree(*shapes, **keywords)


def test_strips_of_the_gradients_rows_add_up_where_they_meet():
    for height in range(16, 50, 3):
        agree((1, 3, height, 31), (8, 3, 5, 5), padding=1)
    assert tap_plan(Geometry(padding=(1, 1, 1, 1)), (40, 29), (8, 3, 5, 5), 8).strips > 5


def test_nan_in_the_gradient_reaches_the_pixels_that_its_window_saw_and_no_other():
    weight, upstream = torch.rand(8, 2, 3, 3) + 0.5, torch.rand(2, 8, 6, 20)
    upstream[0, 3, 2, 19] = float("nan")  # at the end of a row, beside the start of the next
    found = direct.input_grad(upstream, weight, Geometry(padding=(1, 1, 1, 1)), (6, 20))
    seen = torch.zeros(2, 2, 6, 20, dtype=torch.bool)
    seen[0, :, 1:4, 18:] = True
    assert torch.equal(found.isnan(), seen)


def conv_geometry(padding=0, dilation=1) -> Geometry:
    (top, left), dilation = pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    return Geometry(padding=(top, top, left, left), dilation=dilation)
