"""A result on the terminal: one table per deliverable, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.padding import Padding
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
    "bwrap": "no network, no other process, no file but Python's and its own",
    "bwrap+user": "no network, no other process, no file but Python's and its own, another user's id",
    "unshare": "no network, no other process; files that the grader's user may read can be read",
    "unshare+user": "no network, no other process, another user's id; files open to all can be read",
    "process": "a process of its own, no sandbox around it: for self-checks and code you trust",
    "process+user": "a process of its own under another user's id, no sandbox around it",
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
        for line in _reasons(main, beside):
            console.print(line)
        for run in [main, *beside]:
            if run.kept:
                said = f"  kept from the run of {clean(run.kept)}: the same files, data, seed and versions"
                console.print(Text(said, style="dim"))
            if run.training is not None and run.training.epochs:
                console.print(_training_line(run.training, run.swap, result.data), style="dim")
        console.print()
    console.print(_conditions(result))
    if result.data == "synthetic":
        console.print(_banner(result))
    console.print(_total(result))


def row(check: CheckResult, *, told: str = "") -> Table:
    """One check as soon as it is judged: verdict, points and title, and below the title its words.

    Args:
        check: as it was judged.
        told: what the check before it had to say, which is not said twice.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=8, no_wrap=True)
    grid.add_column(width=5, justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(_verdict(check), _points(check), Text(clean(check.title)))
    # A file that cannot be imported is an error in every check, in whatever call of it.
    words = (lambda reason: reason.partition("\n")[0]) if check.verdict == "error" else str
    if check.reason and check.verdict != "pass":
        same = words(check.reason) == words(told)
        grid.add_row("", "", Text("the same", style="dim") if same else _reason(check, {}))
    return grid


def summary(result: Result, deliverable: DeliverableResult) -> Text:
    """One line on one deliverable of a result: points, checks that passed, and whether the data are real."""
    words = f"deliverable {deliverable.number}: {_points(deliverable)} points"
    style = "bold green" if deliverable.passed else "bold red"
    line = Text.assemble((words, style), f", {_passed(deliverable)} of {len(deliverable.checks)} checks passed")
    if result.data == "synthetic":
        line.append(" (on SYNTHETIC data, which say nothing about the real ones)", style="bold red")
    return line


def _table(main: DeliverableResult, beside: list[DeliverableResult]) -> Table:
    """The checks of one deliverable; runs with something swapped get a column of their own."""
    title = Text(f"Deliverable {main.number}: {clean(main.title)}", style="bold")
    if main.swap:
        title.append(f"  (with {clean(main.swap)})")
    if not main.counted:
        title.append("  (does not count)")
    places = range(1, len(beside) + 1)
    names = ["swapped"] if len(beside) == 1 else [f"swapped {place}" for place in places]
    table = Table(title=title, title_justify="left", show_footer=True, box=box.SIMPLE_HEAD)
    passed = f"{_passed(main)} of {len(main.checks)} passed"
    table.add_column("check", footer=passed, overflow="fold")
    table.add_column("points", justify="right", no_wrap=True, footer=_points(main))
    table.add_column("verdict", no_wrap=True)
    for run, name in zip(beside, names, strict=True):
        table.add_column(name, footer=_points(run), no_wrap=True)
    if beside:
        swaps = [f"{n}: with {clean(run.swap)}" for run, n in zip(beside, names, strict=True)]
        table.caption = Text("\n".join([*swaps, "shown for comparison, not counted"]))
        table.caption_justify = "left"
    others = [{check.id: check for check in run.checks} for run in beside]
    for check in main.checks:
        swapped = [other.get(check.id) for other in others]
        table.add_row(
            Text(clean(check.title)),
            _points(check),
            _verdict(check),
            *(_verdict(other) if other else Text("") for other in swapped),
        )
    return table


def _reasons(main: DeliverableResult, beside: list[DeliverableResult]) -> Iterator[Padding]:
    """Every check that has something to say: its title, then its words below."""
    others = [{check.id: check for check in run.checks} for run in beside]
    names = [f"with {clean(run.swap)}" for run in beside]
    for check in main.checks:
        swapped = [other.get(check.id) for other in others]
        reason = _reason(check, dict(zip(names, swapped, strict=True)))
        if reason:
            title = Text(clean(check.title), style=STYLES[check.verdict])
            yield Padding(title.append(f"  {clean(check.id)}", style="dim not bold"), (0, 0, 0, 2))
            yield Padding(reason, (0, 0, 1, 6))


def _verdict(check: CheckResult) -> Text:
    return Text(check.verdict, style=STYLES[check.verdict])


def _reason(check: CheckResult, swapped: dict[str, CheckResult | None]) -> Text:
    """The reason of the counted run, then those of swapped runs that say something else."""
    reasons = [clean(check.reason)]
    for name, other in swapped.items():
        if other and other.reason and other.reason != check.reason:
            reasons.append(f"{name}: {clean(other.reason)}")
    return Text("\n".join(reason for reason in reasons if reason))


def _points(of: CheckResult | DeliverableResult) -> str:
    return f"{of.earned:g}/{of.points:g}"


def _passed(deliverable: DeliverableResult) -> int:
    return sum(check.verdict == "pass" for check in deliverable.checks)


def _training_line(training: Training, swap: str, data: str) -> Text:
    """One line on a training; the course's validation set is its test set, and the line says so."""
    last = training.epochs[-1]
    images = "SYNTHETIC images" if data == "synthetic" else "images"
    return Text(
        f"{'with ' + clean(swap) + ': ' if swap else ''}trained {len(training.epochs)} epochs on "
        f"{training.train_size:,} {images} in {training.seconds:.0f} s; validation accuracy "
        f"{100 * last.val_accuracy:.2f} % (required: {100 * training.required_accuracy:g} %) on "
        f"{training.val_size:,} {images}, which are the test set"
    )


def _banner(result: Result) -> Panel:
    """What nobody may miss: these numbers are not those of the real data."""
    return Panel(
        Text(
            "SYNTHETIC DATA: these numbers were measured on a stand-in and say nothing about the "
            f"real data set.\nMeasured on: {clean(result.data_source)}\n"
            "To get the data: python -m data_scripts.fetch --help. "
            "To refuse the stand-in: --data real.",
        ),
        title="NOT THE REAL DATA",
        style="bold white on red",
    )


def _conditions(result: Result) -> Table:
    """What the grade rests on, one line each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    source = f"{result.data}: {result.data_source}"
    if result.data == "none":
        source = "no data set was needed"
    isolation = result.isolation
    if isolation in ISOLATION:
        isolation += f": {ISOLATION[isolation]}"
    rows = {
        "submission": f"{result.submission} (SHA-256 {result.digest[:12]})",
        "data": source,
        "seed": f"{result.seed} (the same draws again: --seed {result.seed})",
        "isolation": isolation,
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
