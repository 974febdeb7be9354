"""A submission on disk: where its files are, and the digest that says which code was graded.

Nothing in it is imported or run here.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# A course's submission has a handful of files; a folder far beyond that is not one, and
# walking it would take the grader's time.
MOST_ENTRIES = 20_000
MOST_LISTED = 1_000  # files with a digest of their own
LARGEST_SOURCE = 1 << 20  # bytes; a hand-written file is under 100 KB
WEIGHTS = (".safetensors", ".pt", ".pth")  # endings of a file with a trained network


class SubmissionError(Exception):
    """The folder cannot be graded at all; the message says what to do."""


@dataclass(frozen=True)
class Submission:
    """A folder with an assignment's files.

    Args:
        given: the folder as the user wrote it.
        root: the same, absolute.
        folders: deliverable folder, spelled as the assignment does → where it was found.
        digest: SHA-256 over the names and contents of all Python files below the root.
        files: path below the root → SHA-256 of the first of these files, to say later which have changed.
    """

    given: str
    root: Path
    folders: dict[str, Path]
    digest: str
    files: dict[str, str]

    def file(self, folder: str, module: str) -> Path | None:
        """The file of a module, or None where the submission does not have it."""
        place = self.folders.get(folder)
        path = place / f"{module}.py" if place else None
        # A link would hand the worker a file that is not the submission's.
        return path if path and path.is_file() and not path.is_symlink() else None

    def document(self, folder: str, name: str) -> Path | None:
        """A file that is no code, "part_a.csv", or None where the submission does not have it."""
        place = self.folders.get(folder)
        path = place / name if place else None
        return path if path and path.is_file() and not path.is_symlink() else None

    def weights(self, folder: str, name: str) -> list[Path]:
        """The files that a trained network may be in: NAME with one of the endings."""
        place = self.folders.get(folder)
        paths = [place / f"{name}{ending}" for ending in WEIGHTS] if place else []
        return [path for path in paths if path.is_file() and not path.is_symlink()]


def find(
    given: str, *, assignment: str, folders: dict[str, tuple[str, ...]], home: tuple[str, ...] = ()
) -> Submission:
    """Locate an assignment's folders in a submission.

    A folder counts under any spelling with hyphens or underscores, in upper or lower case, at
    the top or below; the one under most of the assignment's own folders goes first. A submission
    whose files lie flat at the top is accepted too.

    Args:
        given: path of the submission.
        assignment: "hw3".
        folders: deliverable folder → the module names that belong in it.
        home: the folders that it lies under in a course's tree, ("eee7331", "assignment1"); none
            is the assignment's name.

    Raises:
        SubmissionError: no such folder, nothing of the assignment in it, two candidates, or
            far too many files.
    """
    root = Path(given).resolve()
    if not root.is_dir():
        kind = "is a file" if root.exists() else "does not exist"
        raise SubmissionError(f"{given} {kind}; expected the folder of a submission")
    directories, sources = _walk(root)
    home = tuple(map(_spelled, home or (assignment,)))
    found = {}
    for folder, modules in folders.items():
        place = _place(root, directories, folder, home)
        if place is None and any((root / f"{module}.py").is_file() for module in modules):
            place = root
        if place is not None:
            found[folder] = place
    if not found:
        wanted = ", ".join(f"{folder}/" for folder in folders)
        raise SubmissionError(
            f"{given} holds nothing of {assignment}: expected at least one of the folders "
            f"{wanted} (hyphens are fine), found {_listing(root)}"
        )
    return Submission(given, root, found, *_digests(root, sources))


def printable(path: Path) -> str:
    """A path as text that fits into JSON: bytes of a file name that are no UTF-8 as escapes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def passed_over(name: str) -> bool:
    """Whether nothing in a folder of this name was written by hand: hidden ones, caches, environments."""
    return name.startswith((".", "__")) or name in ("node_modules", "venv")


def _walk(root: Path) -> tuple[list[Path], list[Path]]:
    """All directories (nearest first) and Python files below the root; links are not followed."""
    directories, sources, entries = [], [], 0
    for path, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not passed_over(name))
        entries += len(names) + len(files)
        if entries > MOST_ENTRIES:
            raise SubmissionError(
                f"{root} holds more than {MOST_ENTRIES:,} files; expected a submission's own few"
            )
        directories += [Path(path, name) for name in names if not Path(path, name).is_symlink()]
        sources += [Path(path, name) for name in files if name.endswith(".py")]
    return sorted(directories, key=lambda path: (len(path.parts), path)), sources


def _place(root: Path, directories: list[Path], folder: str, home: tuple[str, ...]) -> Path | None:
    matches = [path for path in [root, *directories] if _spelled(path.name) == folder]

    def belonging(path: Path) -> int:
        above = {_spelled(part) for part in path.relative_to(root).parts}
        return sum(name in above for name in home)

    most = max(map(belonging, matches), default=0)
    matches = [path for path in matches if belonging(path) == most]
    nearest = [path for path in matches if len(path.parts) == len(matches[0].parts)]
    if len(nearest) > 1:
        listed = " and ".join(str(path.relative_to(root)) for path in nearest)
        raise SubmissionError(f"{root} holds {folder} more than once: {listed}; keep one of them")
    return nearest[0] if nearest else None


def _spelled(name: str) -> str:
    return name.lower().replace("-", "_")


def _listing(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir())
    return (", ".join(names[:8]) + (", …" if len(names) > 8 else "")) or "nothing"


def _digests(root: Path, sources: list[Path]) -> tuple[str, dict[str, str]]:
    """The digest of all, and those of the first files by their names."""
    digest, files = hashlib.sha256(), {}
    for path in sorted(sources):
        if path.is_symlink() or not path.is_file():
            continue
        # Length before content, so that no two submissions spell the same bytes.
        try:
            with open(path, "rb") as file:
                content = file.read(LARGEST_SOURCE)
        except OSError as error:
            raise SubmissionError(f"{path} cannot be read ({error.strerror}): chmod u+r it") from None
        name = os.fsencode(path.relative_to(root))
        digest.update(len(name).to_bytes(8) + name + len(content).to_bytes(8) + content)
        if len(files) < MOST_LISTED:
            files[printable(path.relative_to(root))] = hashlib.sha256(content).hexdigest()
    return digest.hexdigest(), files
