"""A class of synthetic submissions of deliverable 1, graded as an instructor grades one.

    python -m tests.benchmarks.classroom [--submissions N] [--jobs N] [--markdown FILE]

Three right solutions in different styles and fourteen faults take turns; every submission is a file of
its own. Printed as Markdown, which `--markdown` writes into a file as it stands in docs/scaling.md: time
per submission, peak memory of all processes together, the share of the time in which the grader waited for
a submission's process, and what a class of 1,000 of this kind costs.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.console import Console

from data_scripts import atomic
from data_scripts.machine import hardware
from grader.assignments.hw3 import HW3
from grader.classroom.session import Setup, grade_class
from grader.digest import versions
from grader.runner import Options
from tests.grader.submissions import UNFOLD

LOOK = 0.5  # seconds between two looks at memory
EINSUM = '    output = torch.einsum("nchwij,ocij->nohw", windows, weight)\n'

# Ways to write the same convolution: over windows at once, as one product of matrices, as loops.
STYLES = {
    "windows and einsum": UNFOLD,
    "im2col and matmul": UNFOLD.replace(
        EINSUM,
        "    columns = F.unfold(padded, (kh, kw), stride=stride)\n"
        "    size = windows.shape[2:4]\n"
        "    output = (weight.flatten(1) @ columns).reshape(n, o, *size)\n",
    ),
    "loops over the kernel": UNFOLD.replace(
        EINSUM,
        "    oh, ow = windows.shape[2:4]\n"
        "    output = 0\n"
        "    for i in range(kh):\n"
        "        for j in range(kw):\n"
        "            part = padded[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride]\n"
        "            part = part[:, :, :oh, :ow]\n"
        '            output = output + torch.einsum("nchw,oc->nohw", part, weight[:, :, i, j])\n',
    ),
}
FAULTS = {
    "no padding": UNFOLD.replace("(padding, padding, padding, padding)", "(0, 0, 0, 0)"),
    "stride ignored": UNFOLD.replace("stride).unfold(3, kw, stride)", "1).unfold(3, kw, 1)"),
    "rows for columns": UNFOLD.replace("kh, stride).unfold(3, kw, stride)", "kw, stride).unfold(3, kh, stride)"),
    "bias subtracted": UNFOLD.replace("output + bias", "output - bias"),
    "no weight gradient": UNFOLD.replace("windows, weight)\n", "windows, weight.detach())\n"),
    "no input gradient": UNFOLD.replace("F.pad(input", "F.pad(input.detach()"),
    "input changed": UNFOLD.replace("    padded = F.pad", "    input.mul_(1.5)\n    padded = F.pad"),
    "pooling stride 1": UNFOLD.replace("stride or kernel_size", "stride or 1"),
    "pooling clamps": UNFOLD.replace(".max(-1).values", ".clamp(min=0).max(-1).values"),
    "initialised to ones": UNFOLD.replace("torch.randn(out_channels", "torch.ones(out_channels"),
    "existing convolution": UNFOLD.replace(EINSUM, "    output = F.conv2d(padded, weight, stride=stride)\n"),
    "syntax error": UNFOLD.replace("class MyMaxPool2D", "clas MyMaxPool2D"),
    "endless loop": UNFOLD.replace(EINSUM, "    while True:\n        pass\n"),
    "nothing written": "def MyFConv2D(input, weight, bias=None, stride=1, padding=0):\n    raise NotImplementedError\n",
}


def write_class(folder: Path, count: int) -> dict[str, str]:
    """Write `count` submissions, six of ten right; student → what it is."""
    kinds: dict[str, str] = {}
    for number in range(count):
        texts = STYLES if number % 10 < 6 else FAULTS
        turn = number // 10 * (6 if texts is STYLES else 4) + number % 10
        kind = list(texts)[turn % len(texts)]
        student = f"student{number:04}"
        place = folder / student / "deliverable1-2"
        place.mkdir(parents=True)
        (place / "mytorch.py").write_text(f"# {student}\n{texts[kind]}")
        kinds[student] = kind
    return kinds


@contextlib.contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The most bytes that this process and all below it held at once, pages that are shared counted once."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            held = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    memory = process.memory_full_info()
                    held += getattr(memory, "pss", memory.uss)
            peak[0] = max(peak[0], held)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def measure(count: int, jobs: int | None) -> str:
    """Grade a class of `count`; the measurements as Markdown."""
    with tempfile.TemporaryDirectory(prefix="chalkbench-benchmark-") as folder:
        given, out = Path(folder, "class"), Path(folder, "out")
        kinds = write_class(given, count)
        setup = Setup(given, out, at_once=jobs)
        began = time.monotonic()
        with peak_memory() as peak:
            graded = grade_class(HW3, Options((1,)), setup, Console(stderr=True))
        wall = time.monotonic() - began
        rows = sqlite3.connect(out / "class.sqlite").execute(
            "SELECT student, seconds, waited, processor FROM results WHERE state = 'graded'"
        )
        measured = {student: numbers for student, *numbers in rows}
    seconds = sorted(numbers[0] for numbers in measured.values())
    waited = sum(numbers[1] for numbers in measured.values())
    processor = statistics.mean(numbers[2] for numbers in measured.values())
    loops = [kind == "endless loop" for kind in kinds.values()]
    lines = [
        f"`python -m tests.benchmarks.classroom --submissions {count}{f' --jobs {jobs}' if jobs else ''}`: "
        f"{hardware()}; Python {versions()['python']}, torch {versions()['torch']}; {setup.processes} at once, "
        f"{setup.threads} thread each. {graded.counts['graded']} of {count} graded, {sum(loops)} of them "
        "endless loops.",
        "",
        "| what | measured |",
        "|---|---|",
        f"| whole class | {wall:.0f} s |",
        f"| throughput | {wall / count:.2f} s per submission |",
        f"| one submission, start to verdict: mean | {statistics.mean(seconds):.1f} s |",
        f"| median | {statistics.median(seconds):.1f} s |",
        f"| of 95 % of them, at most | {seconds[int(0.95 * (len(seconds) - 1))]:.1f} s |",
        f"| processor time per submission | {processor:.1f} s |",
        f"| peak memory, all processes | {peak[0] / 2**30:.2f} GiB |",
        f"| share of the time in the submissions' processes | {waited / sum(seconds):.0%} |",
        f"| 1,000 submissions, by these numbers | {wall / count * 1000 / 60:.0f} min here; "
        f"{processor * 1000 / 3600:.1f} h of one core |",
        "",
        "| submission | median, s | in its process |",
        "|---|---|---|",
    ]
    for kind in [*STYLES, *FAULTS]:
        own = [measured[student] for student, found in kinds.items() if found == kind and student in measured]
        if own:
            share = sum(numbers[1] for numbers in own) / sum(numbers[0] for numbers in own)
            lines.append(f"| {kind} | {statistics.median(numbers[0] for numbers in own):.1f} | {share:.0%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade a class of synthetic submissions of deliverable 1.")
    parser.add_argument("--submissions", type=int, default=200, metavar="N")
    parser.add_argument("--jobs", type=int, metavar="N", help="at once (default: as grading a class does)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write what is printed into a file, too")
    arguments = parser.parse_args()
    measured = measure(arguments.submissions, arguments.jobs)
    print(measured)
    if arguments.markdown:
        atomic.write(arguments.markdown, f"{measured}\n".encode())


if __name__ == "__main__":
    main()
