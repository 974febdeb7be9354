"""Pooling as it is defined: four nested loops over windows, two more over a window's taps.

    max:      output[n, c, y, x] = max over (i, j) of   input[n, c, y*sh - ph + i*dh, x*sw - pw + j*dw]
    average:  output[n, c, y, x] = sum over (i, j) of   input[n, c, y*sh - ph + i,    x*sw - pw + j] / divisor

where only taps inside the image count. Cost: N*C*OH*OW*KH*KW comparisons or additions, in plain Python,
about a microsecond each. This is the text to read first and the measure for everything faster; it works
on the CPU, in the tensors' own dtype.

Reference: hw3, deliverable 1; LeCun et al., "Gradient-based learning applied to document recognition", 1998.
"""

from __future__ import annotations

from itertools import product

import torch

from reference.kernels.pooling.algorithm import PoolAlgorithm
from reference.kernels.pooling.geometry import PoolGeometry


def taps(geometry: PoolGeometry, size: tuple[int, int], y: int, x: int):
    """The pixels (row, column) that window (y, x) sees, in reading order."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = geometry.kernel_size, geometry.stride, geometry.padding, geometry.dilation
    for i, j in product(range(kh), range(kw)):
        row, column = y * sh - ph + i * dh, x * sw - pw + j * dw
        if 0 <= row < size[0] and 0 <= column < size[1]:
            yield row, column


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    n, c, h, w = input.shape
    oh, ow = geometry.output_size((h, w))
    output = input.new_empty(n, c, oh, ow)
    winners = torch.empty(n, c, oh, ow, dtype=torch.int64)
    pixels, best_of, winner_of = input.numpy(), output.numpy(), winners.numpy()
    lowest = -float("inf") if input.is_floating_point() else torch.iinfo(input.dtype).min
    first_row, first_column = geometry.first_tap(0, h), geometry.first_tap(1, w)
    for image, channel, y, x in product(range(n), range(c), range(oh), range(ow)):
        # Starting below every number and moving only for something greater keeps the first of equal maxima.
        best, winner = lowest, first_row[y] * w + first_column[x]
        for row, column in taps(geometry, (h, w), y, x):
            value = pixels[image, channel, row, column]
            # NaN is the one number that differs from itself; once it is the best, nothing is greater.
            if value > best or value != value:
                best, winner = value, row * w + column
        best_of[image, channel, y, x] = best
        winner_of[image, channel, y, x] = winner
    return output, winners


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    n, c, oh, ow = grad.shape
    result = grad.new_zeros(n, c, size[0] * size[1])
    total, upstream, winner_of = result.numpy(), grad.numpy(), winners.numpy()
    for image, channel, y, x in product(range(n), range(c), range(oh), range(ow)):
        winner = winner_of[image, channel, y, x]
        if winner < size[0] * size[1]:  # beyond the plane: a window without any tap in the image
            total[image, channel, winner] += upstream[image, channel, y, x]
    return result.view(n, c, *size)


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    n, c, h, w = input.shape
    oh, ow = geometry.output_size((h, w))
    output = input.new_empty(n, c, oh, ow)
    pixels, average_of = input.numpy(), output.numpy()
    for image, channel, y, x in product(range(n), range(c), range(oh), range(ow)):
        total = sum(pixels[image, channel, row, column].item() for row, column in taps(geometry, (h, w), y, x))
        divisor = row_divisors[y].item() * column_divisors[x].item()
        # Integers are divided towards zero, as C and torch do it and Python does not.
        average_of[image, channel, y, x] = total / divisor if input.is_floating_point() else int(total / divisor)
    return output


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    n, c, oh, ow = grad.shape
    result = grad.new_zeros(n, c, *size)
    total, upstream = result.numpy(), grad.numpy()
    for image, channel, y, x in product(range(n), range(c), range(oh), range(ow)):
        share = upstream[image, channel, y, x] / (row_divisors[y].item() * column_divisors[x].item())
        for row, column in taps(geometry, size, y, x):
            total[image, channel, row, column] += share
    return result


def supports(tensor: torch.Tensor) -> bool:
    # The loops read the tensor through numpy, which knows no bfloat16.
    return tensor.device.type == "cpu" and tensor.dtype != torch.bfloat16


NAIVE = PoolAlgorithm("naive", maxima, scatter, averages, spread, supports)
