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

import numpy as np
import torch

from reference.kernels import memory, parallel
from reference.kernels.operands import array
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

# `parallel` counts multiply-adds of a matrix product; a pooled pixel takes the time of about so many.
OPERATIONS_PER_PIXEL = 16


@dataclass(frozen=True)
class _Plan:
    """What is worked out once per geometry and size of an image.

    Args:
        counts: (OH, OW).
        is_2x2: whether windows of 2x2 tile the image. is_plane: whether one window is all of it.
        is_3x3: whether windows of 3x3 lie two steps apart, inside the image and a padding of at most 1.
        beside: how many planes these kernels take at a time.
        numbered: whether each window has a tap in the image, and int16 a number for each tap. It is rare that not.
        window: the geometry as the kernels for any window take it.
    """

    counts: tuple[int, int]
    is_2x2: bool
    is_3x3: bool
    is_plane: bool
    beside: int
    numbered: bool
    window: tuple[int, ...]


@lru_cache(maxsize=256)
def _plan(geometry: PoolGeometry, size: tuple[int, int]) -> _Plan:
    (kh, kw), plain = geometry.kernel_size, geometry.padding == (0, 0) and geometry.dilation == (1, 1)
    counts = geometry.output_size(size)
    inside = all(2 * (count - 1) + kernel <= length + 2 * padding for count, kernel, length, padding in
                 zip(counts, geometry.kernel_size, size, geometry.padding))  # fmt: skip
    in_twos = geometry.stride == (2, 2) and geometry.dilation == (1, 1) and inside
    return _Plan(
        counts=counts,
        is_2x2=in_twos and (kh, kw) == (2, 2) and plain,
        is_3x3=in_twos and (kh, kw) == (3, 3) and geometry.padding in ((0, 0), (1, 1)),
        is_plane=geometry.kernel_size == size and plain,
        beside=planes_beside(size[1], counts[1]),
        numbered=kh * kw < 1 << 15 and all(geometry.first_tap(axis, size[axis])[-1] < size[axis] for axis in (0, 1)),
        window=(*geometry.kernel_size, *geometry.stride, *geometry.padding, *geometry.dilation),
    )


def _run(kernel, image: np.ndarray, *arguments) -> None:
    """`kernel(*arguments, first, end)` over the planes of an image (N*C, H, W), side by side where that pays."""
    planes = image.shape[0]
    parallel.run(kernel, parallel.parts(planes, image.size * OPERATIONS_PER_PIXEL), planes, *arguments)


def _planes(numbers: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as (N*C, H, W)."""
    n, c, h, w = numbers.shape
    return numbers.reshape(n * c, h, w)


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    n, c, *size = input.shape
    plan = _plan(geometry, tuple(size))
    if not plan.numbered:
        return UNFOLD.maxima(input, geometry, winners_wanted)
    shape, winners, taps = (n, c, *plan.counts), None, None
    output, best = memory.result(shape, input.dtype)
    in_twos = plan.is_2x2 or plan.is_3x3 and geometry.padding == (0, 0)
    if winners_wanted:
        winners, taps = memory.result(shape, torch.uint8 if in_twos else torch.int16)
        taps = _planes(taps)
    image, best = _planes(array(input)), _planes(best)
    if in_twos:
        _run(maxima_2x2 if plan.is_2x2 else maxima_3x3, image, image, best, taps, plan.beside)
    else:
        _run(maxima_of_windows, image, image, best, taps, plan.window)
    return output, winners


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    if winners.dtype == torch.int64:
        return UNFOLD.scatter(grad, winners, geometry, size)
    plan = _plan(geometry, size)
    result, image = memory.result((*grad.shape[:2], *size), grad.dtype)
    numbers, taps, image = _planes(array(grad)), _planes(array(winners)), _planes(image)
    if winners.dtype == torch.int16:
        _run(scatter_to_windows, image, numbers, taps, image, plan.window)
    elif plan.is_2x2:
        _run(scatter_2x2, image, numbers, taps, image, numbers.dtype.type(1), plan.beside)
    else:
        _run(scatter_3x3, image, numbers, taps, image, plan.beside)
    return result


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    n, c, *size = input.shape
    plan = _plan(geometry, tuple(size))
    output, means = memory.result((n, c, *plan.counts), input.dtype)
    image, means = _planes(array(input)), _planes(means)
    divisors = row_divisors.numpy(), column_divisors.numpy()
    if plan.is_2x2:
        _run(averages_2x2, image, image, means, divisors[0][0] * divisors[1][0], plan.beside)
    elif plan.is_plane:
        _run(averages_of_planes, image, image, means, divisors[0][0] * divisors[1][0])
    elif plan.is_3x3:
        _run(averages_3x3, image, image, means, *divisors, geometry.padding[0], plan.beside)
    else:
        _run(averages_of_windows, image, image, means, *divisors, plan.window)
    return output


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    plan = _plan(geometry, size)
    result, image = memory.result((*grad.shape[:2], *size), grad.dtype)
    numbers, image = _planes(array(grad)), _planes(image)
    divisors = row_divisors.numpy(), column_divisors.numpy()
    if plan.is_2x2:
        _run(scatter_2x2, image, numbers, None, image, divisors[0][0] * divisors[1][0], plan.beside)
    elif plan.is_plane:
        _run(spread_over_planes, image, numbers, image, divisors[0][0] * divisors[1][0])
    elif plan.is_3x3:
        _run(spread_3x3, image, numbers, image, *divisors, geometry.padding[0], plan.beside)
    else:
        _run(spread_over_windows, image, numbers, image, *divisors, plan.window)
    return result


def supports(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


DIRECT = PoolAlgorithm("direct", maxima, scatter, averages, spread, supports)
