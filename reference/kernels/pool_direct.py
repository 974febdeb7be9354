"""Pooling on the CPU in one pass: planes shared among threads, sixteen windows of a row at a time.

Every kernel reads its input once and writes its output once, which is what pooling costs when done
well: its arithmetic is hidden behind the memory. For windows of 2x2 that tile the image, each pair of
rows is split into its even and its odd columns by a shuffle, and who won is kept as one byte per window,
so the gradient needs no scattered writes: each pixel asks whether it won.

Cost for 2x2: 4 bytes read per pixel and 5/4 bytes written in float32; backward 5/4 read and 4 written.
Other windows: KH*KW vector loads per sixteen outputs, positions of 4 bytes.

Float32 and float64 on the CPU. Maxima are exact; averages add KH*KW taps in float32 or float64, with at
most as many roundings.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from reference.kernels.parallel import ranges, run
from reference.kernels.pool_algorithm import PoolAlgorithm
from reference.kernels.pool_direct_kernels import (
    averages_2x2,
    averages_of_planes,
    averages_of_windows,
    maxima_2x2,
    maxima_of_windows,
    scatter_2x2,
    scatter_to_positions,
    spread_2x2,
    spread_over_windows,
)
from reference.kernels.pool_geometry import PoolGeometry

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


@lru_cache
def _taps(geometry: PoolGeometry, size: tuple[int, int]) -> tuple:
    """What the kernels for any window need to know of it."""
    steps = (*geometry.stride, *geometry.padding, *geometry.dilation)
    return (*steps, *geometry.inside(0, size[0]), *geometry.inside(1, size[1]))


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    n, c, h, w = input.shape
    output = input.new_empty((n, c, *geometry.output_size((h, w))))
    if _is_2x2(geometry, (h, w)):
        winners = torch.empty(output.shape, dtype=torch.uint8) if winners_wanted else None
        places = None if winners is None else _planes(winners)
        _on_planes(maxima_2x2, n * c, h * w, _planes(input), _planes(output), places)
        return output, winners
    winners = torch.empty(output.shape, dtype=torch.int32)
    starts = geometry.first_tap(0, h), geometry.first_tap(1, w).astype(np.int32)
    arguments = (_planes(input), _planes(output), _planes(winners), *starts, *_taps(geometry, (h, w)))
    _on_planes(maxima_of_windows, n * c, h * w, *arguments)
    return output, winners


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    n, c = grad.shape[:2]
    result = grad.new_empty((n, c, *size))
    kernel = scatter_2x2 if winners.dtype == torch.uint8 else scatter_to_positions
    _on_planes(kernel, n * c, size[0] * size[1], _planes(grad), _planes(winners), _planes(result))
    return result


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    n, c, h, w = input.shape
    output = input.new_empty((n, c, *geometry.output_size((h, w))))
    divisors = row_divisors.numpy(), column_divisors.numpy()
    if _is_2x2(geometry, (h, w)):
        _on_planes(averages_2x2, n * c, h * w, _planes(input), _planes(output), *divisors)
    elif geometry.kernel_size == (h, w) and geometry.padding == (0, 0):
        _on_planes(averages_of_planes, n * c, h * w, _planes(input), _planes(output), *divisors)
    else:
        arguments = (_planes(input), _planes(output), *divisors, *_taps(geometry, (h, w)))
        _on_planes(averages_of_windows, n * c, h * w, *arguments)
    return output


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    n, c = grad.shape[:2]
    result = grad.new_empty((n, c, *size))
    divisors = row_divisors.numpy(), column_divisors.numpy()
    if _is_2x2(geometry, size):
        _on_planes(spread_2x2, n * c, size[0] * size[1], _planes(grad), _planes(result), *divisors)
    elif geometry.kernel_size == size and geometry.padding == (0, 0):
        result.copy_(grad / (row_divisors[0] * column_divisors[0]))
    else:
        arguments = (_planes(grad), _planes(result), *divisors, *_taps(geometry, size))
        _on_planes(spread_over_windows, n * c, size[0] * size[1], *arguments)
    return result


def supports(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


DIRECT = PoolAlgorithm("direct", maxima, scatter, averages, spread, supports)
