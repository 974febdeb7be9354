"""Synthetic sets that take a real one's place, and say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from data_scripts.dataset import Arrays, Dataset
from data_scripts.store import open_store, verify_store, write_lock, write_store


@dataclass(frozen=True)
class StandIn:
    """One line of the registry of synthetic sets.

    Args:
        name: its name and folder.
        instead_of: the title of the set whose place it takes.
        classes: class names in label order.
        train_count, test_count: how many images it has unless told otherwise.
        generate: (seed, train_count, test_count) to the arrays.
    """

    name: str
    instead_of: str
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    generate: Callable[[int, int, int], Arrays]

    def open(self, root: Path) -> Dataset | None:
        """The set as stored in `root`, or None.

        Raises:
            DataError: it is damaged.
        """
        return open_store(root, self.name, mend=self.mend(root))

    def verify(self, root: Path) -> Dataset | None:
        """As `open`, with every byte compared to its checksum."""
        return verify_store(root, self.name, mend=self.mend(root))

    def synthesize(
        self, root: Path, *, seed: int = 0, train_count: int | None = None, test_count: int | None = None
    ) -> Dataset:
        """Make the set and store it in place of what is there.

        Args:
            root: the data root.
            seed: equal seeds and counts, equal images.
            train_count, test_count: the set's own where None.

        Raises:
            DataError: `root` cannot be written to.
        """
        with write_lock(root, self.name):
            return self.made(root, seed, train_count or self.train_count, test_count or self.test_count)

    def ensured(self, root: Path) -> Dataset:
        """The stored set, or the set of seed 0 made now."""
        dataset = self.open(root)
        if dataset is None:
            with write_lock(root, self.name):  # another process may have made it meanwhile
                dataset = self.open(root) or self.made(root, 0, self.train_count, self.test_count)
        return dataset

    def made(self, root: Path, seed: int, train_count: int, test_count: int) -> Dataset:
        """Generate and store; the caller holds the lock."""
        arrays = self.generate(seed, train_count, test_count)
        usual = (train_count, test_count) == (self.train_count, self.test_count)
        counts = "" if usual else f", {train_count:,} + {test_count:,} images"
        source = f"synthetic {self.name}, seed {seed}{counts} (NOT {self.instead_of})"
        write_store(root, self.name, arrays, kind="synthetic", source=source, classes=self.classes)
        return self.open(root)

    def mend(self, root: Path) -> str:
        """The command that makes the store whole."""
        return f"python -m data_scripts.synthesize {self.name} --root {root}"


def show_banner(dataset: Dataset, title: str, why: str) -> None:
    """Say on stderr that every number from here on is not one of the real set.

    Args:
        dataset: the stand-in.
        title: the real set's title.
        why: why it is not the real one.
    """
    text = (
        f"These are NOT {title} images. Source: {dataset.source}\n"
        f'Every result is marked "data": "synthetic"; compare none of them with a published number.\n\n'
        f"Why: {why}"
    )
    heading = f"SYNTHETIC DATA INSTEAD OF {title}"
    panel = Panel(text, title=heading, border_style="bold red", style="bold", padding=(1, 2))
    Console(stderr=True, highlight=False).print(panel, markup=False)
