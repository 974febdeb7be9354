"""The compiled loops of `gemm`'s weight gradient: sums of outer products over the pixels that a tap sees.

    total[o, c, i, j] = sum over n, y, x of  image[n, c, y*s + i*d - p, x*s + j*d - p] * grad[n, o, y, x]

Images and gradients are turned, a block of images at a time, so that the channels of a pixel lie side by side: R
of the image's in one panel, W of the gradient's in another. Every tap then reads the same two panels, over just the
pixels where it is inside the image, and its R x W sums stay in registers over all pixels of the block.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.convolution.gemm_pack import cells_compiled, fill_transposed_compiled, transpose
from reference.kernels.convolution.gemm_tile import HEIGHTS, VECTORS, initial
from reference.kernels.vectors import VECTOR_BYTES, Vectors


def _plain_outer(rows: int):
    def outer(
        c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
    ):
        lanes = VECTORS * VECTOR_BYTES // c.itemsize
        total = np.zeros((rows, lanes), c.dtype)
        for n in range(images):
            for y in range(height):
                for x in range(width):
                    left = a_at + n * a_image + y * a_row + x * a_step
                    right = b_at + n * b_image + y * b_row + x * lanes
                    total += a[left : left + rows, None] * b[right : right + lanes]
        for r in range(rows):
            row = c[c_at + r * c_step : c_at + r * c_step + lanes]
            row[:] = total[r] + (row if add else 0)

    return outer


def _compiled_outer(rows: int):
    @intrinsic
    def outer(
        typingctx, c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width,
        zeros, add,
    ):  # fmt: skip
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width = args[:15]
            c, a, b, zeros = (v.pointer(signature.args[i], args[i]) for i in (0, 3, 8, 15))

            def number(value):
                return context.get_constant(types.intp, value)

            def over(count, totals, body):
                return v.loop(number(0), count, number(1), totals, body)

            def at(first, index, step):
                return builder.add(first, builder.mul(index, step))

            def image(n, totals):
                image_a, image_b = at(a_at, n, a_image), at(b_at, n, b_image)

                def row(y, totals):
                    row_a, row_b = at(image_a, y, a_row), at(image_b, y, b_row)

                    def pixel(x, totals):
                        left, right = at(row_a, x, a_step), at(row_b, x, number(VECTORS * v.lanes))
                        vectors = [v.load(b, right, number(k * v.lanes)) for k in range(VECTORS)]
                        results = []
                        for r in range(rows):
                            scalar = v.splat(a, left, number(r))
                            results += [
                                v.multiply_add(totals[r * VECTORS + k], scalar, vectors[k]) for k in range(VECTORS)
                            ]
                        return results

                    return over(width, totals, pixel)

                return over(height, totals, row)

            lines = [at(c_at, number(r), c_step) for r in range(rows)]
            places = [builder.add(line, number(k * v.lanes)) for line in lines for k in range(VECTORS)]
            starts = initial(v, c, places, rows, zeros, number(0), args[16], number)
            for total, place in zip(over(images, starts, image), places):
                v.store(total, c, place)
            return context.get_dummy_value()

        n = types.intp
        arguments = [c, n, n, a, n, n, n, n, b, n, n, n, n, n, n, zeros, types.boolean]
        return types.void(*arguments), codegen

    return outer


_outer = _plain_outer if numba.config.DISABLE_JIT else _compiled_outer
_outer_0, _outer_1, _outer_2, _outer_3, _outer_4 = (_outer(rows) for rows in HEIGHTS)


def outer(
    rows, c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
):
    """C (R x W) (+)= the sum over images, rows and columns of pixels of A's R numbers times B's W numbers there.

    Args:
        rows: R, one of `HEIGHTS`. c, c_at, c_step: flat, row r at c_at + r*c_step.
        a, a_at, a_image, a_row, a_step: flat, where A starts, and its steps between images, rows and columns.
        b, b_at, b_image, b_row: the same of B, whose columns lie W apart.
        images, height, width: how many. zeros: R zeros. add: whether C is added to, or overwritten.
    """
    if rows == HEIGHTS[0]:
        _outer_0(
            c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
        )  # fmt: skip
    elif rows == HEIGHTS[1]:
        _outer_1(
            c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
        )  # fmt: skip
    elif rows == HEIGHTS[2]:
        _outer_2(
            c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
        )  # fmt: skip
    elif rows == HEIGHTS[3]:
        _outer_3(
            c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
        )  # fmt: skip
    else:
        _outer_4(
            c, c_at, c_step, a, a_at, a_image, a_row, a_step, b, b_at, b_image, b_row, images, height, width, zeros, add
        )  # fmt: skip


outer_compiled = compiled(outer)


def _fill_panels(panels, cuts, source, source_at, runs, run):
    """Turn one image: the panel of channels r0 to r0 + R holds, for every pixel, its R channels; from r0*H*W on.

    Args:
        panels: written, and up to a vector past the last panel. source, source_at: flat, where the image starts.
        runs: which runs of `run` neighbouring pixels to turn, bool.
    """
    lanes, plane = VECTOR_BYTES // panels.itemsize, runs.shape[0] * run
    for panel in range(cuts.shape[0] - 1):
        r0, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
        out, at = r0 * plane, source_at + r0 * plane
        for y in range(runs.shape[0]):
            if not runs[y]:
                continue
            # What a vector spills is written later: pixels and panels in rising order, rows from the last.
            for x in range(y * run, (y + 1) * run - lanes + 1, lanes):
                for i in range((rows - 1) // lanes * lanes, -1, -lanes):
                    transpose(panels, out + x * rows + i, rows, source, at + i * plane + x, plane, rows - i, lanes)
            for x in range(y * run + run // lanes * lanes, (y + 1) * run):
                for i in range(rows):
                    panels[out + x * rows + i] = source[at + i * plane + x]


_fill_panels_compiled = compiled(_fill_panels)


def outer_products(
    grad, grad_shape, source, shape, groups, kernel_size, stride, corner, dilation, cuts, totals, scratch, block,
    images, by_channel, part, first, end,
):  # fmt: skip
    """totals[g, o panel, (c, i, j), W] = the weight's gradient over images first to end, or of panels first to end.

    Args:
        grad: flat. grad_shape: (O, OH, OW). source: flat. shape: (C, H, W).
        groups: G. kernel_size, stride, corner, dilation: (height, width); corner is the padding at the top and left.
        cuts: `gemm_tile.row_cuts(C/G)`.
        totals: (parts, numbers), written: each part's sums over its images, or one row where parts are of channels.
        scratch: (parts, block * numbers of a turned image and gradient, and a vector more). block: images at a time.
        images: N. by_channel: whether first to end are panels of each group's output channels, not images.
    """
    lanes = VECTOR_BYTES // grad.itemsize
    width = VECTORS * lanes
    channels, height, source_width = shape
    per_group, out_per_group = channels // groups, grad_shape[0] // groups
    plane, grad_plane, taps = height * source_width, grad_shape[1] * grad_shape[2], kernel_size[0] * kernel_size[1]
    panels_all = -(-out_per_group // width)
    image_first, image_end, panel_first, panel_end = 0, images, first, end
    if not by_channel:
        image_first, image_end, panel_first, panel_end = first, end, 0, panels_all
    total = totals[0 if by_channel else part]
    o_first, o_end = panel_first * width, min(out_per_group, panel_end * width)
    image_step = per_group * plane + width
    grad_step = (panel_end - panel_first) * width * grad_plane
    grads, turned = scratch[part, : block * grad_step], scratch[part, block * grad_step :]
    zeros = np.zeros(HEIGHTS[0], grad.dtype)
    runs = np.zeros(height, np.bool_)  # the rows that a tap sees
    for i in range(kernel_size[0]):
        shift = i * dilation[0] - corner[0]
        y0, y1 = cells_compiled(height, grad_shape[1], stride[0], shift)
        for y in range(y0, y1):
            runs[y * stride[0] + shift] = True
    if runs.all():
        runs = runs[:1]  # the whole image is one run
    for n0 in range(image_first, image_end, block):
        some = min(block, image_end - n0)
        for g in range(groups):
            for n in range(some):
                at = ((n0 + n) * grad_shape[0] + g * out_per_group + o_first) * grad_plane
                fill_transposed_compiled(
                    grads[n * grad_step :], width * grad_plane, grad, at, o_end - o_first, grad_plane, grad_plane
                )
                at = ((n0 + n) * channels + g * per_group) * plane
                _fill_panels_compiled(turned[n * image_step :], cuts, source, at, runs, plane // runs.shape[0])
            for p in range(panel_first, panel_end):
                b_at = (p - panel_first) * width * grad_plane
                for panel in range(cuts.shape[0] - 1):
                    c, rows = cuts[panel], cuts[panel + 1] - cuts[panel]
                    for i in range(kernel_size[0]):
                        down = i * dilation[0] - corner[0]
                        y0, y1 = cells_compiled(height, grad_shape[1], stride[0], down)
                        for j in range(kernel_size[1]):
                            right = j * dilation[1] - corner[1]
                            x0, x1 = cells_compiled(source_width, grad_shape[2], stride[1], right)
                            seen = (y0 * stride[0] + down) * source_width + x0 * stride[1] + right
                            k = ((g * panels_all + p) * per_group + c) * taps + i * kernel_size[1] + j
                            outer_compiled(
                                rows, total, k * width, taps * width,
                                turned, c * plane + seen * rows, image_step, stride[0] * source_width * rows,
                                stride[1] * rows,
                                grads, b_at + (y0 * grad_shape[2] + x0) * width, grad_step, grad_shape[2] * width,
                                some, y1 - y0 if x1 > x0 else 0, x1 - x0, zeros, n0 > image_first,
                            )  # fmt: skip


def finish(total, parts, part_step, gradient, out_per_group, count, first, end):
    """gradient[o, k] = the sum over parts of total[o // W, k, o % W]; panels count through all groups.

    Args:
        total: flat, added up in its first part. part_step: numbers between parts. gradient: flat, written.
        out_per_group: O/G. count: K. first, end: the panels of W output channels to do.
    """
    lanes = VECTOR_BYTES // total.itemsize
    width = VECTORS * lanes
    per_group = -(-out_per_group // width)
    for p in range(first, end):
        at = p * count * width
        for part in range(1, parts):
            for x in range(at, at + count * width):
                total[x] += total[part * part_step + x]
        o_first = p % per_group * width
        for o in range(o_first, min(out_per_group, o_first + width), lanes):
            rows, to = min(lanes, out_per_group - o), (p // per_group * out_per_group + o) * count
            k = 0
            if rows == lanes:
                while k + lanes <= count:
                    transpose(gradient, to + k, count, total, at + k * width + o - o_first, width, lanes, 0)
                    k += lanes
            for k in range(k, count):
                for i in range(rows):
                    gradient[to + i * count + k] = total[at + k * width + o - o_first + i]


outer_products_compiled, finish_compiled = compiled(outer_products), compiled(finish)
