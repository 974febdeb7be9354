"""A real data set: found in a folder or downloaded, decoded once, opened after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_scripts.dataset import Arrays, Dataset
from data_scripts.download import Patience, Remote, download
from data_scripts.errors import DataError, NoSource
from data_scripts.progress import notice
from data_scripts.specs import Spec
from data_scripts.store import open_store, verify_store, write_lock, write_store

Reader = Callable[[Spec, Path], "tuple[Arrays, str] | None"]


@dataclass(frozen=True)
class ImageSet:
    """One line of the registry.

    Args:
        spec: what a whole copy looks like.
        readers: ways to read it from a folder, the best one first.
        published: a check of the stored arrays against published checksums,
            which returns (array's name, expected, found) for the first that differs.
    """

    spec: Spec
    readers: tuple[Reader, ...]
    published: Callable[[Spec, Dataset], tuple[str, str, str] | None] | None = None

    def open(self, root: Path) -> Dataset | None:
        """The set as stored in `root`, or None.

        Raises:
            DataError: what is stored there is damaged or not the whole set.
        """
        mend = self.mend(root)
        try:
            return self.checked(root, open_store(root, self.spec.name, mend=mend))
        except DataError as damage:
            try:
                with write_lock(root, self.spec.name):  # it may have been half-way through a rewrite
                    return self.checked(root, open_store(root, self.spec.name, mend=mend))
            except DataError:
                raise damage from None

    def verify(self, root: Path) -> Dataset | None:
        """As `open`, with every byte compared to its checksum."""
        dataset = self.checked(root, verify_store(root, self.spec.name, mend=self.mend(root)))
        if dataset is not None and self.published is not None:
            difference = self.published(self.spec, dataset)
            if difference is not None:
                field, expected, found = difference
                path = root / self.spec.name / f"{field}.npy"
                raise DataError(path, expected=expected, found=found, mend=self.mend(root))
        return dataset

    def fetch(self, root: Path, mirrors: Sequence[Path], patience: Patience) -> Dataset:
        """Make sure that a whole copy is stored in `root`.

        Args:
            root: the data root; also looked through for source files.
            mirrors: folders to read it from, in order.
            patience: for the download that comes last.

        Raises:
            NoSource: there is no copy anywhere.
            DataError: the first copy found is damaged, or `root` cannot be written to.
        """
        return self.whole(root) or self.fetched(root, mirrors, patience)

    def fetched(self, root: Path, mirrors: Sequence[Path], patience: Patience) -> Dataset:
        """Make the store, as the only process that does."""
        with write_lock(root, self.spec.name):
            dataset = self.whole(root)  # another process may have made it meanwhile
            return dataset or self.imported(root, (root, *mirrors)) or self.downloaded(root, mirrors, patience)

    def whole(self, root: Path) -> Dataset | None:
        """The set as stored, every byte verified; None (and a notice) if it is damaged or not there."""
        try:
            return self.verify(root)
        except DataError as damage:
            notice(f"{damage}\n{self.spec.name} will be made anew")
            return None

    def imported(self, root: Path, folders: Sequence[Path]) -> Dataset | None:
        """Store the first copy that is found in one of the folders."""
        for folder in folders:
            for reader in self.readers:
                found = reader(self.spec, folder)
                if found is not None:
                    return self.stored(root, *found)
        return None

    def downloaded(self, root: Path, mirrors: Sequence[Path], patience: Patience) -> Dataset:
        """Download the published files, store the set and remove them again."""
        folder = root / f".{self.spec.name}.download"
        folder.mkdir(exist_ok=True)
        try:
            for name, md5 in self.spec.downloads.items():
                urls = tuple(mirror + name for mirror in self.spec.mirrors)
                download(Remote(urls, name, md5), folder, patience)  # what is whole stays, for the next attempt
        except NoSource as failure:
            if not any(folder.iterdir()):
                folder.rmdir()
            looked = [f"{m} ({'no copy in it' if m.is_dir() else 'no such folder'})" for m in (root, *mirrors)]
            raise NoSource(
                self.spec.title,
                expected=f"a copy in one of the folders, or a download of {failure.file}",
                found=f"{', '.join(looked)}; {failure.found}",
                mend=self.mend(root),
            ) from failure
        dataset = self.imported(root, [folder])
        shutil.rmtree(folder)
        return dataset

    def stored(self, root: Path, arrays: Arrays, source: str) -> Dataset:
        """Write the arrays to the store and open it."""
        spec = self.spec
        write_store(root, spec.name, arrays, kind="real", source=source, classes=spec.classes)
        return open_store(root, spec.name, mend=self.mend(root))

    def checked(self, root: Path, dataset: Dataset | None) -> Dataset | None:
        """Refuse a store that holds something else than the whole set."""
        if dataset is None:
            return None
        expected = f"real {self.spec.shapes()}"
        found = f"{dataset.kind} { {field: getattr(dataset, field).shape for field in self.spec.shapes()} }"
        if found != expected:
            raise DataError(root / self.spec.name, expected=expected, found=found, mend=self.mend(root))
        return dataset

    def mend(self, root: Path) -> str:
        """The command that makes the store whole."""
        return f"python -m data_scripts.fetch {self.spec.name} --root {root} (offline: with --from DIR)"
