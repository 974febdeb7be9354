"""The compiled loops of `depthwise` for small images: a channel's pixels and the next channel's are one run.

A row of 7 pixels leaves half of a vector of 16 empty, and what a plane of four such vectors needs besides its nine
multiply-adds a vector takes longer than they do. But in memory the channels of an image follow one another, and an
image inside one row and column of zeros is as large as its result: vector v of the run sees through tap (i, j) the
same run from (i - 1)*W + j - 1 numbers further on, but for lanes at the edge of a plane.

    sums:      out[p] = start[c] + sum over t of  weight[c, t] * source[p + shift[t]]   where tap t is inside
    products:  total[c, t] += sum over p of  grad[p] * source[p + shift[t]]             likewise

So no lane is lost, and which lanes a tap sees is the same for every image: a vector's masks and its weights, of two
channels where it holds the end of one and the start of the next, are made once for some images. That leaves nine loads
for nine multiply-adds, all that a processor can load, in a loop without questions. Each loop is written in numpy, which
says what it means and runs under `NUMBA_DISABLE_JIT=1`, and as LLVM vectors.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

TAPS = 9  # of a kernel of 3x3
# Of a vector in `run`: its first pixel, the channel of that, the lanes of the next channel; then its taps' lanes.
FIRST, CHANNEL, NEXT = range(3)
IMAGES = 16  # that share what is made for a vector: each is a row of memory to read and one to write
NUMBERS_AHEAD = 128  # so far ahead each image's numbers are asked for


@lru_cache(maxsize=128)
def run(channels: int, size: tuple[int, int], itemsize: int) -> np.ndarray:
    """The vectors of an image, whose planes have at least a vector of pixels.

    Args:
        channels: C. size: (H, W) of the image and of its result.

    Returns:
        int64 (V, 3 + 9), per vector of the run: its first pixel, counted through all channels; the channel of that
        one; then, with a bit for each lane, which pixels are the next channel's; and per tap which see a pixel. The
        last vector has as many bits as there are pixels left.
    """
    (height, width), lanes = size, VECTOR_BYTES // itemsize
    pixels = channels * height * width
    place = np.arange(-(-pixels // lanes) * lanes).reshape(-1, lanes)
    channel, y, x = place // (height * width), place // width % height, place % width
    found = [place[:, 0], channel[:, 0], _bits(channel > channel[:, :1])]
    for i in range(3):
        for j in range(3):
            row, column = y + i - 1, x + j - 1
            found.append(_bits((place < pixels) & (0 <= row) & (row < height) & (0 <= column) & (column < width)))
    return np.stack(found, 1).astype(np.int64)


def _bits(lanes: np.ndarray) -> np.ndarray:
    return lanes @ (1 << np.arange(lanes.shape[1]))


def _lanes(bits, lanes):
    return np.array([bits >> lane & 1 == 1 for lane in range(lanes)])


def _seen(source, at, used):
    """The numbers of the source from `at` on in the lanes that are used, zero in the others."""
    seen = np.zeros(used.size, source.dtype)
    seen[used] = source[at + np.flatnonzero(used)]
    return seen


def _plain_sums(out, source, at, step, images, width, vectors, v, weights, turned, start, last):
    lanes = VECTOR_BYTES // out.itemsize
    c, following = vectors[v, CHANNEL], min(vectors[v, CHANNEL] + 1, last)
    of_next, inside = _lanes(vectors[v, NEXT], lanes), _lanes(vectors[v, NEXT + 1 + TAPS // 2], lanes)
    for n in range(images):
        here = at + n * step + vectors[v, FIRST]
        total = np.where(of_next, start[following], start[c])
        for t in range(TAPS):
            tap = TAPS - 1 - t if turned else t
            weight = np.where(of_next, weights[following * TAPS + tap], weights[c * TAPS + tap])
            shift = (t // 3 - 1) * width + t % 3 - 1
            total = total + weight * _seen(source, here + shift, _lanes(vectors[v, NEXT + 1 + t], lanes))
        out[here + np.flatnonzero(inside)] = total[inside]


def _plain_products(total, grad, source, at, step, images, width, vectors, v, last):
    lanes = VECTOR_BYTES // grad.itemsize
    c, following = vectors[v, CHANNEL], min(vectors[v, CHANNEL] + 1, last)
    of_next, inside = _lanes(vectors[v, NEXT], lanes), _lanes(vectors[v, NEXT + 1 + TAPS // 2], lanes)
    for n in range(images):
        here = at + n * step + vectors[v, FIRST]
        upstream = _seen(grad, here, inside)
        for t in range(TAPS):
            shift = (t // 3 - 1) * width + t % 3 - 1
            products = upstream * _seen(source, here + shift, _lanes(vectors[v, NEXT + 1 + t], lanes))
            for channel, used in ((c, ~of_next), (following, of_next)):
                to = (channel * TAPS + t) * lanes
                total[to : to + lanes][used] += products[used]


class _Vector:
    """What both loops know of vector v of the run: where it lies, its masks, its channels."""

    def __init__(self, context, v, vectors, index, width, last):
        self.v, builder = v, v.builder
        number = self.number = lambda value: context.get_constant(types.intp, value)

        def entry(i):
            return builder.load(v.address(vectors, builder.mul(index, number(NEXT + 1 + TAPS)), number(i)))

        self.first, self.channel, self.next_bits = (entry(i) for i in range(NEXT + 1))
        self.of_next = v.lanes_of(self.next_bits)
        self.masks = [v.lanes_of(entry(NEXT + 1 + t)) for t in range(TAPS)]
        self.inside = self.masks[TAPS // 2]
        following = builder.add(self.channel, number(1))
        self.following = builder.select(builder.icmp_signed("<", following, last), following, last)
        self.shifts = [
            builder.add(builder.mul(width, number(t // 3 - 1)), number(t % 3 - 1)) for t in range(TAPS)
        ]  # fmt: skip

    def of_channels(self, data, step, place):
        """Number `place` of the `step` numbers of its channel, in every lane."""
        v, builder = self.v, self.v.builder
        here, there = (
            v.splat(data, builder.mul(c, step), place) for c in (self.channel, self.following)
        )
        return builder.select(self.of_next, there, here)

    def seen(self, source, here):
        """What each tap sees from `here`."""
        return [self.v.masked_load(mask, source, here, shift) for mask, shift in zip(self.masks, self.shifts)]


@intrinsic
def _compiled_sums(typingctx, out, source, at, step, images, width, vectors, v, weights, turned, start, last):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        at, step, images, width, index, turned, last = (args[i] for i in (2, 3, 4, 5, 7, 9, 11))
        out, source, vectors, weights, start = (v.pointer(signature.args[i], args[i]) for i in (0, 1, 6, 8, 10))
        vector = _Vector(context, v, vectors, index, width, last)
        number = vector.number
        places = [builder.select(turned, number(TAPS - 1 - t), number(t)) for t in range(TAPS)]
        weight = [vector.of_channels(weights, number(TAPS), place) for place in places]
        begin = vector.of_channels(start, number(1), number(0))

        def image(n, _):
            here = builder.add(builder.add(at, vector.first), builder.mul(n, step))
            v.prefetch(source, here, number(NUMBERS_AHEAD))
            v.prefetch(out, here, number(NUMBERS_AHEAD), write=True)
            total = begin
            for tap, seen in zip(weight, vector.seen(source, here)):
                total = v.multiply_add(total, tap, seen)
            v.masked_store(vector.inside, total, out, here)
            return []

        v.loop(number(0), images, number(1), [], image)
        return context.get_dummy_value()

    n = types.intp
    return types.void(out, source, n, n, n, n, vectors, n, weights, types.boolean, start, n), codegen


@intrinsic
def _compiled_products(typingctx, total, grad, source, at, step, images, width, vectors, v, last):
    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        at, step, images, width, index, last = (args[i] for i in (3, 4, 5, 6, 8, 9))
        total, grad, source, vectors = (v.pointer(signature.args[i], args[i]) for i in (0, 1, 2, 7))
        vector = _Vector(context, v, vectors, index, width, last)
        number = vector.number

        def image(n, totals):
            here = builder.add(builder.add(at, vector.first), builder.mul(n, step))
            v.prefetch(source, here, number(NUMBERS_AHEAD))
            v.prefetch(grad, here, number(NUMBERS_AHEAD))
            upstream = v.masked_load(vector.inside, grad, here)
            return [v.multiply_add(old, upstream, seen) for old, seen in zip(totals, vector.seen(source, here))]

        totals = v.loop(number(0), images, number(1), [v.zeros()] * TAPS, image)

        def add(channel, chosen):
            to = builder.mul(channel, number(TAPS * v.lanes))
            for t, new in enumerate(chosen):
                place = number(t * v.lanes)
                v.store(builder.fadd(v.load(total, to, place), new), total, to, place)

        add(vector.channel, [builder.select(vector.of_next, v.zeros(), new) for new in totals])
        with builder.if_then(builder.icmp_signed("!=", vector.next_bits, number(0))):
            add(vector.following, [builder.select(vector.of_next, new, v.zeros()) for new in totals])
        return context.get_dummy_value()

    n = types.intp
    return types.void(total, grad, source, n, n, n, n, vectors, n, n), codegen


# For vector v of the run, of `images` images from `at` on and `step` apart: see the file's head.
_sums = _plain_sums if numba.config.DISABLE_JIT else _compiled_sums
_products = _plain_products if numba.config.DISABLE_JIT else _compiled_products


def run_sums(weights, start, target, source, shape, vectors, turned, chunks, first, end):
    """Write images of the target, each number a sum over the nine taps of its channel of the source.

    Args:
        weights: flat (C, 9). start: (C,) what each channel starts from. target, source: flat (N, C, H, W).
        shape: (N, C, H, W). vectors: see `run`. turned: whether the kernels are turned by half a turn.
        chunks: parts of the vectors. first, end: the units of work to do, each a part of the vectors of some images.
    """
    (images, channels, height, width), count = shape, vectors.shape[0]
    step = channels * height * width
    for unit in range(first, end):
        n, chunk = unit // chunks * IMAGES, unit % chunks
        for v in range(count * chunk // chunks, count * (chunk + 1) // chunks):
            _sums(
                target, source, n * step, step, min(IMAGES, images - n), width, vectors, v, weights, turned, start,
                channels - 1,
            )  # fmt: skip


def run_products(grad, source, totals, shape, vectors, part, first, end):
    """totals[part] = the products of the output's channels with what the nine taps see of them.

    Args:
        grad, source: flat (N, C, H, W). totals: flat (parts, C, 9, lanes), one partial sum per lane.
        shape: (N, C, H, W). vectors: see `run`. first, end: the images to do.
    """
    _, channels, height, width = shape
    step, count = channels * height * width, channels * TAPS * (VECTOR_BYTES // source.itemsize)
    total = totals[part * count : (part + 1) * count]
    total[:] = 0
    for n in range(first, end, IMAGES):
        for v in range(vectors.shape[0]):
            _products(total, grad, source, n * step, step, min(IMAGES, end - n), width, vectors, v, channels - 1)


run_sums_compiled, run_products_compiled = compiled(run_sums), compiled(run_products)
