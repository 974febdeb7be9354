"""How far a training is, and when it will be done."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from reference.training.batches import Batches


class Watched:
    """Batches that move a bar on stderr; on something that is no terminal, silent.

    Args:
        batches: the epochs' batches.
        epochs: of the whole run.
        done: epochs that lie behind.
    """

    def __init__(self, batches: Batches, *, epochs: int, done: int = 0):
        self.batches, self.epochs, self.epoch = batches, epochs, done
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("batches"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        size = len(batches)
        self._task = self._bar.add_task(
            "", total=epochs * size, completed=done * size, epoch=done + 1, epochs=epochs
        )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        self.epoch += 1
        self._bar.update(self._task, epoch=self.epoch)
        self._bar.start()
        try:
            for batch in self.batches:
                yield batch
                self._bar.advance(self._task)
        finally:
            self._bar.stop()
