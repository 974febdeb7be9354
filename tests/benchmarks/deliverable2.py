"""Deliverable 2's training step on our layers beside the same step on torch's.

    python -m tests.benchmarks.deliverable2 [--pairs N] [--json FILE]

One network is built twice from one seed: HW3's Figure 1 on `reference.nn` and on `torch.nn`. A step is
`zero_grad`, forward, cross-entropy, backward, Adam. The two take turns, step by step, so that whatever else the
machine does falls on both; the ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import reference.nn

BATCHES = (64, 128, 256)
WARM_UP = 10  # steps before the clock: compilation, thread pools, the allocator


def figure_1(convolution: type[nn.Module], pooling: type[nn.Module]) -> nn.Sequential:
    """HW3's Figure 1 over the given layers, with the same first parameters at every call."""
    torch.manual_seed(0)
    return nn.Sequential(
        convolution(1, 3, 3, stride=1, padding=1), nn.ReLU(), pooling(2, 2),  # (N, 3, 14, 14)
        convolution(3, 6, 3, stride=1, padding=1), nn.ReLU(), pooling(2, 2),  # (N, 6, 7, 7)
        nn.Flatten(), nn.Linear(294, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


NETWORKS: dict[str, Callable[[], nn.Sequential]] = {
    "ours": lambda: figure_1(reference.nn.Conv2d, reference.nn.MaxPool2d),
    "torch": lambda: figure_1(nn.Conv2d, nn.MaxPool2d),
}


def training_step(network: nn.Module, batch: int) -> Callable[[], torch.Tensor]:
    """One optimisation step on a fixed batch of noise, as a function without arguments that returns the loss."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 1, 28, 28, generator=generator)
    labels = torch.randint(10, (batch,), generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def interleaved(ours: Callable[[], object], theirs: Callable[[], object], pairs: int) -> dict[str, float]:
    """Time two functions in turns.

    Returns:
        Median milliseconds of each under `"ours"` and `"torch"`, and under `"ratio"` the median over the
        pairs of theirs / ours.
    """
    for _ in range(WARM_UP):
        ours(), theirs()
    times = {"ours": [], "torch": []}
    for _ in range(pairs):
        for name, function in (("ours", ours), ("torch", theirs)):
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    ratios = [theirs / ours for ours, theirs in zip(times["ours"], times["torch"])]
    medians = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    return {**medians, "ratio": statistics.median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200, help="steps of each network per batch size")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    print(f"{'batch':>6}{'ours, ms':>12}{'torch, ms':>12}{'ratio':>9}")
    rows = {}
    for batch in BATCHES:
        steps = {name: training_step(build(), batch) for name, build in NETWORKS.items()}
        rows[batch] = interleaved(steps["ours"], steps["torch"], options.pairs)
        print(f"{batch:>6}{rows[batch]['ours']:>12.2f}{rows[batch]['torch']:>12.2f}{rows[batch]['ratio']:>8.2f}x")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
