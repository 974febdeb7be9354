"""`python -m grader stubs`: student/, made by the markers in reference/; see `grader.markers`."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

from data_scripts import atomic
from grader import text_markers
from grader.markers import HEADER, Stub, StubError, make_stub

ROOT = Path(__file__).resolve().parents[1]
SHARED_LAYERS = frozenset({"kernels", "nn", "training"})  # the course's library, no assignment
# First line of a stub by the ending of its name.
HEADERS = {".py": HEADER} | {ending: text_markers.header(ending) for ending in text_markers.COMMENTS}


def make_stubs(root: Path = ROOT) -> dict[str, Stub]:
    """Make the stubs of all assignments.

    Args:
        root: the repository.

    Returns:
        Path below student/ (and reference/), with slashes, to its stub; sorted.

    Raises:
        StubError: see `make_stub`; or there is no reference to make stubs from.
    """
    reference = root / "reference"
    if not reference.is_dir():
        raise StubError(f"{reference}: no such folder; only the course's repository makes stubs")
    stubs = {}
    for path in sorted(reference.glob("*/**/*")):
        relative = path.relative_to(reference)
        if path.suffix in HEADERS and path.is_file() and relative.parts[0] not in SHARED_LAYERS:
            source, where = path.read_text(encoding="utf-8"), f"reference/{relative.as_posix()}"
            is_code = path.suffix == ".py"
            stub = make_stub(source, where) if is_code else text_markers.make_stub(source, where, path.suffix)
            if stub is not None:
                stubs[relative.as_posix()] = stub
    return stubs


def main(argv: list[str], root: Path = ROOT) -> int:
    """Write student/, or tell whether it is current.

    Args:
        argv: the arguments after "stubs".
        root: the repository.

    Returns:
        The exit status: 0, or 1 where a marker is wrong or `--check` found a difference.
    """
    parser = argparse.ArgumentParser(
        prog="python -m grader stubs",
        description="Write student/ from the markers in reference/.",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 with a diff if it is stale"
    )
    check = parser.parse_args(argv).check
    student = root / "student"
    try:
        wanted = {name: stub.text for name, stub in make_stubs(root).items()}
        found = {
            path.relative_to(student).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(student.glob("**/*"))
            if path.suffix in HEADERS and path.is_file()
        }
        # Only what was generated is removed: a file without the header is somebody's own.
        stale = [n for n in found if n not in wanted and _is_generated(n, found[n])]
        changed = [n for n in wanted if found.get(n) != wanted[n]]
        if check:
            return _show_difference(sorted([*stale, *changed]), found, wanted)
        for name in changed:
            if name in found and not _is_generated(name, found[name]):
                raise StubError(
                    f"student/{name}:1: not a generated file, so not overwritten; move it away"
                )
    except StubError as error:
        print(error)
        return 1
    for name in changed:
        atomic.write(student / name, wanted[name].encode())
    for name in stale:
        (student / name).unlink()
    current = len(wanted) - len(changed)
    print(f"student/: {len(changed)} written, {len(stale)} removed, {current} already current")
    return 0


def _is_generated(name: str, text: str) -> bool:
    return text.startswith(HEADERS[Path(name).suffix])


def _show_difference(names: list[str], found: dict[str, str], wanted: dict[str, str]) -> int:
    """Print a diff from what is in student/ to what should be; returns the exit status."""
    for name in names:
        difference = difflib.unified_diff(
            found.get(name, "").splitlines(keepends=True),
            wanted.get(name, "").splitlines(keepends=True),
            f"student/{name}",
            f"student/{name} (from the markers)",
        )
        print("".join(difference), end="")
    if names:
        print("student/ is not what reference/ says; mend it with: python -m grader stubs")
    return 1 if names else 0
