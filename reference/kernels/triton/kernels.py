"""Convolution as matrix products on a GPU, without the columns of `im2col`: the Triton kernels of `conv`.

Every program computes one tile of the result and fetches the windows that it needs straight from the image, one tap
after another, into the tiles that the matrix units multiply (implicit GEMM).

    gathered_product:  result[pixel, output] = sum over (tap, channel) of
                           image[pixel + tap, channel] * weight[tap, channel, output]
    weight_product:    result[output, (tap, channel)] = sum over pixels of
                           grad[pixel, output] * image[pixel + tap, channel]

Arguments in capitals are known when a kernel is compiled. What is tuned on the GPU is the tile and how it is shared
among warps; how far a sum goes at a time (`BLOCK_K`) and how it is split are not, so no sum's order depends on timing.

Reference: Chetlur et al., "cuDNN: efficient primitives for deep learning", 2014, section 3. Triton: Tillet, Kung and
Cox, "Triton: an intermediate language and compiler for tiled neural network computations", 2019.
"""

from __future__ import annotations

import triton
import triton.language as tl

INTERPRETED = triton.knobs.runtime.interpret  # TRITON_INTERPRET=1: the same kernels in numpy, for tests without a GPU
SMALLEST = 16  # rows, columns and depth of the smallest product that the matrix units take


def _tile(rows: int, columns: int, warps: int, stages: int) -> triton.Config:
    return triton.Config({"BLOCK_M": rows, "BLOCK_N": columns}, num_warps=warps, num_stages=stages)


TILES = [_tile(128, 128, 8, 3), _tile(128, 64, 4, 4), _tile(64, 64, 4, 4), _tile(64, 32, 4, 4), _tile(128, 16, 4, 4)]
if INTERPRETED:
    TILES = [_tile(16, 16, 1, 1)]  # small, so that small tests have more than one tile


def _worthwhile(configs, arguments, **_):
    """Tiles that are not mostly empty; of double precision only what its registers can hold."""
    rows, columns = arguments["wanted_rows"], arguments["wanted_columns"]
    most = 64 * 64 if arguments["double"] else 128 * 128
    kept = [
        config for config in configs
        if config.kwargs["BLOCK_M"] < 2 * max(rows, 64) and config.kwargs["BLOCK_N"] < 2 * max(columns, 16)
        and config.kwargs["BLOCK_M"] * config.kwargs["BLOCK_N"] <= most
    ]  # fmt: skip
    return kept or configs[-1:]


def _tuned(kernel):
    # `size` is the power of two above the number of pixels: a last, smaller batch is not tuned for again.
    key = ["size", "wanted_columns", "depth", "PRECISION"]
    return triton.autotune(TILES, key=key, prune_configs_by={"early_config_prune": _worthwhile})(kernel)


_UNSPECIALIZED = ["size", "depth", "wanted_rows", "wanted_columns", "double"]  # for the tuner alone


@triton.jit
def phase_of(phases, row_phases, column_phases, index):
    """The ten numbers of phase `index` in `plan.table`: five of its rows, five of its columns."""
    rows = phases + (index // column_phases) * 5
    columns = phases + (row_phases + index % column_phases) * 5
    return (
        tl.load(rows), tl.load(rows + 1), tl.load(rows + 2), tl.load(rows + 3), tl.load(rows + 4),
        tl.load(columns), tl.load(columns + 1), tl.load(columns + 2), tl.load(columns + 3), tl.load(columns + 4),
    )  # fmt: skip


@_tuned
@triton.jit(do_not_specialize=_UNSPECIALIZED)
def gathered_product(
    image, weight, bias, output, phases, row_phases, column_phases,
    batch, height, width, channels, outputs,
    image_n, image_c, image_h, image_w,
    weight_g, weight_o, weight_c, weight_h, weight_w,
    output_n, output_c, output_h, output_w,
    output_step_h, image_step_h, tap_step_h, weight_step_h,
    output_step_w, image_step_w, tap_step_w, weight_step_w,
    size, depth, wanted_rows, wanted_columns, double,
    HAS_BIAS: tl.constexpr, ONE_TAP: tl.constexpr, PRECISION: tl.constexpr, SUM: tl.constexpr,
    BLOCK_K: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Forward pass or input gradient, as `plan` states them.

    Grid: tiles of the largest phase's (pixels, outputs), groups, phases.
    Args:
        image: (batch, groups * channels, height, width). output: (batch, groups * outputs, ...). Any strides.
        weight: (groups, outputs, channels, KH, KW), as strides. bias: (groups * outputs,), read where HAS_BIAS.
        channels, outputs: per group.
        ONE_TAP: whether a step of the sum takes `BLOCK_K` channels of one tap; else it takes the next `BLOCK_K` of
            all (tap, channel), which wastes less with few channels but addresses each number by itself.
        SUM: the dtype in which sums are kept.
    """
    blocks_n = tl.cdiv(outputs, BLOCK_N)
    block_m, block_n = tl.program_id(0) // blocks_n, tl.program_id(0) % blocks_n
    group = tl.program_id(1)
    first_y, rows, taps_h, image_y, weight_i, first_x, columns, taps_w, image_x, weight_j = phase_of(
        phases, row_phases, column_phases, tl.program_id(2)
    )

    pixel = block_m * BLOCK_M + tl.arange(0, BLOCK_M)  # (BLOCK_M,)
    x, y, n = pixel % columns, (pixel // columns) % rows, (pixel // (columns * rows)).to(tl.int64)
    row, column = (y * image_step_h + image_y)[:, None], (x * image_step_w + image_x)[:, None]
    seen = (n < batch)[:, None]
    window = image + group * channels * image_c + n[:, None] * image_n + row * image_h + column * image_w
    out = block_n * BLOCK_N + tl.arange(0, BLOCK_N)  # (BLOCK_N,)
    kernel = weight + group * weight_g + weight_i * weight_h + weight_j * weight_w + out[None, :] * weight_o

    total = tl.zeros((BLOCK_M, BLOCK_N), SUM)
    lane = tl.arange(0, BLOCK_K)
    if ONE_TAP:
        blocks_c = tl.cdiv(channels, BLOCK_K)
        for step in range(taps_h * taps_w * blocks_c):
            tap, c = step // blocks_c, (step % blocks_c) * BLOCK_K + lane
            i, j = tap // taps_w, tap % taps_w
            r, q = row + i * tap_step_h, column + j * tap_step_w
            inside = seen & (r >= 0) & (r < height) & (q >= 0) & (q < width)  # (BLOCK_M, 1)
            place = i * tap_step_h * image_h + j * tap_step_w * image_w
            values = tl.load(window + place + (c * image_c)[None, :], inside & (c < channels)[None, :], 0)
            place = i * weight_step_h * weight_h + j * weight_step_w * weight_w
            known = (c < channels)[:, None] & (out < outputs)[None, :]
            weights = tl.load(kernel + place + (c * weight_c)[:, None], known, 0)
            total = tl.dot(values, weights, total, input_precision=PRECISION, out_dtype=SUM)
    else:
        terms = taps_h * taps_w * channels
        for step in range(tl.cdiv(terms, BLOCK_K)):
            k = step * BLOCK_K + lane
            tap, c = k // channels, k % channels
            i, j = tap // taps_w, tap % taps_w
            r, q = row + (i * tap_step_h)[None, :], column + (j * tap_step_w)[None, :]
            inside = seen & (r >= 0) & (r < height) & (q >= 0) & (q < width) & (k < terms)[None, :]
            place = i * tap_step_h * image_h + j * tap_step_w * image_w + c * image_c
            values = tl.load(window + place[None, :], inside, 0)  # (BLOCK_M, BLOCK_K)
            place = i * weight_step_h * weight_h + j * weight_step_w * weight_w + c * weight_c
            weights = tl.load(kernel + place[:, None], (k < terms)[:, None] & (out < outputs)[None, :], 0)
            total = tl.dot(values, weights, total, input_precision=PRECISION, out_dtype=SUM)

    if HAS_BIAS:
        total += tl.load(bias + group * outputs + out, out < outputs, 0).to(SUM)[None, :]
    y, x = first_y + y * output_step_h, first_x + x * output_step_w
    place = (n * output_n + y * output_h + x * output_w)[:, None]
    target = output + place + ((group * outputs + out) * output_c)[None, :]
    tl.store(target, total.to(output.dtype.element_ty), seen & (out < outputs)[None, :])


@_tuned
@triton.jit(do_not_specialize=_UNSPECIALIZED)
def weight_product(
    grad, image, partial,
    rows, columns, height, width, channels, outputs, taps_h, taps_w, pixels, pixels_per_part,
    grad_n, grad_c, grad_h, grad_w,
    image_n, image_c, image_h, image_w,
    stride_h, stride_w, top, left, dilation_h, dilation_w,
    size, depth, wanted_rows, wanted_columns, double,
    ONE_TAP: tl.constexpr, PRECISION: tl.constexpr, SUM: tl.constexpr,
    BLOCK_K: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Weight gradient, each part of the pixels by itself: the parts are added by whoever calls.

    Grid: tiles of (outputs, taps * channels), groups, parts. With ONE_TAP no tile has channels of more than one tap.
    Args:
        grad: (N, groups * outputs, rows, columns). image: (N, groups * channels, height, width). Any strides.
        partial: (parts, groups * outputs, KH, KW, channels), contiguous.
        pixels: N * rows * columns, of which `pixels_per_part` (a multiple of BLOCK_K) belong to one part.
        channels, outputs: per group.
    """
    terms = taps_h * taps_w * channels
    if ONE_TAP:
        blocks_c = tl.cdiv(channels, BLOCK_N)
        blocks_n = taps_h * taps_w * blocks_c
    else:
        blocks_n = tl.cdiv(terms, BLOCK_N)
    block_m, block_n = tl.program_id(0) // blocks_n, tl.program_id(0) % blocks_n
    group, part = tl.program_id(1), tl.program_id(2)

    out = block_m * BLOCK_M + tl.arange(0, BLOCK_M)  # (BLOCK_M,)
    if ONE_TAP:
        tap = block_n // blocks_c
        c = (block_n % blocks_c) * BLOCK_N + tl.arange(0, BLOCK_N)  # (BLOCK_N,)
        term = tap * channels + c
        wanted = c < channels
        tap_row, tap_column = (tap // taps_w) * dilation_h - top, (tap % taps_w) * dilation_w - left
    else:
        term = block_n * BLOCK_N + tl.arange(0, BLOCK_N)
        tap, c = term // channels, term % channels
        wanted = term < terms
        tap_row = ((tap // taps_w) * dilation_h - top)[None, :]
        tap_column = ((tap % taps_w) * dilation_w - left)[None, :]
    grads = grad + ((group * outputs + out) * grad_c)[:, None]
    taps = image + ((group * channels + c) * image_c)[None, :] + tap_row * image_h + tap_column * image_w

    total = tl.zeros((BLOCK_M, BLOCK_N), SUM)
    first = part * pixels_per_part
    for start in range(first, tl.minimum(first + pixels_per_part, pixels), BLOCK_K):
        pixel = start + tl.arange(0, BLOCK_K)
        x, y, n = pixel % columns, (pixel // columns) % rows, (pixel // (columns * rows)).to(tl.int64)
        known = (out < outputs)[:, None] & (pixel < pixels)[None, :]
        left_side = tl.load(grads + (n * grad_n + y * grad_h + x * grad_w)[None, :], known, 0)
        row, column = (y * stride_h)[:, None], (x * stride_w)[:, None]
        r, q = row + tap_row, column + tap_column  # (BLOCK_K, BLOCK_N), or (BLOCK_K, 1) of one tap
        inside = (r >= 0) & (r < height) & (q >= 0) & (q < width)
        inside = inside & (pixel < pixels)[:, None] & wanted[None, :]
        right_side = tl.load(taps + n[:, None] * image_n + row * image_h + column * image_w, inside, 0)
        total = tl.dot(left_side, right_side, total, input_precision=PRECISION, out_dtype=SUM)

    results = tl.num_programs(1) * outputs  # output channels of all groups
    target = partial + (part.to(tl.int64) * results + group * outputs + out)[:, None] * terms + term[None, :]
    tl.store(target, total, (out < outputs)[:, None] & wanted[None, :])
