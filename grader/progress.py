"""What is going on, live on stderr: the running check, and a line per epoch of a training."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from grader.result import CheckResult


class Progress:
    """A bar over the checks of a run; on something that is no terminal, only the lines.

    Args:
        console: where it is shown, stderr as a rule.
    """

    def __init__(self, console: Console):
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task = None

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def deliverable(self, title: str, checks: int) -> None:
        """A deliverable begins."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(title, total=checks)
        self.line(title)

    def check(self, title: str) -> None:
        """A check begins."""
        self._bar.update(self._task, description=title)

    def checked(self, result: CheckResult | None = None) -> None:
        """The running check has its verdict; what is gathered for a report has none."""
        self._bar.advance(self._task)

    def line(self, text: str) -> None:
        """Something worth keeping on the screen; plain text, whatever it holds."""
        self._console.print(Text(text), soft_wrap=True)
