"""The compiled loop of `winograd`'s weight gradient: sums over tiles, with lanes of channels.

Pixels and gradients are turned so that the channels of one lie side by side, transformed tile by tile, and multiplied
point by point: 36 products of (output channels x tiles) with (tiles x channels). Parts are either of the tiles, each
with sums of its own which `transform_gradients` adds up, or, where the sums are more than the tiles' numbers, of the
output channels; these parts transform the pixels each for itself, a few output channels' sums at a time back.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors
from reference.kernels.convolution.winograd_kernels import block_of_compiled
from reference.kernels.convolution.winograd_planes import (
    place_compiled,
    spread_grads_2,
    spread_grads_4,
    spread_pixels,
    turn_in_compiled,
)
from reference.kernels.convolution.winograd_tiles import gather_weight_3, gather_weight_5
from reference.kernels.convolution.winograd_transforms import PATCH, POINTS


def _plain_outer(vectors: int):
    def outer(c, c_at, c_step, a, a_at, b, b_at, b_gap, count, add):
        lanes = VECTOR_BYTES // c.itemsize
        left = a[a_at : a_at + count * lanes].reshape(count, lanes)[:, : _height(lanes, vectors)]
        for x in range(vectors):
            right = b[b_at + x * b_gap : b_at + x * b_gap + count * lanes].reshape(count, lanes)
            for r, row in enumerate(left.T @ right):
                at = c_at + r * c_step + x * lanes
                c[at : at + lanes] = row + (c[at : at + lanes] if add else 0)

    return outer


def _compiled_outer(vectors: int):
    @intrinsic
    def outer(typingctx, c, c_at, c_step, a, a_at, b, b_at, b_gap, count, add):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            c, c_at, c_step, a, a_at, b, b_at, b_gap, count, add = args
            c, a, b = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 5))

            def number(value):
                return context.get_constant(types.intp, value)

            rows = range(_height(v.lanes, vectors))
            places = [
                builder.add(builder.add(c_at, builder.mul(c_step, number(r))), number(x * v.lanes))
                for r in rows for x in range(vectors)
            ]  # fmt: skip

            def step(k, totals):
                row = builder.mul(k, number(v.lanes))
                right = [v.load(b, b_at, row, builder.mul(b_gap, number(x))) for x in range(vectors)]
                left = [v.splat(a, a_at, row, number(r)) for r in rows]
                return [v.multiply_add(total, left[i // vectors], right[i % vectors]) for i, total in enumerate(totals)]

            totals = v.loop(number(0), count, number(1), [v.zeros() for _ in places], step)
            with builder.if_else(add) as (adding, fresh):
                with adding:
                    for total, at in zip(totals, places):
                        v.store(builder.fadd(total, v.load(c, at)), c, at)
                with fresh:
                    for total, at in zip(totals, places):
                        v.store(total, c, at)
            return context.get_dummy_value()

        n = types.intp
        return types.void(c, n, n, a, n, b, n, n, n, types.boolean), codegen

    return outer


def _height(lanes: int, vectors: int) -> int:
    """Rows of a register tile of one or two vectors per row: sixteen sums in AVX-512's registers."""
    return max(1, lanes // vectors)


# outer(c, c_at, c_step, a, a_at, b, b_at, b_gap, count, add): C (+)= A^T B, where row k of A, a vector, lies at
#   a_at + k*lanes, row k of B's vector x at b_at + x*b_gap + k*lanes, and row r of C at c_at + r*c_step. Of A's numbers
#   the first are used: all for one vector of B, half of them for two, which takes half the loads.
_outer = _plain_outer if numba.config.DISABLE_JIT else _compiled_outer
outer_1, outer_2 = _outer(1), _outer(2)


def transform_gradients(totals, gradient, tile, out_channels, channels, first_row, checks, part, first, end):
    """Write the gradients of output channels first to end from the totals of all parts, added up in the first's.

    Args:
        totals: (parts, numbers), see `multiply_tiles`: of `out_channels` output channels from `first_row` on.
        gradient: flat, written. tile: outputs along a tile's side.
        checks: (parts, lanes), become NaN where a gradient is not finite.
    """
    lanes, taps = VECTOR_BYTES // gradient.itemsize, PATCH + 1 - tile
    wide = -(-channels // lanes) * lanes
    total_step = -(-out_channels // lanes) * lanes * wide + lanes
    places = np.empty(lanes, np.int64)
    zeros = np.zeros(1, gradient.dtype)
    check, total = checks[part], totals[0]
    for o in range(first, end):
        row = (o - first_row) * wide
        for other in range(1, totals.shape[0]):
            for e in range(POINTS):
                for c in range(e * total_step + row, e * total_step + row + channels):
                    total[c] += totals[other, c]
        for c in range(0, channels, lanes):
            at, to = row + c, o * channels * taps * taps
            for lane in range(lanes):
                places[lane] = min(c + lane, channels - 1) * taps * taps
            for lane in range(channels - c, lanes):  # the spare lanes write the last channel once more
                for e in range(POINTS):
                    total[e * total_step + at + lane] = total[e * total_step + row + channels - 1]
            if tile == 4:
                gather_weight_3(total, at, total_step, gradient, places, 0, to, 3, zeros, 0, check)
            else:
                gather_weight_5(total, at, total_step, gradient, places, 0, to, 5, zeros, 0, check)


transform_gradients_compiled = compiled(transform_gradients)


def multiply_tiles(
    source, shape, corner, grad, grad_shape, tile, block, most, at_once, scratch, room, totals, gradient, checks, part,
    first, end,
):  # fmt: skip
    """Write the sums over blocks of tiles of every transformed gradient with every transformed pixel.

    Args:
        source: flat. shape: (N, C, H, W). corner: (top, left), its padding.
        grad: flat. grad_shape: (O, OH, OW). tile: outputs along a tile's side.
        block: (images, rows of tiles). most: tiles in a block.
        at_once: 0 if parts are of blocks; otherwise they are of output channels, and so many are done at a time.
        scratch: (parts, numbers), to work in: transformed pixels and gradients, `room` numbers; planes.
        totals: (parts, numbers), written: point e of (o, c) lies at e * (OW*CW + lanes) + o*CW + c, CW being C in
            whole vectors, OW the output channels that are done at a time.
        gradient, checks: see `transform_gradients`, which is done here where parts are of output channels.
        first, end: the blocks, or the units of `at_once` output channels.
    """
    lanes = VECTOR_BYTES // source.itemsize
    values, planes, total = scratch[part, :room], scratch[part, room:], totals[part]
    images, channels, height, pixels = shape
    out_channels, out_height, out_width = grad_shape
    tiles = (-(-out_height // tile), -(-out_width // tile))
    pitch, out_pitch = tiles[1] * tile + PATCH - tile, tiles[1] * tile
    wide, height_a = -(-channels // lanes) * lanes, max(1, lanes // 2)
    row_count = min(out_channels, at_once) if at_once else out_channels
    high = -(-row_count // lanes) * lanes
    value_step, grad_step, total_step = most * wide + lanes, most * high + lanes, high * wide + lanes
    grads = POINTS * value_step
    seen = np.empty(max(1, min(height, block[1] * tile + PATCH - tile) * pixels), np.int64)
    given = np.empty(block[1] * tile * out_width, np.int64)
    all_blocks = -(-images // block[0]) * -(-tiles[0] // block[1])
    unit_0, unit_1, block_0, block_1 = (first, end, 0, all_blocks) if at_once else (0, 1, first, end)
    held = -1
    for unit in range(unit_0, unit_1):
        o0, o1 = unit * row_count, min(out_channels, (unit + 1) * row_count)
        for index in range(block_0, block_1):
            n0, n1, y0, y1 = block_of_compiled(index, images, tiles, block)
            count = (y1 - y0) * tiles[1]
            if index != held:
                held = index
                rows, row = (y1 - y0) * tile + PATCH - tile, y0 * tile - corner[0]
                r0, r1 = max(row, 0), min(row + rows, height)
                place_compiled(seen, r1 - r0, pixels, r0 - row, corner[1], rows, pitch, lanes)
                planes[: rows * pitch * lanes] = 0
                for n in range(n0, n1):
                    for c in range(0, channels, lanes):
                        turn_in_compiled(
                            planes, seen, max(0, r1 - r0) * pixels, source,
                            ((n * channels + c) * height + r0) * pixels, height * pixels, min(lanes, channels - c),
                        )  # fmt: skip
                        at = c * most + (n - n0) * count * lanes
                        for y in range(y1 - y0):
                            for x in range(tiles[1]):
                                origin = (y * pitch + x) * tile * lanes
                                spread_pixels(values, at, value_step, planes, origin, pitch * lanes)
                                at += lanes
            out_rows = min(y1 * tile, out_height) - y0 * tile
            place_compiled(given, out_rows, out_width, 0, 0, (y1 - y0) * tile, out_pitch, lanes)
            planes[: (y1 - y0) * tile * out_pitch * lanes] = 0
            for n in range(n0, n1):
                for o in range(o0, o1, lanes):
                    turn_in_compiled(
                        planes, given, out_rows * out_width, grad,
                        ((n * out_channels + o) * out_height + y0 * tile) * out_width, out_height * out_width,
                        min(lanes, o1 - o),
                    )  # fmt: skip
                    at = grads + (o - o0) * most + (n - n0) * count * lanes
                    for y in range(y1 - y0):
                        for x in range(tiles[1]):
                            origin = (y * out_pitch + x) * tile * lanes
                            if tile == 4:
                                spread_grads_4(values, at, grad_step, planes, origin, out_pitch * lanes)
                            else:
                                spread_grads_2(values, at, grad_step, planes, origin, out_pitch * lanes)
                            at += lanes
            sums, add = (n1 - n0) * count, index > block_0
            for e in range(POINTS):
                for c in range(0, wide, 2 * lanes):
                    b_at = e * value_step + c * most
                    for o in range(0, o1 - o0, lanes):
                        a_at, c_at = grads + e * grad_step + o * most, e * total_step + o * wide + c
                        if c + lanes == wide:
                            outer_1(total, c_at, wide, values, a_at, values, b_at, 0, sums, add)
                        else:
                            for r in range(0, lanes, height_a):
                                outer_2(
                                    total, c_at + r * wide, wide,
                                    values, a_at + r, values, b_at, most * lanes, sums, add,
                                )  # fmt: skip
        if at_once:
            transform_gradients_compiled(
                totals[part : part + 1], gradient, tile, row_count, channels, o0, checks, part, o0, o1
            )


multiply_tiles_compiled = compiled(multiply_tiles)
