"""Pooling on the CPU in one pass: planes shared among threads, sixteen windows at a time.

Every kernel reads its input once and writes its output once, which is what pooling costs when done
well: its arithmetic is hidden behind the memory. Windows of 2x2 that tile the image and of 3x3 two steps apart have
kernels of their own: a row is split into its even and its odd columns by a shuffle, rows of narrow planes lie side by
side in one vector (`strips`), and what three neighbours give serves both windows that see them
(`overlap_kernels`). Other windows are worked out along the rows first, then down the columns: KH + KW steps
instead of KH*KW. Who won is kept as the tap's number, so the gradient needs no scattered writes: each pixel asks the
windows that see it whether it won.

Cost for windows two steps apart: 4 bytes read per pixel and 5/4 bytes written in float32; backward 5/4 read and 4
written. Other windows keep two bytes per window in place of one.

Float32 and float64 on the CPU. Maxima are exact; averages add KH*KW taps in float32 or float64, with at
most as many roundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from reference.kernels import memory, parallel
from reference.kernels.operands import in_place
from reference.kernels.placed import Place
from reference.kernels.pooling.algorithm import PoolAlgorithm
from reference.kernels.pooling.direct_kernels import (
    averages_2x2,
    averages_of_planes,
    maxima_2x2,
    scatter_2x2,
    spread_over_planes,
)
from reference.kernels.pooling.geometry import PoolGeometry
from reference.kernels.pooling.overlap_kernels import averages_3x3, maxima_3x3, scatter_3x3, spread_3x3
from reference.kernels.pooling.strips import planes_beside
from reference.kernels.pooling.unfold import UNFOLD
from reference.kernels.pooling.window_kernels import (
    averages_of_windows,
    maxima_of_windows,
    scatter_to_windows,
    spread_over_windows,
)

# A gradient of so many bytes does not wait in a cache until somebody reads it. Planes of so many can, side by side,
# until they are whole and written on.
PAST_BYTES, STAGED_BYTES = 1 << 23, 1 << 17
# `parallel` counts multiply-adds of a matrix product; a pooled pixel takes the time of about so many.
OPERATIONS_PER_PIXEL = 16


@dataclass(frozen=True)
class _Plan:
    """What is worked out once per geometry and shape of a batch.

    Args:
        pooled: (N, C, OH, OW). image, output: the batch and the pooled one as planes, (N*C, H, W) and (N*C, OH, OW).
        pixels: of all images together.
        is_2x2: whether windows of 2x2 tile the image. is_plane: whether one window is all of it.
        is_3x3: whether windows of 3x3 lie two steps apart, inside the image and a padding of at most 1.
        beside: how many planes these kernels take at a time.
        numbered: whether each window has a tap in the image, and int16 a number for each tap. It is rare that not.
        window: the geometry as the kernels for any window take it.
    """

    pooled: tuple[int, int, int, int]
    image: tuple[int, int, int]
    output: tuple[int, int, int]
    pixels: int
    is_2x2: bool
    is_3x3: bool
    is_plane: bool
    beside: int
    numbered: bool
    window: tuple[int, ...]


@lru_cache(maxsize=256)
def _plan(geometry: PoolGeometry, shape: tuple[int, ...]) -> _Plan:
    planes, size = shape[0] * shape[1], tuple(shape[2:])
    (kh, kw), plain = geometry.kernel_size, geometry.padding == (0, 0) and geometry.dilation == (1, 1)
    counts = geometry.output_size(size)
    inside = all(2 * (count - 1) + kernel <= length + 2 * padding for count, kernel, length, padding in
                 zip(counts, geometry.kernel_size, size, geometry.padding))  # fmt: skip
    in_twos = geometry.stride == (2, 2) and geometry.dilation == (1, 1) and inside
    return _Plan(
        pooled=(*shape[:2], *counts),
        image=(planes, *size),
        output=(planes, *counts),
        pixels=planes * size[0] * size[1],
        is_2x2=in_twos and (kh, kw) == (2, 2) and plain,
        is_3x3=in_twos and (kh, kw) == (3, 3) and geometry.padding in ((0, 0), (1, 1)),
        is_plane=geometry.kernel_size == size and plain,
        beside=planes_beside(size[1], counts[1]),
        numbered=kh * kw < 1 << 15 and all(geometry.first_tap(axis, size[axis])[-1] < size[axis] for axis in (0, 1)),
        window=(*geometry.kernel_size, *geometry.stride, *geometry.padding, *geometry.dilation),
    )


def _run(kernel, likes, plan: _Plan, places: tuple[Place, ...], *arguments) -> None:
    """`kernel(*arrays at places, *arguments, first, end)` over the planes of images, side by side where that pays.

    Args:
        likes: arrays of the types of those at the places.
    """
    parts = parallel.parts(plan.image[0], plan.pixels * OPERATIONS_PER_PIXEL)
    parallel.run_at(kernel, parts, plan.image[0], likes, places, *arguments)


def _past(plan: _Plan, itemsize: int) -> bool:
    """Whether to write images past the caches, by way of a few planes that lie in them."""
    _, height, width = plan.image
    return plan.pixels * itemsize >= PAST_BYTES and plan.beside * height * width * itemsize <= STAGED_BYTES


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    plan, like = _plan(geometry, input.shape), memory.NONE[input.dtype]
    if not plan.numbered:
        return UNFOLD.maxima(input, geometry, winners_wanted)
    input, output = in_place(input), memory.empty(plan.pooled, input.dtype)
    in_twos = plan.is_2x2 or plan.is_3x3 and geometry.padding == (0, 0)
    places = (input.data_ptr(), *plan.image), (output.data_ptr(), *plan.output)
    if winners_wanted:
        kind = torch.uint8 if in_twos else torch.int16
        winners = memory.empty(plan.pooled, kind)
        likes, places = (like, like, memory.NONE[kind]), (*places, (winners.data_ptr(), *plan.output))
        last = ()
    else:
        winners, likes, last = None, like, (None,)
    if in_twos:
        _run(maxima_2x2 if plan.is_2x2 else maxima_3x3, likes, plan, places, *last, plan.beside)
    else:
        _run(maxima_of_windows, likes, plan, places, *last, plan.window)
    return output, winners


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    if winners.dtype == torch.int64:
        return UNFOLD.scatter(grad, winners, geometry, size)
    n, c, *_ = grad.shape
    shape = n, c, *size
    plan, like = _plan(geometry, shape), memory.NONE[grad.dtype]
    grad, winners, result = in_place(grad), in_place(winners), memory.empty(shape, grad.dtype)
    likes = like, like, memory.NONE[winners.dtype]
    places = (
        (grad.data_ptr(), *plan.output), (result.data_ptr(), *plan.image), (winners.data_ptr(), *plan.output)
    )  # fmt: skip
    if winners.dtype == torch.int16:
        _run(scatter_to_windows, likes, plan, places, plan.window)
    elif plan.is_2x2:
        _run(scatter_2x2, likes, plan, places, like.dtype.type(1), plan.beside, _past(plan, like.itemsize))
    else:
        _run(scatter_3x3, likes, plan, places, plan.beside)
    return result


@lru_cache(maxsize=256)
def _divisors(rows: torch.Tensor, columns: torch.Tensor):
    """Both divisors as arrays, and that of the first window."""
    rows, columns = rows.numpy(), columns.numpy()
    return (rows, columns), rows[0] * columns[0]


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    plan, like = _plan(geometry, input.shape), memory.NONE[input.dtype]
    input, output = in_place(input), memory.empty(plan.pooled, input.dtype)
    divisors, divisor = _divisors(row_divisors, column_divisors)
    places = (input.data_ptr(), *plan.image), (output.data_ptr(), *plan.output)
    if plan.is_2x2:
        _run(averages_2x2, like, plan, places, divisor, plan.beside)
    elif plan.is_plane:
        _run(averages_of_planes, like, plan, places, divisor)
    elif plan.is_3x3:
        _run(averages_3x3, like, plan, places, *divisors, geometry.padding[0], plan.beside)
    else:
        _run(averages_of_windows, like, plan, places, *divisors, plan.window)
    return output


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    n, c, *_ = grad.shape
    shape = n, c, *size
    plan, like = _plan(geometry, shape), memory.NONE[grad.dtype]
    grad, result = in_place(grad), memory.empty(shape, grad.dtype)
    divisors, divisor = _divisors(row_divisors, column_divisors)
    places = (grad.data_ptr(), *plan.output), (result.data_ptr(), *plan.image)
    if plan.is_2x2:
        _run(scatter_2x2, like, plan, places, None, divisor, plan.beside, _past(plan, like.itemsize))
    elif plan.is_plane:
        _run(spread_over_planes, like, plan, places, divisor)
    elif plan.is_3x3:
        _run(spread_3x3, like, plan, places, *divisors, geometry.padding[0], plan.beside)
    else:
        _run(spread_over_windows, like, plan, places, *divisors, plan.window)
    return result


def supports(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


DIRECT = PoolAlgorithm("direct", maxima, scatter, averages, spread, supports)
