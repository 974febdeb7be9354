"""`gemm`: its register tiles, compiled and in plain numpy, its packed products, its lanes and blocks."""

import numba
import numpy as np
import pytest
import torch

from reference.kernels import conv2d, parallel
from reference.kernels.convolution import gemm, gemm_images_plan, gemm_tile
from reference.kernels.convolution.geometry import Geometry
from tests.kernels.test_conv_isolation import run

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)


def packed_rows(matrix):
    cuts = gemm_tile.row_cuts(matrix.shape[0])
    return np.concatenate([matrix[first:end].T.reshape(-1) for first, end in zip(cuts, cuts[1:])])


def packed_columns(matrix):
    width = gemm_tile.columns(matrix.itemsize)
    return np.concatenate([matrix[:, x : x + width].reshape(-1) for x in range(0, matrix.shape[1], width)])


def draw(rows, terms, columns, dtype):
    generator = np.random.default_rng(rows + terms)
    return (generator.standard_normal(shape).astype(dtype) for shape in ((rows, terms), (terms, columns)))


@pytest.mark.parametrize("rows", range(1, 40))
def test_rows_are_cut_into_heights_that_exist(rows):
    cuts = gemm_tile.row_cuts(rows)
    assert cuts[0] == 0 and cuts[-1] == rows
    assert set(np.diff(cuts)) <= set(gemm_tile.HEIGHTS)


@DTYPES
@pytest.mark.parametrize("add", [False, True], ids=["from start", "added"])
@pytest.mark.parametrize("rows", gemm_tile.HEIGHTS)
@pytest.mark.parametrize("make", [gemm_tile._compiled_tile, gemm_tile._plain_tile], ids=["compiled", "plain"])
def test_a_tile_writes_its_two_pieces_of_each_row_and_nothing_else(make, rows, add, dtype):
    tile = make(rows)
    if make is gemm_tile._compiled_tile:
        tile = called_from_compiled_code(tile)
    half = gemm_tile.columns(np.dtype(dtype).itemsize) // 2
    left, right = draw(rows, 7, 2 * half, dtype)
    start = np.arange(1, rows + 2, dtype=dtype)
    c = np.full((rows, 4 * half), 5, dtype)
    expected = c.copy()
    before = 5 if add else start[1:, None]
    product = before + left.astype(np.float64) @ right.astype(np.float64)
    expected[:, 1 : 1 + half], expected[:, 2 + half : 2 + 2 * half] = product[:, :half], product[:, half:]
    a, b = left.T.reshape(-1), right.reshape(-1)
    runs = np.array([[9, 9, 9], [4, 4, 3], [0, 0, 4], [9, 9, 9]])  # the two in the middle are all seven terms
    tile(c.reshape(-1), 1, half + 1, 4 * half, a, 0, b, 0, runs, 1, 2, start, 1, add)
    np.testing.assert_allclose(c, expected, rtol=0, atol=40 * np.finfo(dtype).eps)
    assert (c[:, 1 + half] == 5).all() and (c[:, 0] == 5).all() and (c[:, 2 + 2 * half :] == 5).all()


def called_from_compiled_code(tile):
    if numba.config.DISABLE_JIT:
        pytest.skip("intrinsics exist only in compiled code")

    @numba.njit
    def call(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add):
        tile(c, c_at, c_gap, c_step, a, a_at, b, b_at, runs, first, count, start, start_at, add)

    return call


@DTYPES
@pytest.mark.parametrize("rows, terms, panels", [(67, 33, 3), (16, 300, 1), (3, 1, 2), (5, 0, 1)])
def test_product_of_packed_panels_agrees_with_a_matrix_product(rows, terms, panels, dtype):
    columns = panels * gemm_tile.columns(np.dtype(dtype).itemsize)
    left, right = draw(rows, terms, columns, dtype)
    a, b = np.append(dtype(9), packed_rows(left)), np.append([dtype(9)] * 2, packed_columns(right))
    c = np.full((rows, columns + 3), 2, dtype)
    cuts = gemm_tile.row_cuts(rows)
    expected = left.astype(np.float64) @ right.astype(np.float64)
    for add, before in ((True, 2), (False, 0)):
        c[:] = 2
        gemm_tile.panel_product_compiled(c.reshape(-1), 1, columns + 3, a, 1, cuts, b, 2, panels, terms, add)
        bound = 2 * (terms + 2) * np.finfo(dtype).eps
        np.testing.assert_allclose(c[:, 1:-2], before + expected, rtol=0, atol=bound)
        assert (c[:, 0] == 2).all() and (c[:, -2:] == 2).all()


@DTYPES
def test_a_number_that_is_not_finite_reaches_its_row_or_column_only(dtype):
    columns = gemm_tile.columns(np.dtype(dtype).itemsize)
    left, right = draw(14, 5, columns, dtype)
    left[3, 2], right[4, 1] = np.nan, np.inf
    c = np.empty((14, columns), dtype)
    cuts = gemm_tile.row_cuts(14)
    gemm_tile.panel_product_compiled(
        c.reshape(-1), 0, columns, packed_rows(left), 0, cuts, packed_columns(right), 0, 1, 5, False
    )
    expected = np.isnan(left).any(1)[:, None] | np.isinf(right).any(0)
    np.testing.assert_array_equal(~np.isfinite(c), expected)


BATCHES = {
    "a full batch of images": (40, 6, 9, 8),
    "one image, shared by channels": (1, 6, 9, 8),
    "fewer images than threads": (2, 6, 20, 21),
}
LAYERS = {
    "stride": ((37, 6, 3, 3), {"stride": 2, "padding": 1}),
    "stride without a tap for every pixel": ((20, 6, 1, 2), {"stride": (2, 3)}),
    "dilation": ((9, 6, 3, 2), {"dilation": (2, 3), "padding": 2}),
    "groups": ((10, 3, 5, 5), {"groups": 2, "padding": 2}),
}


@pytest.mark.parametrize("images", [False, True], ids=["lanes are pixels", "lanes are images"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("layer", LAYERS)
def test_either_kind_of_lanes_and_any_split_give_the_convolution(monkeypatch, layer, batch, threads, images):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    monkeypatch.setattr(gemm, "lanes_are_images", lambda *_: images)
    generator = torch.Generator().manual_seed(0)
    weight_shape, keywords = LAYERS[layer]
    input, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in (BATCHES[batch], weight_shape, weight_shape[:1])
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = conv2d(input, weight, bias, **keywords, algorithm="gemm")
        expected = torch.nn.functional.conv2d(input, weight, bias, **keywords)
        upstream = torch.randn_like(expected)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            torch.autograd.grad(found, (input, weight), upstream),
            torch.autograd.grad(expected, (input, weight), upstream), rtol=1e-12, atol=1e-11,
        )  # fmt: skip
    finally:
        torch.set_num_threads(before)


def test_sums_longer_than_a_block_are_added_up(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(32, 90, 5, 5, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn(30, 90, 3, 3, generator=generator, dtype=torch.float64).requires_grad_()
    expected = torch.nn.functional.conv2d(input, weight, padding=1)
    gradients = torch.autograd.grad(expected.square().sum(), (input, weight))
    for images in (False, True):
        monkeypatch.setattr(gemm, "lanes_are_images", lambda *_, images=images: images)
        found = conv2d(input, weight, padding=1, algorithm="gemm")
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)
        torch.testing.assert_close(torch.autograd.grad(found.square().sum(), (input, weight)), gradients)


def test_products_on_padding_are_left_out_where_lanes_are_images():
    geometry = Geometry(padding=(2, 2, 2, 2))
    plan = gemm_images_plan.forward_plan(geometry, (4, 4), (8, 3, 5, 5), 32, 1, 4)
    taps = plan.col_items[:, 2].sum() * plan.row_items.shape[0]
    seen = torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 5, 5), padding=2).sum()
    assert taps == seen  # and not 4 * 4 * 25


PLAIN = """
import torch
from reference.kernels import conv2d
from reference.kernels.convolution import gemm
for images in (False, True):
    gemm.lanes_are_images = lambda *_: images
    for stride in (1, 2):
        x = torch.randn(3, 3, 5, 6, dtype=torch.float64, requires_grad=True)
        w = torch.randn(7, 3, 3, 2, dtype=torch.float64, requires_grad=True)
        found, expected = (
            f(x, w, stride=stride, padding=1)
            for f in (lambda *a, **k: conv2d(*a, **k, algorithm="gemm"), torch.nn.functional.conv2d)
        )
        torch.testing.assert_close(found, expected)
        upstream = torch.randn_like(expected)
        torch.testing.assert_close(
            torch.autograd.grad(found, (x, w), upstream), torch.autograd.grad(expected, (x, w), upstream)
        )
print("agrees")
"""


def test_small_sizes_agree_without_the_compiler():
    assert run(PLAIN, NUMBA_DISABLE_JIT="1") == "agrees"


@pytest.mark.slow
@pytest.mark.parametrize("features", ["+avx,+avx2,+fma", "+sse2", ""])
def test_narrower_registers_agree(features, tmp_path):
    environment = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    assert run(PLAIN, **environment) == "agrees"
