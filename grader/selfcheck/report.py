"""What a self-check ends in: a report, on the terminal and as JSON."""

from collections import Counter
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from data_scripts import atomic
from grader.report.text import clean
from grader.selfcheck.findings import RIGHT, Finding, Status
from grader.selfcheck.whole import Unsteady, Whole

SCHEMA = "chalkbench/selfcheck/1"
STATUSES: tuple[Status, ...] = ("caught", "missed", "wrong check", "wrong hint", "equivalent")
SAID = 400  # characters of a note


class Report(msgspec.Struct, frozen=True):
    """A self-check, whole."""

    assignment: str
    deliverables: list[int]
    seed: int  # of the mutants' draws, and of the sample of mechanical ones
    started: str  # ISO 8601, UTC
    seconds: float
    versions: dict[str, str]
    hardware: str
    reference: Whole | None = None  # None: it was not asked for
    stubs: Whole | None = None
    findings: list[Finding] = []
    left_out: str = ""  # why there are no mechanical faults; "" if there are, or none were asked for
    seeds: list[int] = []  # of the runs of the reference
    unsteady: list[Unsteady] = []
    schema: str = SCHEMA

    @property
    def right(self) -> bool:
        """Whether the grader did what it should in everything that was looked at."""
        return (
            (self.reference is None or self.reference.earned == self.reference.points)
            and (self.stubs is None or self.stubs.earned == 0)
            and all(finding.status in RIGHT for finding in self.findings)
            and not self.unsteady
        )


def write(report: Report, path: Path) -> None:
    """Write it as JSON, whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    atomic.write(path, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def render(report: Report, console: Console) -> None:
    """Print it.

    Args:
        report: of a self-check.
        console: where to; readable from 80 columns on.
    """
    for name, whole, wanted in (("the reference", report.reference, 1), ("the stubs", report.stubs, 0)):
        if whole is not None:
            _print_whole(name, whole, wanted * whole.points, console)
    if report.seeds:
        _print_steady(report, console)
    if report.findings:
        console.print(_table(report.findings))
        for finding in report.findings:
            if finding.status != "caught":
                _print_finding(finding, console)
        hintable = [finding for finding in report.findings if finding.hintable]
        hinted = sum(finding.hinted for finding in hintable)
        written = sum(not finding.mechanical for finding in report.findings)
        console.print(f"hints: {hinted} of {written} handwritten faults get one of their own, expected {len(hintable)}")
    if report.left_out:
        console.print(Text(f"no mechanical faults: {report.left_out}", style="yellow"))
    console.print(f"{report.seconds:.1f} s, seed {report.seed}")


def _print_whole(name: str, whole: Whole, wanted: float, console: Console) -> None:
    right = whole.earned == wanted
    line = f"{name}: {whole.earned:g} of {whole.points:g} points, expected {wanted:g} (data: {whole.data})"
    console.print(Text(line, style="green" if right else "bold red"))
    if not right:
        for check, verdict in whole.checks.items():
            if (verdict == "pass") != bool(wanted):
                console.print(_indented(f"{check}: {verdict} {whole.reasons.get(check, '')}"))


def _print_steady(report: Report, console: Console) -> None:
    runs = len(report.seeds)
    if not report.unsteady:
        console.print(Text(f"{runs} runs of the reference, {runs} times the same verdicts", style="green"))
    for one in report.unsteady:
        said = ", ".join(f"{len(seeds)} times {verdict}" for verdict, seeds in one.verdicts.items())
        console.print(Text(f"{one.check}: {said} in {runs} runs", style="bold red"))
        rarest = min(one.verdicts.values(), key=len)
        console.print(_indented(f"seeds {', '.join(map(str, rarest[:5]))}: {one.reason}"))


def _table(findings: list[Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("deliverable", no_wrap=True)
    for status in ("all", *STATUSES):
        table.add_column(status, justify="right")
    groups = sorted({(finding.deliverable, finding.mechanical) for finding in findings})
    for number, mechanical in groups:
        group = [finding for finding in findings if (finding.deliverable, finding.mechanical) == (number, mechanical)]
        _add_row(table, f"{number}, {'mechanical' if mechanical else 'by hand'}", group)
    table.add_section()
    _add_row(table, "all", findings)
    return table


def _add_row(table: Table, name: str, findings: list[Finding]) -> None:
    counts = Counter(finding.status for finding in findings)
    cells = [
        Text(str(counts[status]), style="bold red" if counts[status] and status not in RIGHT else "")
        for status in STATUSES
    ]
    table.add_row(name, str(len(findings)), *cells)


def _print_finding(finding: Finding, console: Console) -> None:
    style = "dim" if finding.status in RIGHT else "bold red"
    line = Text(f"{finding.status}: ", style=style)
    console.print(line.append(clean(f"{finding.deliverable}, {finding.name}", SAID), style=""), soft_wrap=True)
    console.print(_indented(finding.note))


def _indented(text: str) -> Padding:
    return Padding(Text(clean(text, SAID)), (0, 0, 0, 4))
