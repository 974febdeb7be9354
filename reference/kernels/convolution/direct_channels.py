"""The compiled loop of `direct`'s forward for kernels of many taps: the lanes of a vector are output channels.

    out[p, o] = start[o] + sum over taps t of  image[at[p] + offset[t]] * weight[t, o]

A tile is P neighbouring pixels by two vectors of output channels. For every tap it reads two vectors of weights, which
lie packed in the order of reading, and P single numbers of the image, which a load spreads over all lanes wherever they
lie: P + 2 loads for 2*P multiply-adds. So the image needs no copies but one inside its zeros (none without padding),
no load of a vector lies across two cache lines, and no lane is lost at the end of a row, where lines of pixels
(`direct_lines`) write KW copies and read unaligned vectors. The price is that pixels x channels must be turned into
channels x pixels, a few rows at a time, four exchanges of lanes per vector: little beside fifty taps, too much beside
nine. Rows of whole vectors are left to the lines, whose loads are aligned there, and whose planes often lie so many
times 4096 bytes apart that the turned channels would push each other out of the first cache.

Reference: Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD architectures", 2018.
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
from reference.kernels.convolution.gemm_pack import fill_rows_compiled, transpose
from reference.kernels.vectors import VECTOR_BYTES, Vectors

# Pixels of a tile: 14 x 2 totals, 2 vectors of weights and a number of the image take 31 of AVX-512's 32 registers,
# 6 x 2 take 15 of AVX2's 16. The others are for rows that the widest does not divide: 30, 32 or 22 pixels.
PIXELS = (14, 11, 10) if VECTOR_BYTES == 64 else (6, 5, 4)
LEAST_TAPS = 48  # C*KH*KW from which on turning the result is cheaper than lines
STRIP = 128  # pixels that are turned at a time: with two vectors of each, a third of the first cache


@dataclass(frozen=True)
class ChannelSums:
    """What `channel_sums` needs to know of one shape.

    Args:
        pixels: of a tile, one of `PIXELS`. strips: parts of the output's rows. taps: (K,) int64, where each tap lies
            in the padded image. padded: its (rows, columns). corner: its zeros at the top and left. stride: of rows.
        cuts: int64, where the panels of output channels start, and their number at last.
    """

    pixels: int
    strips: int
    taps: np.ndarray
    padded: tuple[int, int]
    corner: tuple[int, int]
    stride: int
    cuts: np.ndarray


def channels_of_a_panel(itemsize: int) -> int:
    """Output channels of a tile."""
    return 2 * VECTOR_BYTES // itemsize


@lru_cache(maxsize=128)
def channel_plan(geometry: Geometry, size: tuple[int, int], kernel: tuple[int, int, int, int], itemsize: int):
    """The plan for one shape, None if it is not for `channel_sums`.

    Args:
        geometry: stride, padding, dilation and groups. size: the image's (H, W).
        kernel: the weight's shape (O, C/G, KH, KW). itemsize: bytes of a number.
    """
    (height, width), (rows, columns) = geometry.output_size(size, kernel[2:]), geometry.padded_size(*size)
    out_channels, channels, kh, kw = kernel
    panel = channels_of_a_panel(itemsize)
    if geometry.groups > 1 or geometry.stride[1] > 1 or out_channels % panel or channels * kh * kw < LEAST_TAPS:
        return None
    whole_vectors = width % (panel // 2) == 0
    if whole_vectors or width < PIXELS[-1] or height * width < panel:
        return None
    pixels = min((count for count in PIXELS if count <= width), key=lambda count: (-(-width // count) * count, -count))
    (dh, dw), (top, _, left, _) = geometry.dilation, geometry.padding
    taps = np.arange(channels)[:, None, None] * rows + np.arange(kh)[:, None] * dh
    taps = taps * columns + np.arange(kw) * dw  # (C, KH, KW)
    strips = max(1, min(height, height * width // STRIP))
    return ChannelSums(
        pixels, strips, taps.reshape(-1).astype(np.int64), (rows, columns), (top, left), geometry.stride[0],
        np.arange(0, out_channels + 1, panel),
    )


def _plain_tile(pixels: int):
    def tile(out, out_at, image, image_at, taps, weights, weight_at, start, start_at, target, target_at, target_step):
        panel = 2 * VECTOR_BYTES // out.itemsize
        for p in range(pixels):
            total = start[start_at : start_at + panel].copy()
            for t, offset in enumerate(taps):
                at = weight_at + t * panel
                total += image[image_at + p + offset] * weights[at : at + panel]
            out[out_at + p * panel : out_at + (p + 1) * panel] = total

    return tile


def _compiled_tile(pixels: int):
    @intrinsic
    def tile(
        typingctx, out, out_at, image, image_at, taps, weights, weight_at, start, start_at, target, target_at,
        target_step,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out_at, image_at, weight_at, start_at, target_at, target_step = (args[i] for i in (1, 3, 6, 8, 10, 11))
            count = builder.extract_value(builder.extract_value(args[4], 5), 0)
            out, image, taps, weights, start, target = (
                v.pointer(signature.args[i], args[i]) for i in (0, 2, 4, 5, 7, 9)
            )

            def number(value):
                return context.get_constant(types.intp, value)

            # What the turned result is written to is fetched while the sum runs, not when it is stored.
            for channel in range(2 * v.lanes):
                v.prefetch(target, target_at, builder.mul(target_step, number(channel)), write=True)

            def tap(t, totals):
                seen = builder.add(image_at, builder.load(v.address(taps, t)))
                row = builder.add(weight_at, builder.mul(t, number(2 * v.lanes)))
                channels = [v.load(weights, row, number(i * v.lanes)) for i in range(2)]
                results = []
                for p in range(pixels):
                    pixel = v.splat(image, seen, number(p))
                    results += [v.multiply_add(totals[2 * p + i], pixel, channels[i]) for i in range(2)]
                return results

            starts = [v.load(start, start_at, number(i * v.lanes)) for _ in range(pixels) for i in range(2)]
            for i, total in enumerate(v.loop(number(0), count, number(1), starts, tap)):
                v.store(total, out, out_at, number(i * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, image, n, taps, weights, n, start, n, target, n, n), codegen

    return tile


_tile = _plain_tile if numba.config.DISABLE_JIT else _compiled_tile
_tile_0, _tile_1, _tile_2 = (_tile(pixels) for pixels in PIXELS)


def channel_sums(
    source, weight, start, target, packed, cuts, padded, corner, stride, taps, pixels, strips, part, first, end
):  # fmt: skip
    """Write strips of the output: each pixel is a sum over taps of its image's numbers times vectors of weights.

    Args:
        source: (N, C, H, W). weight: flat, (O, K). start: (O,) what each output channel starts from.
        target: (N, O, OH, OW), all of it written.
        packed: (parts, at least O*K), room for the weights, per panel of output channels K x panel.
        cuts, padded, corner, stride, taps, pixels, strips: as in `ChannelSums`.
        first, end: the units of work to do, image * strips + strip.
    """
    lanes = VECTOR_BYTES // source.itemsize
    _, channels, in_height, in_width = source.shape
    _, out_channels, height, width = target.shape
    plane, seen, panel = height * width, padded[0] * padded[1], 2 * lanes
    inside_zeros = padded[0] > in_height or padded[1] > in_width
    numbers, flat = source.reshape(-1), target.reshape(-1)
    image = new_planes_compiled(channels * seen, source) if inside_zeros else numbers
    sums = new_planes_compiled((height // strips + 1) * width * panel, source)
    filled, weights, per_row = -1, packed[part], taps.shape[0]
    fill_rows_compiled(weights, 0, weight, 0, per_row, per_row, 1, np.zeros(1, np.int64), cuts, 0, cuts.shape[0] - 1)
    for unit in range(first, end):
        n, strip = unit // strips, unit % strips
        if inside_zeros and n != filled:
            for c in range(channels):
                copy_rows(
                    image, c * seen + corner[0] * padded[1] + corner[1], padded[1],
                    numbers, (n * channels + c) * in_height * in_width, in_width, in_width, in_height,
                )  # fmt: skip
            filled = n
        image_at = 0 if inside_zeros else n * channels * seen
        y0, y1 = height * strip // strips, height * (strip + 1) // strips
        count = (y1 - y0) * width
        for o in range(0, out_channels, panel):
            to, w = (n * out_channels + o) * plane + y0 * width, o * taps.shape[0]
            for y in range(y1 - y0):
                for x in range(0, width, pixels):
                    x = min(x, width - pixels)  # the last tile ends with the row, and does some pixels again
                    p, at = y * width + x, image_at + (y0 + y) * stride * padded[1] + x
                    if pixels == PIXELS[0]:
                        _tile_0(sums, p * panel, image, at, taps, weights, w, start, o, flat, to + p, plane)
                    elif pixels == PIXELS[1]:
                        _tile_1(sums, p * panel, image, at, taps, weights, w, start, o, flat, to + p, plane)
                    else:
                        _tile_2(sums, p * panel, image, at, taps, weights, w, start, o, flat, to + p, plane)
            for p in range(0, count, lanes):
                p = min(p, count - lanes)
                for i in range(0, panel, lanes):
                    transpose(flat, to + i * plane + p, plane, sums, p * panel + i, panel, lanes, 0)


channel_sums_compiled = compiled(channel_sums)
