"""A training step of EEE7331's two networks, on our layers and on torch's, all side by side.

    python -m tests.benchmarks.eee7331 [--batch N] [--seconds S] [--json FILE]

Both networks of question 1, each on `reference.nn`, and on `torch.nn` in NCHW and in channels_last, from the same first
numbers. A step is `zero_grad`, forward, cross-entropy, backward, Adam, in float32 on a batch of noise. All six take
turns, step by step, so that whatever else the machine does falls on all. An epoch is 50,000 images' worth of steps,
without augmentation and without measuring the test set. The first ratio is the faster torch's time over ours, the
second one part A's time over part B's on the same layers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from data_scripts import machine
from reference.eee7331.assignment1.question1.model import CustomCNN, SeparableCNN
from tests.benchmarks.conditions import keep_freed_memory
from tests.benchmarks.networks import training_step
from tests.benchmarks.timing import Effort, in_turns, medians, ratio

IMAGES = 50_000  # of CIFAR-10's training set
NETWORKS = {"A": CustomCNN, "B": SeparableCNN}
LAYERS = {
    "ours": ("own", torch.contiguous_format),
    "torch NCHW": ("torch", torch.contiguous_format),
    "torch channels_last": ("torch", torch.channels_last),
}


def contenders(batch: int) -> dict[str, object]:
    """One training step of each network on each kind of layers, by names such as "A, ours"."""
    images = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    steps = {}
    for part, network in NETWORKS.items():
        for kind, (layers, layout) in LAYERS.items():
            torch.manual_seed(0)
            net = network(layers=layers).to(memory_format=layout)
            steps[f"{part}, {kind}"] = training_step(net, images.contiguous(memory_format=layout))
    return steps


def compare(batch: int, effort: Effort) -> list[dict]:
    """One row per network and kind of layers.

    Returns:
        `step_ms` (median) and `epoch_seconds`; of our layers `ratio`, the faster torch's time over ours;
        of part B `part_a`, part A's time on the same layers over its own.
    """
    times = in_turns(contenders(batch), effort)
    taken = medians(times)
    rows = []
    for part in NETWORKS:
        faster = min((f"{part}, {kind}" for kind in LAYERS if kind != "ours"), key=taken.__getitem__)
        for kind in LAYERS:
            name = f"{part}, {kind}"
            row = {"part": part, "layers": kind, "step_ms": 1e3 * taken[name]}
            row["epoch_seconds"] = taken[name] * IMAGES / batch
            row["ratio"] = ratio(times[name], times[faster]) if kind == "ours" else None
            row["part_a"] = ratio(times[name], times[f"A, {kind}"]) if part == "B" else None
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128, help="images per step (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="for all rounds (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    asked = parser.parse_args()
    torch.set_flush_denormal(True)
    kept = keep_freed_memory()
    rows = compare(asked.batch, Effort(asked.seconds, least=5, most=300))
    table = Table("part", "layers", "step, ms", "epoch, s", "faster torch / ours", "part A / part B")
    for row in rows:
        ratios = ("" if row[name] is None else f"{row[name]:.2f}" for name in ("ratio", "part_a"))
        table.add_row(row["part"], row["layers"], f"{row['step_ms']:.2f}", f"{row['epoch_seconds']:.1f}", *ratios)
    console = Console()
    console.print(
        f"batch {asked.batch}, float32, {machine.hardware()}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, freed memory {'kept in the process' if kept else 'as the C library has it'}"
    )
    console.print(table)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
