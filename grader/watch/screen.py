"""What `--watch` prints: each check's verdict as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from grader.declaration import Assignment
from grader.progress import Progress
from grader.report import terminal
from grader.report.hidden import shown
from grader.report.text import clean
from grader.result import CheckResult, Result

MOST_NAMED = 3  # files that were saved at once


class Screen(Progress):
    """A grade's progress, with a line for each verdict.

    Args:
        console: where it is shown.
        pulse: called between two checks; what it raises ends the grade.
    """

    def __init__(self, console: Console, pulse: Callable[[], None]):
        super().__init__(console)
        self._pulse = pulse
        self._place, self._told = 0, ""

    def opening(self, assignment: Assignment, given: str) -> None:
        """What is watched, and what the verdicts are worth."""
        self._console.print(
            Text(
                f"watching {given} for {assignment.name}: a save grades what it has a part in; Ctrl-C ends it", "bold"
            ),
            soft_wrap=True,
        )
        self.line(
            "Checks, points and limits are those of a grade. Every run draws its inputs anew, here and there, so a "
            "pass is one of several; what is not graded here yet has no points."
        )

    def saved(self, names: list[str]) -> None:
        """Files have changed."""
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        listed = clean(", ".join(names[:MOST_NAMED])) + more
        self._console.print(Rule(Text(f"{datetime.now():%H:%M:%S}  {listed}"), align="left"))

    def deliverable(self, title: str, checks: int) -> None:
        """A deliverable begins."""
        self._place, self._told = 0, ""
        super().deliverable(title, checks)

    def check(self, title: str) -> None:
        """A check begins; its title waits for the verdict, since a hidden one has another."""
        self._pulse()

    def checked(self, result: CheckResult | None = None) -> None:
        """The running check has its verdict."""
        super().checked(result)
        self._place += 1
        if result is not None:
            said = shown(result, self._place)
            self._console.print(terminal.row(said, told=self._told))
            self._told = said.reason  # a hidden one's was not read, so the next may not be "the same"

    def graded(self, result: Result) -> None:
        """A deliverable is done, with all that was graded of it."""
        self._rest()
        for deliverable in result.deliverables:
            self._console.print(terminal.summary(result, deliverable), highlight=False)

    def trouble(self, text: str) -> None:
        """Something that keeps a grade from beginning."""
        self._rest()
        self._console.print(Text(clean(text), style="bold yellow"), soft_wrap=True)

    def idle(self) -> None:
        """Everything is graded."""
        self._console.print(Text("waiting for the next save", style="dim"))

    def _rest(self) -> None:
        """Take the bar away: nothing is being graded."""
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
