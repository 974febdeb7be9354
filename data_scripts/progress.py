"""Progress bars and notices, on stderr so that stdout stays a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def notice(text: str) -> None:
    """Say one line about what is going on."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


@contextmanager
def progress_bar(label: str, total: int | None, *, in_bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs.

    Args:
        label: what is being done.
        total: how many items or bytes there are; None when not known.
        in_bytes: write the counts as KB, MB.

    Returns:
        (as the block's value) a function that moves the bar on by n.
    """
    counts = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), counts, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=total)
        yield lambda n: bars.update(task, advance=n)
