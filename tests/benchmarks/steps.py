"""One convolution, computed in every way from the seven loops on: what each idea is worth.

    python -m tests.benchmarks.steps [--batch N] [--channels C] [--out-channels O] [--size S] [--seconds T]

A forward pass of a 3x3 layer with padding 1, by every algorithm of `reference.kernels` that takes it and by torch in
both memory layouts, in turns; medians. The plain Python loops compute one output channel of one image, and their time
is multiplied. All rates count the operations of the definition, so an algorithm that needs fewer (Winograd) can pass
the processor's peak. docs/kernels.md walks through the table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from reference.kernels.conv import ALGORITHMS
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.convolution.naive import definition
from tests.benchmarks.timing import Effort, in_turns, medians

GEOMETRY = Geometry(padding=(1, 1, 1, 1))


def ways(images: torch.Tensor, weight: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Every way to compute the layer, by name; the plain Python loops are not among them.

    Args:
        images: (N, C, H, W), float32. weight: (O, C, 3, 3).
    """
    found = {
        name: lambda algorithm=algorithm: algorithm.forward(images, weight, None, GEOMETRY)
        for name, algorithm in ALGORITHMS.items()
        if algorithm.supports(images) and algorithm.takes(tuple(weight.shape), GEOMETRY)
    }
    last = [tensor.contiguous(memory_format=torch.channels_last) for tensor in (images, weight)]
    found["torch, NCHW"] = lambda: F.conv2d(images, weight, padding=1)
    found["torch, channels_last"] = lambda: F.conv2d(*last, padding=1)
    return found


def loops_in_python(images: torch.Tensor, weight: torch.Tensor) -> float:
    """Seconds of the seven loops over the whole batch, from one output channel of one image."""
    n, _, height, width = images.shape
    output = np.zeros((1, 1, height, width), np.float32)
    start = time.perf_counter()
    definition(images[:1].numpy(), weight[:1].numpy(), (1, 1), (1, 1), (1, 1), output)
    return (time.perf_counter() - start) * n * len(weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, number in (("batch", 64), ("channels", 64), ("out-channels", 64), ("size", 16)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--seconds", type=float, default=10, help="for all ways together (default: %(default)s)")
    asked = parser.parse_args()
    torch.set_flush_denormal(True)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(asked.batch, asked.channels, asked.size, asked.size, generator=generator)
    weight = torch.randn(asked.out_channels, asked.channels, 3, 3, generator=generator)
    with torch.inference_mode():
        seconds = {"loops in Python": loops_in_python(images, weight)}
        seconds |= medians(in_turns(ways(images, weight), Effort(asked.seconds)))
    operations = 2 * images.numel() * weight[:, 0].numel()
    table = Table("way", "ms", "GFLOP/s", "times as fast as the loops in Python")
    for name, taken in seconds.items():
        rate, gain = operations / taken / 1e9, seconds["loops in Python"] / taken
        table.add_row(name, f"{taken * 1e3:,.2f}", f"{rate:,.3g}", f"{gain:,.0f}")
    console = Console()
    console.print(
        f"{asked.channels} to {asked.out_channels} channels, 3x3, padding 1, {asked.size}x{asked.size}, batch "
        f"{asked.batch}, float32, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
