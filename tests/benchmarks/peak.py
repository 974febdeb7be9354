"""What this machine can do at most: multiply-adds on registers, and bytes through memory.

Both are measured, with all of torch's threads at once, since a processor's clock under vector instructions is in no
data sheet. Rates of layers are given as shares of these. A convolution can pass 100 % when its algorithm needs fewer
operations than the definition, by which all are counted (Winograd).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numba import types
from numba.extending import intrinsic

from reference.kernels import parallel
from reference.kernels.compiled import compiled
from reference.kernels.vectors import VECTOR_BYTES, Vectors

TOTALS = 12  # running sums: more than any processor has multiply-adds in flight, fewer than the least has registers
STEPS = 1 << 22
SECONDS = 1.0  # for each of the two rates; the best run of them counts
COPIED = 1 << 26  # float32 numbers: many times the last-level cache


@intrinsic
def _multiply_adds(typingctx, numbers, count):
    """numbers[i] = 0.5 * numbers[i] + 1, `count` times, on `TOTALS` vectors that stay in registers."""

    def codegen(context, builder, signature, args):
        v = Vectors(context, builder, signature.args[0].dtype)
        data, count = v.pointer(signature.args[0], args[0]), args[1]

        def number(value):
            return context.get_constant(types.intp, value)

        half, one = v.splat(data, number(0)), v.splat(data, number(1))
        starts = [v.load(data, number(2 + i * v.lanes)) for i in range(TOTALS)]

        def body(_, totals):
            return [v.multiply_add(one, half, total) for total in totals]

        for i, total in enumerate(v.loop(number(0), count, number(1), starts, body)):
            v.store(total, data, number(2 + i * v.lanes))
        return context.get_dummy_value()

    return types.void(numbers, types.intp), codegen


def _multiply_adds_kernel(numbers, count, first, end):
    for thread in range(first, end):
        _multiply_adds(numbers[thread], count)


_multiply_adds_compiled = compiled(_multiply_adds_kernel)


@dataclass(frozen=True)
class Peak:
    """Float32 operations per second, and bytes read and written per second, of all threads together."""

    operations_per_second: float
    bytes_per_second: float


def measure() -> Peak:
    """This machine's, now; about two seconds."""
    return Peak(operations_per_second(), bytes_per_second())


def operations_per_second() -> float:
    """Float32 operations per second of a loop of multiply-adds that never touches memory, on all threads at once."""
    threads = torch.get_num_threads()
    lanes = VECTOR_BYTES // 4
    numbers = np.ones((threads, 2 + TOTALS * lanes), np.float32)
    numbers[:, 0] = 0.5

    def run():
        parallel.run(_multiply_adds_compiled, threads, threads, numbers, STEPS)

    return 2 * TOTALS * lanes * STEPS * threads / _least_seconds(run)


def bytes_per_second() -> float:
    """Bytes read and written per second by torch's copy of a tensor that no cache holds."""
    source = torch.zeros(COPIED)
    target = torch.empty_like(source)
    return 2 * 4 * COPIED / _least_seconds(lambda: target.copy_(source))


def _least_seconds(function) -> float:
    function()  # compiled, and its memory present
    times: list[float] = []
    while sum(times) < SECONDS:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
