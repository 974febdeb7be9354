"""Pooling on windows as a view: one vector operation per tap, in plain torch on any device.

A strided view shows every window of the padded image without copying it. Walking over the KH*KW taps,
not over the N*C*OH*OW windows, leaves a short loop in Python whose body torch runs on all windows at once.

Cost: KH*KW passes over N*C*OH*OW numbers, each reading and writing memory, so it is bound by memory
bandwidth; the gradient adds one scattered pass. Sums of half types are kept in float32.
"""

from __future__ import annotations

from itertools import product

import torch

from reference.kernels.pooling.algorithm import PoolAlgorithm
from reference.kernels.pooling.geometry import PoolGeometry

HALVES = (torch.float16, torch.bfloat16)


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    h, w = input.shape[2:]
    counts = geometry.output_size((h, w))
    lowest = -float("inf") if input.is_floating_point() else torch.iinfo(input.dtype).min
    windows = geometry.windows(geometry.padded(input, lowest), counts)  # (N, C, OH, OW, KH, KW)
    best = torch.full(windows.shape[:4], lowest, dtype=input.dtype, device=input.device)
    rows, columns = (torch.from_numpy(geometry.first_tap(axis, (h, w)[axis])).to(input.device) for axis in (0, 1))
    winners = (rows[:, None] * w + columns).expand(best.shape)  # (N, C, OH, OW)
    row_start, column_start = _starts(geometry, counts, input.device)
    for i, j in product(*map(range, geometry.kernel_size)):
        value = windows[..., i, j]
        # The padding holds the lowest number, which is greater than nothing and so never wins.
        wins = (value > best) | (value != value)
        best = torch.where(wins, value, best)
        if winners_wanted:
            places = (row_start[:, None] + i * geometry.dilation[0]) * w + column_start + j * geometry.dilation[1]
            winners = torch.where(wins, places, winners)
    return best, winners if winners_wanted else None


def _starts(geometry: PoolGeometry, counts: tuple[int, int], device):
    """Row (OH,) and column (OW,) of every window's first tap; negative in the padding."""
    return tuple(
        torch.arange(count, device=device) * stride - padding
        for count, stride, padding in zip(counts, geometry.stride, geometry.padding)
    )


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    n, c = grad.shape[:2]
    pixels = size[0] * size[1]
    # A window without any tap in the image points beyond its plane: one spare place takes what it sends.
    places = winners.flatten(2).clamp(max=pixels)
    result = grad.new_zeros(n, c, pixels + 1).scatter_add_(2, places, grad.flatten(2))
    return result[:, :, :pixels].reshape(n, c, *size)


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    windows = geometry.windows(geometry.padded(input, 0), geometry.output_size(tuple(input.shape[2:])))
    exact = torch.float32 if input.dtype in HALVES else input.dtype
    total = windows.sum((-2, -1), dtype=exact)  # (N, C, OH, OW)
    divisor = row_divisors[:, None] * column_divisors
    # Integers are divided towards zero, as torch does it.
    rounding = None if input.is_floating_point() else "trunc"
    return torch.div(total, divisor, rounding_mode=rounding).to(input.dtype)


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    n, c = grad.shape[:2]
    exact = torch.float32 if grad.dtype in HALVES else grad.dtype
    share = grad.to(exact) / (row_divisors[:, None] * column_divisors)  # (N, C, OH, OW)
    blank = torch.zeros((), dtype=exact, device=grad.device).expand(n, c, *size)
    padded = geometry.padded(blank, 0).clone(memory_format=torch.contiguous_format)
    windows = geometry.windows(padded, tuple(grad.shape[2:]))  # a view of `padded`
    # Windows overlap, so their shares are added one tap at a time: within a tap no pixel occurs twice.
    for i, j in product(*map(range, geometry.kernel_size)):
        windows[..., i, j] += share
    top, left = geometry.padding
    return padded[:, :, top : top + size[0], left : left + size[1]].to(grad.dtype)


def supports(tensor: torch.Tensor) -> bool:
    return True


UNFOLD = PoolAlgorithm("unfold", maxima, scatter, averages, spread, supports)
