"""A result on the terminal: one table per deliverable, then what it rests on."""

from __future__ import annotations

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from grader.report.text import clean
from grader.result import CheckResult, DeliverableResult, Result, Training

# The word is always written too: colour alone tells a colour-blind reader, or a log file, nothing.
STYLES = {
    "pass": "green",
    "fail": "bold red",
    "error": "bold red",
    "timeout": "bold yellow",
    "killed": "bold yellow",
    "not-run": "yellow",
    "invalid": "bold red",
}

ISOLATION = {
    "process": "separate process, no sandbox around it: fit for self-checks and for code that you trust",
}


def render(result: Result, console: Console) -> None:
    """Print a result.

    Everything that a submission may have written is printed as plain text: no markup, no control
    characters. Readable from 80 columns on.

    Args:
        result: what a grading run ended in.
        console: where to.
    """
    if result.data == "synthetic":
        console.print(_banner(result))
    for number in dict.fromkeys(deliverable.number for deliverable in result.deliverables):
        runs = [deliverable for deliverable in result.deliverables if deliverable.number == number]
        main = next((run for run in runs if run.counted), runs[0])
        beside = [run for run in runs if run is not main]
        console.print(_table(main, beside))
        for run in [main, *beside]:
            if run.training is not None and run.training.epochs:
                console.print(_training_line(run.training, run.swap, result.data), style="dim")
        console.print()
    console.print(_conditions(result))
    if result.data == "synthetic":
        console.print(_banner(result))
    console.print(_total(result))


def _table(main: DeliverableResult, beside: list[DeliverableResult]) -> Table:
    """The checks of one deliverable; runs with something swapped get a column of their own."""
    title = Text(f"Deliverable {main.number}: {clean(main.title)}", style="bold")
    if main.swap:
        title.append(f"  (with {clean(main.swap)})")
    if not main.counted:
        title.append("  (does not count)")
    names = ["swapped"] if len(beside) == 1 else [f"swapped {place}" for place in range(1, len(beside) + 1)]
    table = Table(title=title, title_justify="left", expand=True, show_footer=True, show_lines=False)
    table.add_column("check", ratio=4, footer=f"{_passed(main)} of {len(main.checks)} passed", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True, footer=f"{main.earned:g}/{main.points:g}")
    table.add_column("verdict", no_wrap=True)
    for run, name in zip(beside, names, strict=True):
        table.add_column(name, footer=f"{run.earned:g}/{run.points:g}", no_wrap=True)
    table.add_column("reason", ratio=6, overflow="fold")
    if beside:
        swaps = [f"{name}: with {clean(run.swap)}" for run, name in zip(beside, names, strict=True)]
        table.caption = Text("\n".join([*swaps, "shown for comparison, not counted"]))
        table.caption_justify = "left"
    others = [{check.id: check for check in run.checks} for run in beside]
    for check in main.checks:
        swapped = [other.get(check.id) for other in others]
        table.add_row(
            Text(clean(check.title)),
            f"{check.earned:g}/{check.points:g}",
            _verdict(check),
            *(_verdict(other) if other else Text("") for other in swapped),
            _reason(check, [(name, other) for name, other in zip(names, swapped, strict=True) if other]),
        )
    return table


def _verdict(check: CheckResult) -> Text:
    return Text(check.verdict, style=STYLES[check.verdict])


def _reason(check: CheckResult, swapped: list[tuple[str, CheckResult]]) -> Text:
    """The reason of the counted run, then those of swapped runs that say something else."""
    reasons = [clean(check.reason)]
    for name, other in swapped:
        if other.verdict != "pass" and other.reason != check.reason:
            reasons.append(f"{name}: {clean(other.reason)}")
    return Text("\n".join(reason for reason in reasons if reason))


def _passed(deliverable: DeliverableResult) -> int:
    return sum(check.verdict == "pass" for check in deliverable.checks)


def _training_line(training: Training, swap: str, data: str) -> Text:
    """One line on a training; the course's validation set is its test set, and the line says so."""
    last = training.epochs[-1]
    stand_in = " SYNTHETIC" if data == "synthetic" else ""
    return Text(
        f"{'with ' + clean(swap) + ': ' if swap else ''}trained {len(training.epochs)} epochs on "
        f"{training.train_size:,}{stand_in} images in {training.seconds:.0f} s; validation accuracy "
        f"{100 * last.val_accuracy:.2f} % (required: {100 * training.required_accuracy:g} %) on "
        f"{training.val_size:,}{stand_in} images, which are the test set"
    )


def _banner(result: Result) -> Panel:
    """What nobody may miss: these numbers are not those of the real data."""
    return Panel(
        Text(
            "SYNTHETIC DATA: the real data set was not found, so these numbers were measured on a stand-in.\n"
            f"They say nothing about the real one. Measured on: {clean(result.data_source)}\n"
            "Use --data real to refuse the stand-in; python -m data_scripts.fetch --help says how to get the data.",
            justify="left",
        ),
        title="NOT THE REAL DATA",
        style="bold white on red",
    )


def _conditions(result: Result) -> Table:
    """What the grade rests on, one line each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    source = "no data set was needed" if result.data == "none" else f"{result.data}: {result.data_source}"
    rows = {
        "submission": f"{result.submission} (SHA-256 {result.digest[:12]})",
        "data": source,
        "seed": f"{result.seed} (the same draws again: --seed {result.seed})",
        "isolation": f"{result.isolation}: {ISOLATION[result.isolation]}" if result.isolation in ISOLATION else result.isolation,
        "time": f"{result.seconds:.1f} s, started {result.started}",
        "versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "hardware": result.hardware,
    }
    for name, value in rows.items():
        grid.add_row(name, Text(clean(value)))
    return grid


def _total(result: Result) -> Text:
    """The last line: points, and whether everything passed."""
    checks = sum(len(deliverable.checks) for deliverable in result.counted)
    passed = sum(_passed(deliverable) for deliverable in result.counted)
    verdict = "every check passed" if result.passed else f"{passed} of {checks} checks passed"
    line = Text(f"Total {result.earned:g} of {result.points:g} points: {verdict}")
    line.stylize("bold green" if result.passed else "bold red")
    if result.data == "synthetic":
        line.append(" (on SYNTHETIC data)", style="bold red")
    return line
