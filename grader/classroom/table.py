"""What is going on in a class: a live table on a terminal, otherwise a line per submission."""

import time
from collections import deque

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from grader.classroom.events import Started
from grader.report.text import clean

RECENT = 8  # finished ones that stay on the screen
WIDEST = 32  # characters of a name
STYLES = {"graded": "green", "refused": "bold yellow", "failed": "bold red"}


class ClassTable:
    """Who is done, running and failed, and how long the rest may take.

    Args:
        console: where it is shown, stderr as a rule.
        total: submissions of the class.
        kept: of these, the ones that were graded in an earlier run.
        purpose: one word before every line, "" for grading.
    """

    def __init__(self, console: Console, *, total: int, kept: int, purpose: str = ""):
        self._console, self._total, self._kept = console, total, kept
        self._purpose = f"{purpose}: " if purpose else ""
        self._began = time.monotonic()
        self._running: dict[str, tuple[float, str]] = {}  # student → since when, what it does
        self._ended: deque[tuple[str, str, str, float]] = deque(maxlen=RECENT)
        self.counts = {"graded": 0, "refused": 0, "failed": 0}
        self._live = Live(get_renderable=self._render, console=console, transient=True, refresh_per_second=2)

    def __enter__(self) -> "ClassTable":
        if self._console.is_terminal:
            self._live.start()
        if self._kept:
            self.line(f"{self._kept} of {self._total} have their result from before")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live.is_started:
            self._live.stop()

    def started(self, event: Started) -> None:
        """A submission's job begins."""
        self._running[event.job.student] = (time.monotonic(), "starting")

    def said(self, student: str, text: str) -> None:
        """What a running job does now."""
        since, _ = self._running.get(student, (time.monotonic(), ""))
        self._running[student] = (since, text)

    def ended(self, student: str, state: str, text: str, seconds: float) -> None:
        """A submission has its result, or is known to get none.

        Args:
            student: key of the hand-in.
            state: "graded", "refused" or "failed".
            text: points, or why there are none.
            seconds: that it took.
        """
        self._running.pop(student, None)
        self.counts[state] += 1
        self._ended.append((student, state, text, seconds))
        if not self._console.is_terminal:
            place = f"[{self._kept + sum(self.counts.values())}/{self._total}]"
            left = self.eta()
            rest = f", about {_span(left)} left" if left else ""
            self.line(f"{place} {_name(student)}: {_first(text)} ({_span(seconds)}{rest})")

    def line(self, text: str) -> None:
        """Something worth keeping on the screen."""
        self._console.print(Text(self._purpose + clean(text)), soft_wrap=True)

    def eta(self) -> float | None:
        """Seconds until all are done, at the pace so far; None where nothing tells."""
        done = sum(self.counts.values())
        left = self._total - self._kept - done
        return (time.monotonic() - self._began) / done * left if done and left else None

    def _render(self) -> Group:
        counts = self.counts
        left = self._total - self._kept - sum(counts.values()) - len(self._running)
        head = Text.assemble(
            self._purpose, (f"{counts['graded'] + self._kept} graded", "green"), ", ", f"{len(self._running)} running, {left} waiting, ",
            (f"{counts['refused']} refused, {counts['failed']} failed", "yellow" if counts["refused"] else ""),
            f" of {self._total}; {_span(time.monotonic() - self._began)} gone",
            f", about {_span(self.eta())} left" if self.eta() else "",
        )  # fmt: skip
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_column(no_wrap=True, max_width=WIDEST)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        table.add_column(no_wrap=True, justify="right")
        for student, state, text, seconds in self._ended:
            table.add_row(Text(_name(student)), Text(state, STYLES[state]), Text(_first(text)), _span(seconds))
        for student, (since, text) in list(self._running.items()):
            now = _span(time.monotonic() - since)
            table.add_row(Text(_name(student)), Text("running", "cyan"), Text(_first(text), "dim"), now)
        return Group(head, table)


def _name(student: str) -> str:
    return clean(student, WIDEST).replace("\n", " ")


def _first(text: str) -> str:
    return clean(text, 200).split("\n")[0]


def _span(seconds: float) -> str:
    """45 s, 12 min, 3 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
