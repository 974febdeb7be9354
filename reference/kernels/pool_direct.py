"""Pooling on the CPU in one pass: planes shared among threads, sixteen windows of a row at a time.

Every kernel reads its input once and writes its output once, which is what pooling costs when done
well: its arithmetic is hidden behind the memory. For windows of 2x2 that tile the image, each pair of
rows is split into its even and its odd columns by a shuffle. Other windows are worked out along the rows
first, then down the columns: KH + KW steps instead of KH*KW. Who won is kept as the tap's number, so the
gradient needs no scattered writes: each pixel asks the windows that see it whether it won.

Cost for 2x2: 4 bytes read per pixel and 5/4 bytes written in float32; backward 5/4 read and 4 written. Other
windows keep two bytes per window in place of one.

Float32 and float64 on the CPU. Maxima are exact; averages add KH*KW taps in float32 or float64, with at
most as many roundings.
"""

from __future__ import annotations

import numpy as np
import torch

from reference.kernels import memory
from reference.kernels.parallel import ranges, run
from reference.kernels.pool_algorithm import PoolAlgorithm
from reference.kernels.pool_direct_kernels import (
    averages_2x2,
    averages_of_planes,
    maxima_2x2,
    scatter_2x2,
    spread_2x2,
    spread_over_planes,
)
from reference.kernels.pool_geometry import PoolGeometry
from reference.kernels.pool_unfold import UNFOLD
from reference.kernels.pool_window_kernels import (
    averages_of_windows,
    maxima_of_windows,
    scatter_to_windows,
    spread_over_windows,
)

# `ranges` counts multiply-adds of a matrix product; a pooled pixel takes the time of about so many.
OPERATIONS_PER_PIXEL = 16


def _is_2x2(geometry: PoolGeometry, size: tuple[int, int]) -> bool:
    tiles = geometry.kernel_size == geometry.stride == (2, 2) and geometry.dilation == (1, 1)
    whole = not geometry.ceil_mode or (size[0] % 2 == 0 and size[1] % 2 == 0)
    return tiles and geometry.padding == (0, 0) and whole


def _on_planes(kernel, planes: int, pixels: int, *arguments) -> None:
    """`kernel(first, end, *arguments)` over all planes, side by side where that pays."""
    parts = ranges(planes, planes * pixels * OPERATIONS_PER_PIXEL)
    run(lambda part, first, end: kernel(first, end, *arguments), parts)


def _planes(tensor: torch.Tensor) -> np.ndarray:
    """(N, C, H, W) as (N*C, H, W)."""
    n, c, h, w = tensor.shape
    return tensor.contiguous().numpy().reshape(n * c, h, w)


def _window(geometry: PoolGeometry) -> tuple[int, ...]:
    return (*geometry.kernel_size, *geometry.stride, *geometry.padding, *geometry.dilation)


def _taps_are_numbered(geometry: PoolGeometry, size: tuple[int, int]) -> bool:
    """Whether each window has a tap in the image, and int16 a number for each tap. It is rare that not."""
    kh, kw = geometry.kernel_size
    return kh * kw < 1 << 15 and all(geometry.first_tap(axis, size[axis])[-1] < size[axis] for axis in (0, 1))


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    n, c, h, w = input.shape
    if not _taps_are_numbered(geometry, (h, w)):
        return UNFOLD.maxima(input, geometry, winners_wanted)
    is_2x2, shape = _is_2x2(geometry, (h, w)), (n, c, *geometry.output_size((h, w)))
    output = memory.empty(shape, input.dtype)
    winners = memory.empty(shape, torch.uint8 if is_2x2 else torch.int16) if winners_wanted else None
    arrays = _planes(input), _planes(output), None if winners is None else _planes(winners)
    if is_2x2:
        _on_planes(maxima_2x2, n * c, h * w, *arrays)
    else:
        _on_planes(maxima_of_windows, n * c, h * w, *arrays, _window(geometry))
    return output, winners


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    n, c = grad.shape[:2]
    if winners.dtype == torch.int64:
        return UNFOLD.scatter(grad, winners, geometry, size)
    result = memory.empty((n, c, *size), grad.dtype)
    arrays = _planes(grad), _planes(winners), _planes(result)
    if winners.dtype == torch.uint8:
        _on_planes(scatter_2x2, n * c, size[0] * size[1], *arrays)
    else:
        _on_planes(scatter_to_windows, n * c, size[0] * size[1], *arrays, _window(geometry))
    return result


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    n, c, h, w = input.shape
    output = memory.empty((n, c, *geometry.output_size((h, w))), input.dtype)
    arguments = _planes(input), _planes(output), row_divisors.numpy(), column_divisors.numpy()
    if _is_2x2(geometry, (h, w)):
        _on_planes(averages_2x2, n * c, h * w, *arguments)
    elif geometry.kernel_size == (h, w) and geometry.padding == (0, 0):
        _on_planes(averages_of_planes, n * c, h * w, *arguments)
    else:
        _on_planes(averages_of_windows, n * c, h * w, *arguments, _window(geometry))
    return output


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    n, c = grad.shape[:2]
    result = memory.empty((n, c, *size), grad.dtype)
    arguments = _planes(grad), _planes(result), row_divisors.numpy(), column_divisors.numpy()
    if _is_2x2(geometry, size):
        _on_planes(spread_2x2, n * c, size[0] * size[1], *arguments)
    elif geometry.kernel_size == size and geometry.padding == (0, 0):
        _on_planes(spread_over_planes, n * c, size[0] * size[1], *arguments)
    else:
        _on_planes(spread_over_windows, n * c, size[0] * size[1], *arguments, _window(geometry))
    return result


def supports(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


DIRECT = PoolAlgorithm("direct", maxima, scatter, averages, spread, supports)
