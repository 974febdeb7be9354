"""How fast max-pooling with its gradient can be at most on this machine, beside ours and torch's.

    python -m tests.benchmarks.pool_bound [--seconds S] [--batch N ...]

Pooling has no arithmetic to speak of, so memory sets its least time. `moved` is that time: the least of two loops that
read and write all that max-pooling and its gradient must, once, in order, in whole vectors, on the same threads, without
rows, windows, NaN or autograd; the second writes gradients past the caches. Bytes: 4 per pixel read and 5 per window
written, then as many the other way round. `called` is the same as an autograd function in Python. All take turns with
torch's two layouts under the same conditions: torch / moved is the greatest ratio that any kernel could reach, and
torch / called any that is called from Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from data_scripts import machine
from reference.kernels import memory, parallel
from reference.kernels.compiled import compiled
from reference.kernels.pooling import lanes as v
from reference.kernels.pooling.direct import OPERATIONS_PER_PIXEL, PAST_BYTES
from tests.benchmarks.peers import PEERS, TRAINING, step
from tests.benchmarks.results import geometric_mean
from tests.benchmarks.suite import POOLINGS, PoolShape
from tests.benchmarks.timing import Effort, in_turns, medians, ratio

LANES = v.LANES
PIXELS = 4 * LANES  # of a step


def _read_pixels(pixels, output, winners, first, end):
    """Read steps first to end of an image and write a vector of maxima and of winners for each, while there are any."""
    whole, zero, one = v.below(LANES), pixels.dtype.type(0), v.splat(winners.dtype.type(1))
    best = v.splat(zero)
    for i in range(first, end):
        v.read_ahead(pixels, i * PIXELS)
        v.read_ahead(pixels, i * PIXELS + PIXELS // 2)
        for x in range(i * PIXELS, (i + 1) * PIXELS, LANES):
            best = v.greater(v.load(pixels, x, whole, zero), best)
        if i * LANES < output.size:
            v.store(best, output, i * LANES, whole)
            v.store(one, winners, i * LANES, whole)
    v.store(best, output, 0, whole)


def _write_pixels(grad, winners, pixels, past, first, end):
    """The same the other way round."""
    whole, zero, none = v.below(LANES), pixels.dtype.type(0), winners.dtype.type(0)
    number = v.splat(zero)
    for i in range(first, end):
        if i * LANES < grad.size:
            taps = v.load(winners, i * LANES, whole, none)
            number = v.choose(v.equal(taps, v.splat(none)), v.splat(zero), v.load(grad, i * LANES, whole, zero))
        if not past:
            v.write_ahead(pixels, i * PIXELS)
            v.write_ahead(pixels, i * PIXELS + PIXELS // 2)
        for x in range(i * PIXELS, (i + 1) * PIXELS, LANES):
            if past:
                v.store_past_caches(number, pixels, x)
            else:
                v.store(number, pixels, x, whole)


read_pixels, write_pixels = compiled(_read_pixels), compiled(_write_pixels)


def moves(shape: PoolShape, batch: int, past: bool) -> tuple[Callable, Callable]:
    """All bytes of max-pooling and its gradient moved once, without and with autograd: functions of no arguments."""
    image, upstream = torch.randn(batch, *shape.input).requires_grad_(), torch.randn(batch, *shape.output)
    pixels, grad = image.detach().numpy().reshape(-1), upstream.numpy().reshape(-1)
    steps = pixels.size // PIXELS  # batches of 64 and more have whole ones
    parts = parallel.parts(steps, pixels.size * OPERATIONS_PER_PIXEL)

    def there() -> tuple[torch.Tensor, torch.Tensor]:
        output, winners = memory.empty(upstream.shape, torch.float32), memory.empty(upstream.shape, torch.uint8)
        parallel.run(read_pixels, parts, steps, pixels, output.numpy().reshape(-1), winners.numpy().reshape(-1))
        return output, winners

    def back(winners: torch.Tensor) -> torch.Tensor:
        result = memory.empty(image.shape, torch.float32)
        numbers = winners.numpy().reshape(-1), result.numpy().reshape(-1)
        parallel.run(write_pixels, parts, steps, grad, *numbers, past)
        return result

    def plain() -> torch.Tensor:
        output, winners = there()  # both live on to the end, as a layer's do
        return back(winners)

    return plain, lambda: torch.autograd.grad(Moved.apply(image, there, back), image, upstream)


class Moved(torch.autograd.Function):
    """Both loops as forward and backward pass."""

    @staticmethod
    def forward(ctx, image, there: Callable, back: Callable):
        output, winners = there()
        ctx.save_for_backward(winners)
        ctx.back = back
        return output

    @staticmethod
    def backward(ctx, grad):
        return ctx.back(*ctx.saved_tensors), None, None


def beside(shape: PoolShape, batch: int, effort: Effort) -> dict[str, float]:
    """Seconds of moving the bytes, without and with a call, of ours and of the faster torch; and ratios to the last."""
    functions = {peer.name: step(peer, shape, batch, TRAINING) for peer in PEERS}
    large = batch * shape.input[0] * shape.input[1] * shape.input[2] * 4 >= PAST_BYTES
    for past in (False, True)[: 1 + large]:
        functions[f"moved, {past}"], functions[f"called, {past}"] = moves(shape, batch, past)
    times = in_turns(functions, effort)
    found = medians(times)
    torchs, moved, called = (min((name for name in found if name.startswith(start)), key=found.__getitem__)
                             for start in ("torch", "moved", "called"))  # fmt: skip
    return {
        "moved": found[moved], "called": found[called], "ours": found["ours"], "torch": found[torchs],
        "torch / ours": ratio(times["ours"], times[torchs]), "torch / called": ratio(times[called], times[torchs]),
        "torch / moved": ratio(times[moved], times[torchs]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.6, help="per row (default: %(default)s)")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 128], help="multiples of 64 (default: 64 128)")
    asked = parser.parse_args()
    torch.set_flush_denormal(True)
    rows = {
        (shape.name, batch): beside(shape, batch, Effort(asked.seconds))
        for shape in POOLINGS if shape.kind == "max" for batch in asked.batch
    }  # fmt: skip
    columns = list(next(iter(rows.values())))
    table = Table("shape", "batch", *columns, title="max-pooling, forward and backward; milliseconds and ratios")
    for (name, batch), row in rows.items():
        table.add_row(name, str(batch), *(f"{row[c]:.2f}" if "/" in c else f"{1e3 * row[c]:.3f}" for c in columns))
    means = [f"{geometric_mean([row[c] for row in rows.values()]):.2f}" if "/" in c else "" for c in columns]
    table.add_row("geometric mean", "", *means)
    console = Console(width=120)
    console.print(f"{machine.hardware()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    console.print(table)


if __name__ == "__main__":
    main()
