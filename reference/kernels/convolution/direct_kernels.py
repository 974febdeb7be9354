"""The compiled loop of `direct` for the gradient of the input of a strided convolution: sums of shifted lines.

The output's gradient lies in flat planes, in which a tap of the kernel is nothing but a shift:

    out[r, i] = start[r] + sum over taps t of  weight[t, r] * source[offset[t] + i]

The stride's phases of the input see different taps, so each is a sum of its own, copied to its pixels afterwards. A
tile keeps its whole result in vector registers while the sum runs (24 of AVX-512's 32 registers, 12 of AVX2's 16), so
that a multiply-add costs a fraction of a load. It is written twice: in numpy, which says what it means and runs under
`NUMBA_DISABLE_JIT=1`, and as LLVM vectors, which is what runs otherwise. LLVM splits vectors that a processor does not
have, so the second form is right on every processor.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.direct_lines import copy_rows
from reference.kernels.vectors import VECTOR_BYTES, Vectors

# Vectors per row of a `sum_tile`: 6 rows of them leave registers for the operands.
VECTORS = 2 if VECTOR_BYTES == 32 else 4
BLOCK_BYTES = VECTORS * VECTOR_BYTES


def _plain_sum_tile(rows: int):
    def sum_tile(
        out, out_at, out_step, source, source_at, offsets, weights, weight_at, first, end, start, start_at
    ):
        block = BLOCK_BYTES // out.itemsize
        for r in range(rows):
            total = np.full(block, start[start_at + r], out.dtype)
            for t in range(first, end):
                at = source_at + offsets[t]
                total += weights[weight_at + t * rows + r] * source[at : at + block]
            out[out_at + r * out_step : out_at + r * out_step + block] = total

    return sum_tile


def _compiled_sum_tile(rows: int):
    @intrinsic
    def sum_tile(
        typingctx, out, out_at, out_step, source, source_at, offsets, weights, weight_at, first, end, start, start_at
    ):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            out, out_at, out_step, source, source_at, offsets, weights, weight_at, first, end, start, start_at = args
            out, source, offsets = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 5))
            weights, start = (v.pointer(signature.args[i], args[i]) for i in (6, 10))

            def number(value):
                return context.get_constant(types.intp, value)

            def tap(t, totals):
                source_here = builder.add(source_at, builder.load(v.address(offsets, t)))
                weight_here = builder.add(weight_at, builder.mul(t, number(rows)))
                seen = [v.load(source, source_here, number(k * v.lanes)) for k in range(VECTORS)]
                results = []
                for r in range(rows):
                    weight = v.splat(weights, weight_here, number(r))
                    for k in range(VECTORS):
                        results.append(v.multiply_add(totals[r * VECTORS + k], weight, seen[k]))
                return results

            starts = [v.splat(start, start_at, number(r)) for r in range(rows) for _ in range(VECTORS)]
            totals = v.loop(first, end, number(1), starts, tap)
            for r in range(rows):
                row = builder.add(out_at, builder.mul(out_step, number(r)))
                for k in range(VECTORS):
                    v.store(totals[r * VECTORS + k], out, row, number(k * v.lanes))
            return context.get_dummy_value()

        n = types.intp
        return types.void(out, n, n, source, n, offsets, weights, n, n, n, start, n), codegen

    return sum_tile


_sum_tile = _plain_sum_tile if numba.config.DISABLE_JIT else _compiled_sum_tile
_sum_6, _sum_3, _sum_1 = (_sum_tile(rows) for rows in (6, 3, 1))


def _span(size, count, stride, phase, corner):
    """The range of cells r in range(count) with 0 <= r*stride + phase - corner < size."""
    first = max(0, -((phase - corner) // stride))
    end = min(count, (size - 1 - phase + corner) // stride + 1)
    return first, max(first, end)


_span_compiled = compiled(_span)


def _pack(images, n, phases, numbers, planes):
    """Lay image n of (N, C, H, W) out in its flat planes; cells without a pixel are left as they are."""
    stride_h, stride_w, top, left, margin, rows, pitch, plane = numbers
    _, channels, height, width = images.shape
    pixels = images.reshape(-1)
    for p in range(phases.shape[0]):
        row_first, row_end = _span_compiled(height, rows, stride_h, phases[p, 0], top)
        first, end = _span_compiled(width, pitch, stride_w, phases[p, 1], left)
        for c in range(channels):
            row = (n * channels + c) * height + row_first * stride_h + phases[p, 0] - top
            pixel = row * width + first * stride_w + phases[p, 1] - left
            cell = (c * phases.shape[0] + p) * plane + margin + row_first * pitch + first
            if stride_w == 1:
                copy_rows(
                    planes, cell, pitch, pixels, pixel, stride_h * width, end - first, row_end - row_first
                )  # fmt: skip
            else:
                for r in range(row_end - row_first):
                    for q in range(end - first):
                        planes[cell + r * pitch + q] = pixels[pixel + r * stride_h * width + q * stride_w]


def _unpack(planes, channels, phase, numbers, length, images, at):
    """Copy one phase of some channels from flat planes of `length` to channels `at` and on of (N*C, H, W)."""
    stride_h, stride_w, top, left, margin, rows, pitch, _ = numbers
    _, height, width = images.shape
    pixels = images.reshape(-1)
    row_first, row_end = _span_compiled(height, rows, stride_h, phase[0], top)
    first, end = _span_compiled(width, pitch, stride_w, phase[1], left)
    for c in range(channels):
        row = (at + c) * height + row_first * stride_h + phase[0] - top
        pixel = row * width + first * stride_w + phase[1] - left
        cell = c * length + margin + row_first * pitch + first
        if stride_w == 1:
            copy_rows(
                pixels, pixel, stride_h * width, planes, cell, pitch, end - first, row_end - row_first
            )  # fmt: skip
        else:
            for r in range(row_end - row_first):
                for q in range(end - first):
                    pixels[pixel + r * stride_h * width + q * stride_w] = planes[cell + r * pitch + q]


_pack_compiled = compiled(_pack)
_unpack_compiled = compiled(_unpack)


def shifted_sums(
    source, source_phases, source_numbers, groups, weights, offsets, tap_first, start,
    target, target_phases, target_numbers, first, end,
):  # fmt: skip
    """Write target images, each phase of them a weighted sum of shifted source planes.

    Forward and input gradient are both this: forward gathers from the phases of the image into the one
    phase of the output, the gradient gathers from the output into the phases of the image.

    Args:
        source: (N, C, H, W), packed by `source_phases` and `source_numbers` (see `direct_plan.Grid`).
        groups: G. weights: (G*R*K,) per block of 6, 3 or 1 of a group's R target channels, tap by tap.
        offsets: (K,) where each tap starts in a group's planes. tap_first: (P + 1,) its range per phase.
        start: (G*R,) what each target channel starts from.
        target: (N, G*R, ...), written where a phase has a pixel. first, end: the images to do.
    """
    taps = offsets.shape[0]
    channels = start.shape[0] // groups
    block = BLOCK_BYTES // source.itemsize
    pitch, plane = source_numbers[6], source_numbers[7]
    per_group = source.shape[1] // groups * source_phases.shape[0] * plane
    length = -(-target_numbers[5] * pitch // block) * block
    planes = np.zeros(groups * per_group + pitch + block, source.dtype)
    sums = np.empty(6 * length, source.dtype)
    images = target.reshape(-1, target.shape[2], target.shape[3])
    for n in range(first, end):
        _pack_compiled(source, n, source_phases, source_numbers, planes)
        for g in range(groups):
            for p in range(target_phases.shape[0]):
                t0, t1 = tap_first[p], tap_first[p + 1]
                r = 0
                while r < channels:
                    size = 6 if channels - r >= 6 else 3 if channels - r >= 3 else 1
                    weight_at, start_at = (g * channels + r) * taps, g * channels + r
                    for i in range(0, length, block):
                        at = g * per_group + i
                        if size == 6:
                            _sum_6(sums, i, length, planes, at, offsets, weights, weight_at, t0, t1, start, start_at)
                        elif size == 3:
                            _sum_3(sums, i, length, planes, at, offsets, weights, weight_at, t0, t1, start, start_at)
                        else:
                            _sum_1(sums, i, length, planes, at, offsets, weights, weight_at, t0, t1, start, start_at)
                    image = n * groups * channels + start_at
                    _unpack_compiled(sums, size, target_phases[p], target_numbers, length, images, image)
                    r += size


def add_lanes(totals, result):
    """Sum partial sums (parts, K, lanes) of `channel_products` into `result` (K,)."""
    for k in range(result.shape[0]):
        total = totals[0, k, 0]
        for lane in range(1, totals.shape[2]):
            total += totals[0, k, lane]
        for part in range(1, totals.shape[0]):
            for lane in range(totals.shape[2]):
                total += totals[part, k, lane]
        result[k] = total


add_lanes_compiled = compiled(add_lanes)
shifted_sums_compiled = compiled(shifted_sums)
