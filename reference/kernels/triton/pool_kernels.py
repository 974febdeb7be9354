"""Pooling on a GPU: the Triton kernels of `pool`.

One number of the result per lane, in the order in which the result lies in memory, so that neighbours read neighbours.
The gradients are gathered too: a pixel asks the few windows that see it, REACH_H * REACH_W at most, so that nothing is
added by two programs and every run gives the same bits. Windows are small and known when a kernel is compiled.

Bound by memory: each pixel is read once from it, and by further windows from the cache.
"""

from __future__ import annotations

import triton
import triton.language as tl

INTERPRETED = triton.knobs.runtime.interpret  # TRITON_INTERPRET=1: the same kernels in numpy, for tests without a GPU
BLOCK = 64 if INTERPRETED else 512


@triton.jit
def place_of(index, channels, rows, columns, INNERMOST: tl.constexpr):
    """Image, channel, row and column of number `index` of a result whose channels are innermost, or its columns."""
    if INNERMOST:
        c, pixel = index % channels, index // channels
        return (pixel // (rows * columns)).to(tl.int64), c, (pixel // columns) % rows, pixel % columns
    plane = index // (rows * columns)
    return (plane // channels).to(tl.int64), plane % channels, (index // columns) % rows, index % columns


@triton.jit
def quotient(total, divisor):
    """The division rounded to nearest: of float32, Triton's `/` may be off by two units in the last place."""
    if total.dtype == tl.float32:
        return tl.div_rn(total, divisor)
    return total / divisor


@triton.jit
def maxima(
    image, output, winners, count, channels, height, width, rows, columns,
    image_n, image_c, image_h, image_w,
    KH: tl.constexpr, KW: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, DILATION_H: tl.constexpr, DILATION_W: tl.constexpr,
    WINNERS: tl.constexpr, INNERMOST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Every window's maximum, and where WINNERS its place y*width + x.

    Args:
        image: (N, channels, height, width), any strides.
        output, winners: (N, channels, rows, columns), dense, `count` numbers each.
    """
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    n, c, y, x = place_of(index, channels, rows, columns, INNERMOST)
    row, column = y * STRIDE_H - PAD_H, x * STRIDE_W - PAD_W
    plane = image + n * image_n + c * image_c
    # Without anything greater the first tap that is not in the near padding wins; it may lie beyond the image.
    first_row = row + (tl.maximum(-row, 0) + DILATION_H - 1) // DILATION_H * DILATION_H
    first_column = column + (tl.maximum(-column, 0) + DILATION_W - 1) // DILATION_W * DILATION_W
    winner = first_row * width + first_column
    best = tl.full((BLOCK,), float("-inf"), image.dtype.element_ty)
    for i in range(KH):
        for j in range(KW):
            r, q = row + i * DILATION_H, column + j * DILATION_W
            inside = (index < count) & (r >= 0) & (r < height) & (q >= 0) & (q < width)
            value = tl.load(plane + r * image_h + q * image_w, inside, float("-inf"))
            wins = (value > best) | (value != value)  # NaN differs from itself, and nothing is greater
            best, winner = tl.where(wins, value, best), tl.where(wins, r * width + q, winner)
    tl.store(output + index, best, index < count)
    if WINNERS:
        tl.store(winners + index, winner, index < count)


@triton.jit
def scatter(
    grad, winners, result, count, channels, height, width, rows, columns,
    grad_n, grad_c, grad_h, grad_w, winners_n, winners_c, winners_h, winners_w,
    STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr, PAD_H: tl.constexpr, PAD_W: tl.constexpr,
    REACH_H: tl.constexpr, REACH_W: tl.constexpr, SUM: tl.constexpr, INNERMOST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """For every pixel the sum of the gradients of the windows that it won.

    Args:
        grad, winners: (N, channels, rows, columns), any strides. result: (N, channels, height, width), dense.
        REACH_H, REACH_W: at most so many windows reach a pixel along each axis.
    """
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    n, c, row, column = place_of(index, channels, height, width, INNERMOST)
    last_y, last_x = (row + PAD_H) // STRIDE_H, (column + PAD_W) // STRIDE_W
    grads, places = grad + n * grad_n + c * grad_c, winners + n * winners_n + c * winners_c
    total = tl.zeros((BLOCK,), SUM)
    for i in range(REACH_H):
        for j in range(REACH_W):
            y, x = last_y - i, last_x - j
            there = (index < count) & (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
            winner = tl.load(places + y * winners_h + x * winners_w, there, -1)
            won = there & (winner == row * width + column)
            total += tl.load(grads + y * grad_h + x * grad_w, won, 0).to(SUM)
    tl.store(result + index, total.to(result.dtype.element_ty), index < count)


@triton.jit
def averages(
    image, row_divisors, column_divisors, output, count, channels, height, width, rows, columns,
    image_n, image_c, image_h, image_w,
    KH: tl.constexpr, KW: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, SUM: tl.constexpr, INNERMOST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Every window's sum over the product of its divisors (rows,) and (columns,); the rest as in `maxima`."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    n, c, y, x = place_of(index, channels, rows, columns, INNERMOST)
    row, column = y * STRIDE_H - PAD_H, x * STRIDE_W - PAD_W
    plane = image + n * image_n + c * image_c
    total = tl.zeros((BLOCK,), SUM)
    for i in range(KH):
        for j in range(KW):
            r, q = row + i, column + j
            inside = (index < count) & (r >= 0) & (r < height) & (q >= 0) & (q < width)
            total += tl.load(plane + r * image_h + q * image_w, inside, 0).to(SUM)
    divisor = tl.load(row_divisors + y, index < count, 1) * tl.load(column_divisors + x, index < count, 1)
    tl.store(output + index, quotient(total, divisor).to(output.dtype.element_ty), index < count)


@triton.jit
def spread(
    grad, row_divisors, column_divisors, result, count, channels, height, width, rows, columns,
    grad_n, grad_c, grad_h, grad_w,
    KH: tl.constexpr, KW: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PAD_H: tl.constexpr, PAD_W: tl.constexpr, REACH_H: tl.constexpr, REACH_W: tl.constexpr,
    SUM: tl.constexpr, INNERMOST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """For every pixel the sum of the shares of the windows that see it; arguments as in `scatter` and `averages`."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    n, c, row, column = place_of(index, channels, height, width, INNERMOST)
    last_y, last_x = (row + PAD_H) // STRIDE_H, (column + PAD_W) // STRIDE_W
    grads = grad + n * grad_n + c * grad_c
    total = tl.zeros((BLOCK,), SUM)
    for i in range(REACH_H):
        for j in range(REACH_W):
            y, x = last_y - i, last_x - j
            sees = (index < count) & (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
            sees = sees & (y * STRIDE_H - PAD_H + KH > row) & (x * STRIDE_W - PAD_W + KW > column)
            divisor = tl.load(row_divisors + y, sees, 1) * tl.load(column_divisors + x, sees, 1)
            total += quotient(tl.load(grads + y * grad_h + x * grad_w, sees, 0).to(SUM), divisor)
    tl.store(result + index, total.to(result.dtype.element_ty), index < count)
