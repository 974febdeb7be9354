"""The compiled loop of `direct` for the gradient of an input of few channels: products first, shifts afterwards.

    input_grad[c, y, x] = sum over taps i, j of  product[c, i, j][y + top - i*dh, x + left - j*dw]
    product[c, i, j] = sum over o of  weight[o, c, i, j] * grad[o]

Where one or three channels gather from dozens, a register tile of the sum of shifted lines has one or three rows, and
the lines are copies of what is largest, the output's gradient. Here the rows are the C*KH*KW taps, the pixels are read
from the gradient once, two vectors of each output channel at a time, and shifted when the sum over the output channels
is done: C*KH*KW additions to a number of the input after O times as many multiply-adds. The products of a few rows of
pixels at a time stay in the first cache.

Reference: Vasudevan, Anderson and Gregg, "Parallel multi channel convolution using general matrix multiplication",
2017 (kernel to row).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.direct_lines import copy_rows, new_planes_compiled
from reference.kernels.convolution.direct_lines_plan import HEIGHT_COSTS, cuts, in_panels
from reference.kernels.convolution.direct_tile import sums_tile_compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

MOST_CHANNELS, MOST_TAPS = 7, 128  # C and C*KH*KW: products of more do not stay in the first cache
LEAST_OUT_CHANNELS = 8  # the sum that is paid for once per tap must be worth it
PRODUCTS_IN_CACHE = 32 * 1024  # bytes


@dataclass(frozen=True)
class TapSums:
    """What `tap_sums` needs to know of one shape.

    Args:
        weights: int32, the weight's numbers in panels of the C*KH*KW taps, output channel by output channel.
        cuts: int64, where the panels start, and C*KH*KW at last. planes: (O,) int64, where the pixels of each output channel lie in
            a tile's.
        strips: how many parts the gradient's rows are split into, evenly.
        numbers: (KH, KW, dilation height, dilation width, top, left).
    """

    weights: np.ndarray
    cuts: np.ndarray
    planes: np.ndarray
    strips: int
    numbers: tuple[int, int, int, int, int, int]


@lru_cache(maxsize=128)
def tap_plan(geometry: Geometry, out_size: tuple[int, int], kernel: tuple[int, int, int, int], itemsize: int):
    """The plan for one shape, None if it is not for `tap_sums`.

    Args:
        geometry: stride, padding, dilation and groups. out_size: (OH, OW).
        kernel: the weight's shape (O, C/G, KH, KW). itemsize: bytes of a number.
    """
    (out_channels, channels, kh, kw), (height, width) = kernel, out_size
    taps, tile = channels * kh * kw, 2 * VECTOR_BYTES // itemsize
    if geometry.groups > 1 or geometry.stride != (1, 1) or channels > MOST_CHANNELS or taps > MOST_TAPS:
        return None
    if out_channels < LEAST_OUT_CHANNELS or height * width < tile:
        return None
    strips = min(height, -(-taps * height * width * itemsize // PRODUCTS_IN_CACHE))
    while height // strips * width < tile:  # each strip is a tile at least
        strips -= 1
    panels = cuts(taps, HEIGHT_COSTS)
    rows = np.arange(out_channels * taps).reshape(1, out_channels, taps).transpose(0, 2, 1)
    planes = np.arange(out_channels, dtype=np.int64) * tile
    (top, _, left, _), dilation = geometry.padding, geometry.dilation
    return TapSums(in_panels(rows, panels), panels, planes, strips, (kh, kw, *dilation, top, left))


def _plain_add_shifted(
    out, out_at, width, products, at, first, end, row_step, columns, column_step, seen, left, dilation
):
    for j in range(columns):
        x0, x1 = max(0, j * dilation - left), min(width, seen + j * dilation - left)
        for i in range(first, end):
            from_x = at + i * row_step + j * column_step + x0
            if x0 < x1:
                out[out_at + x0 : out_at + x1] += products[from_x : from_x + x1 - x0]


@intrinsic
def _compiled_add_shifted(
    typingctx, out, out_at, width, products, at, first, end, row_step, columns, column_step, seen, left, dilation
):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        out, out_at, width, products, at, first, end, row_step, columns, column_step, seen, left, dilation = args
        out, products = v.pointer(signature.args[0], out), v.pointer(signature.args[3], products)
        zero, one, lanes = (context.get_constant(types.intp, number) for number in (0, 1, v.lanes))

        def pixels(x, _):
            inside = v.lanes_in(zero, builder.sub(width, x))

            def column(j, totals):
                # Lane l sees column x + l + left - j*dilation of the gradient, if there is one.
                shift = builder.sub(builder.sub(builder.mul(j, dilation), left), x)
                mask = builder.and_(inside, v.lanes_in(shift, builder.add(seen, shift)))
                here = builder.add(builder.add(at, builder.mul(j, column_step)), x)

                def row(i, totals):
                    product = v.masked_load(mask, products, here, builder.mul(i, row_step))
                    return [builder.fadd(totals[0], product)]

                return v.loop(first, end, one, totals, row)

            totals = v.loop(zero, columns, one, [v.masked_load(inside, out, out_at, x)], column)
            v.masked_store(inside, totals[0], out, out_at, x)
            return []

        v.loop(zero, width, lanes, [], pixels)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, n, n, products, n, n, n, n, n, n, n, n, n), codegen


# add_shifted: out[x] += the sum over rows i in range(first, end) and columns j of
# products[at + i*row_step + j*column_step + x], where x + left - j*dilation is in range(seen)
add_shifted = _plain_add_shifted if numba.config.DISABLE_JIT else _compiled_add_shifted


def tap_sums(grad, weights, cuts, planes, strips, numbers, target, first, end):
    """Write the gradient of images first to end.

    Args:
        grad: (N, O, OH, OW). weights: flat, and cuts, planes, strips, numbers as in `TapSums`.
        target: (N, C, H, W), all of it written.
    """
    kh, kw, dh, dw, top, left = numbers
    _, out_channels, seen_rows, seen = grad.shape
    _, channels, height, width = target.shape
    tile, taps = 2 * VECTOR_BYTES // grad.itemsize, channels * kh * kw
    step = -(-seen_rows // strips) * seen  # numbers between the products of two taps
    products, zeros = np.empty(taps * step, grad.dtype), np.zeros(cuts[1], grad.dtype)
    pixels = new_planes_compiled(out_channels * tile, grad)
    grads, flat = grad.reshape(-1), target.reshape(-1)
    for n in range(first, end):
        flat[n * channels * height * width : (n + 1) * channels * height * width] = 0
        for strip in range(strips):
            y0, y1 = seen_rows * strip // strips, seen_rows * (strip + 1) // strips
            count, at = (y1 - y0) * seen, (n * out_channels * seen_rows + y0) * seen
            for x in range(0, count, tile):
                x = min(x, count - tile)  # the last tile ends with the strip, and does some of the last but one again
                copy_rows(pixels, 0, tile, grads, at + x, seen_rows * seen, tile, out_channels)
                for panel in range(cuts.shape[0] - 1):
                    row, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
                    sums_tile_compiled(
                        rows, products, row * step + x, step, tile, pixels, 0, planes,
                        weights, row * out_channels, zeros, 0, row * step + x, 0,
                    )  # fmt: skip
            for y in range(max(0, y0 - top), min(height, y1 + (kh - 1) * dh - top)):
                down = y + top  # tap (i, j) is seen from row down - i*dh of the output
                i0, i1 = max(0, -((y1 - 1 - down) // dh)), min(kh, (down - y0) // dh + 1)
                for c in range(channels):
                    add_shifted(
                        flat, ((n * channels + c) * height + y) * width, width,
                        products, c * kh * kw * step + (down - y0) * seen + left, i0, i1, kw * step - dh * seen,
                        kw, step - dw, seen, left, dw,
                    )  # fmt: skip


tap_sums_compiled = compiled(tap_sums)
