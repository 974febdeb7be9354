"""A difference on the terminal, and as JSON. Both results are files from anywhere: their words are data."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.regrade.causes import Cause
from grader.regrade.difference import CheckDifference, Difference, Side
from grader.report.terminal import STYLES
from grader.report.text import clean

MOST_SHOWN = 200  # checks, and causes of one kind; an assignment has fewer checks
LONGEST = 200  # characters of a name
SAID = 600  # characters of a reason


def as_json(difference: Difference) -> str:
    """All of it, in ASCII: nothing in it acts on a terminal."""
    return json.dumps(msgspec.to_builtins(difference), indent=2)


def render(difference: Difference, console: Console) -> None:
    """Print what changed, then what may explain it.

    Args:
        difference: of two results.
        console: where to; readable from 80 columns on.
    """
    changed = difference.changed
    if changed:
        console.print(_checks(changed[:MOST_SHOWN]))
        for line in _reasons(changed[:MOST_SHOWN]):
            console.print(line)
    if len(changed) > MOST_SHOWN:
        console.print(f"… and {len(changed) - MOST_SHOWN:,} more checks; --json lists them all\n")
    console.print(_conditions(difference))
    same = len(difference.checks) - len(changed)
    old, new = difference.old, difference.new
    total = Text(
        f"{old.earned:g} of {old.points:g} points before, {new.earned:g} of {new.points:g} now: "
        f"{_count(len(changed), 'check')} changed, {same} did not"
    )
    total.stylize("bold yellow" if changed else "bold green")
    console.print(total)
    console.print(Text(_line(difference.conclusion, SAID)))


def _checks(changed: list[CheckDifference]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("check", overflow="fold")
    table.add_column("before")
    table.add_column("now")
    for check in changed:
        beside = "" if check.counted else f" (with {_line(check.swap)}, not counted)"
        name = Text(_line(check.title) + beside).append(f"  {_line(check.id)}", style="dim")
        table.add_row(name, _side(check.before), _side(check.after))
    return table


def _side(side: Side | None) -> Text:
    if side is None:
        return Text("not graded", style="dim")
    return Text(f"{side.verdict} {side.earned:g}/{side.points:g}", style=STYLES[side.verdict])


def _reasons(changed: list[CheckDifference]) -> Iterator[Padding]:
    for check in changed:
        sides = {"before": check.before, "now": check.after}
        reasons = [f"{when}: {clean(side.reason, SAID)}" for when, side in sides.items() if side and side.reason]
        if reasons:
            yield Padding(Text(_line(check.id), style="bold"), (0, 0, 0, 2))
            yield Padding(Text("\n".join(reasons)), (0, 0, 1, 6))


def _conditions(difference: Difference) -> Table:
    """What is not the same, a line each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for when, run in (("before", difference.old), ("now", difference.new)):
        grid.add_row(
            when, Text(f"{_line(run.submission)} (SHA-256 {_line(run.digest[:12])}), started {_line(run.started)}")
        )
    shown: dict[str, int] = {}
    for cause in difference.causes:
        shown[cause.kind] = shown.get(cause.kind, 0) + 1
        if shown[cause.kind] <= MOST_SHOWN:
            grid.add_row(cause.kind, described(cause))
    for kind, count in shown.items():
        if count > MOST_SHOWN:
            grid.add_row(kind, f"… and {count - MOST_SHOWN:,} more")
    for line in difference.unknown:
        grid.add_row("not known", Text(_line(line)))
    if not difference.causes and not difference.unknown:
        grid.add_row("differs", Text("nothing that a verdict rests on"))
    return grid


def described(cause: Cause) -> Text:
    """A cause in a line, without its kind: `deliverable1_2/train.py: 0123456789ab → ba9876543210`."""
    before, after = (_line(text) for text in (cause.before, cause.after))
    if cause.kind in ("submission", "grader") and not (before and after):
        return Text(f"{_line(cause.name)}: {'removed' if before else 'new'}")
    name = "" if cause.name == cause.kind else f"{_line(cause.name)}: "
    return Text(f"{name}{before or 'none'} → {after or 'none'}")


def _line(text: str, longest: int = LONGEST) -> str:
    return " ".join(clean(text, longest).split())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
