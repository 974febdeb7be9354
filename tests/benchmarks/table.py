"""Every layer of the suite, ours beside torch's in both of its memory layouts.

    python -m tests.benchmarks.table [--quick] [--only REGEX] [--batches N ...] [--markdown FILE] [--json FILE]
    python -m tests.benchmarks.table --algorithms      every algorithm of ours for itself, product by product

All peers run in this process, with the same threads, in turns; the numbers are medians, and a ratio is the median over
the rounds of the faster layout's time / ours. Compilation is over, denormals are off and the operands are in memory
before the clock starts; memory that is freed stays in the process, so that outputs cost nobody page faults.
Convolutions are counted by the operations of their definition; the peak is that of a loop of multiply-adds on
registers. Poolings are counted by the bytes that they read and write at least; beside them stands torch's copy.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import algorithms, conditions, peak, rendering
from tests.benchmarks.peers import FORWARD, PEERS, Direction, agree, directions, step, work
from tests.benchmarks.results import OURS, Row, sections, summaries
from tests.benchmarks.suite import BATCHES, CONVOLUTIONS, INFERENCE_BATCHES, POOLINGS, ConvShape, PoolShape
from tests.benchmarks.timing import Effort, in_turns

Measurement = tuple[str, ConvShape | PoolShape, int, Direction]  # section, shape, batch, direction


def plan(options: argparse.Namespace) -> list[Measurement]:
    """What is measured, in the order of measuring."""
    wanted = [shape for shape in (*CONVOLUTIONS, *POOLINGS) if re.search(options.only, shape.name)]
    found = []
    for shape in wanted:
        kind = "convolution" if isinstance(shape, ConvShape) else f"{shape.kind} {rendering.POOLING}"
        found += [(f"{kind}, inference", shape, batch, FORWARD) for batch in options.inference]
        for direction in (FORWARD,) if options.forward_only else directions(shape):
            found += [(f"{kind}, {direction.name}", shape, batch, direction) for batch in options.batches]
    return found


def measure(measurement: Measurement, effort: Effort) -> Row:
    """Let all peers compute one layer in turns.

    Raises:
        ArithmeticError: they do not agree on the result.
    """
    section, shape, batch, direction = measurement
    steps = {peer.name: step(peer, shape, batch, direction) for peer in PEERS}
    agree({name: function() for name, function in steps.items()}, f"{shape.name}, batch {batch}, {direction.name}")
    return Row(section, shape.name, batch, work(shape, batch, direction), in_turns(steps, effort))


def tracked(items: list, words, console: Console) -> Iterator:
    """The items, with a bar that moves between them only: a thread that redraws it would disturb the clock."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        task = progress.add_task("", total=len(items))
        for item in items:
            progress.update(task, description=words(item))
            progress.refresh()
            yield item
            progress.advance(task)


def compare_layers(options: argparse.Namespace, console: Console) -> tuple[list[rendering.Sheet], dict]:
    """The table of the suite: its sheets, and the same as plain data."""
    most = peak.measure()
    rows = [
        measure(measurement, options.effort)
        for measurement in tracked(plan(options), lambda item: f"{item[1].name}, batch {item[2]}, {item[0]}", console)
    ]
    sheets = [rendering.section_sheet(name, members, most) for name, members in sections(rows).items()]
    data = {
        "peak_gflops": most.operations_per_second / 1e9,
        "copy_gbytes_per_second": most.bytes_per_second / 1e9,
        "rows": [
            {"section": row.section, "shape": row.shape, "batch": row.batch, "seconds": row.seconds,
             "rounds": len(row.times[OURS]), "ratio": row.ratio, "work": row.work}
            for row in rows
        ],
    }  # fmt: skip
    return [rendering.summary_sheet(summaries(rows)), *sheets], data


def compare_algorithms(options: argparse.Namespace, console: Console) -> tuple[list[rendering.Sheet], dict]:
    """Every algorithm of ours, product by product: the sheets, and the same as plain data."""
    wanted = [
        (shape, batch, product)
        for shape in CONVOLUTIONS if re.search(options.only, shape.name)
        for batch in options.batches
        for product in algorithms.PRODUCTS
    ]  # fmt: skip
    measured = [
        algorithms.measure(*item, options.effort)
        for item in tracked(wanted, lambda item: f"{item[0].name}, batch {item[1]}, {item[2]}", console)
    ]
    rows = [
        {"shape": entry.shape.name, "batch": entry.batch, "product": entry.product, "fastest": entry.fastest,
         "ratio": entry.ratio, "seconds": entry.seconds}
        for entry in measured
    ]  # fmt: skip
    return rendering.algorithm_sheets(measured), {"rows": rows}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="REGEX", help="only shapes whose name this finds")
    parser.add_argument("--batches", type=int, nargs="+", metavar="N", help=f"default: {BATCHES}")
    parser.add_argument("--forward-only", action="store_true")
    parser.add_argument("--quick", action="store_true", help="batch 64 only, and fewer rounds")
    parser.add_argument("--algorithms", action="store_true", help="each of our algorithms, product by product")
    parser.add_argument("--rounds", type=int, metavar="N", help="at least so many rounds (default: 7, quick: 5)")
    parser.add_argument("--seconds", type=float, metavar="S", help="for the rounds of a comparison")
    parser.add_argument("--fresh-memory", action="store_true", help="let the C library return freed memory as it likes")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables to this file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    options = parser.parse_args(arguments)
    brief = options.quick or options.algorithms
    # Batches that somebody names are all that is measured; only the whole table has those for inference alone.
    options.inference = () if brief or options.batches else INFERENCE_BATCHES
    options.batches = options.batches or (BATCHES[:1] if brief else BATCHES)
    options.effort = Effort(options.seconds or (0.15 if brief else 0.3), options.rounds or (5 if brief else 7))
    if not any(re.search(options.only, shape.name) for shape in (*CONVOLUTIONS, *POOLINGS)):
        parser.error(f"--only {options.only}: no shape has such a name")
    return options


def main() -> None:
    options = parse()
    torch.set_flush_denormal(True)
    kept = not options.fresh_memory and conditions.keep_freed_memory()
    console = Console(width=None if sys.stdout.isatty() else 170)
    command = f"python -m tests.benchmarks.table {shlex.join(sys.argv[1:])}".strip()
    began = time.monotonic()
    sheets, data = (compare_algorithms if options.algorithms else compare_layers)(options, console)
    header = conditions.header(command, kept)
    if "peak_gflops" in data:
        header["peak"] = f"{data['peak_gflops']:.0f} GFLOP/s in float32 multiply-adds on registers, all threads at once"
        header["copy"] = f"{data['copy_gbytes_per_second']:.1f} GB/s read and written"
    header["took"] = f"{time.monotonic() - began:.0f} s"
    words = "; ".join(f"{name}: {value}" for name, value in header.items()) + "."
    console.print(words, highlight=False)
    for sheet in [*sheets[1:], sheets[0]] if "peak_gflops" in data else sheets:
        console.print(rendering.as_rich(sheet), "")
    if options.markdown:
        options.markdown.write_text("\n".join([words + "\n", *map(rendering.as_markdown, sheets)]))
    if options.json:
        options.json.write_text(json.dumps({"conditions": header, **data}, indent=1))


if __name__ == "__main__":
    main()
