"""The folder that students get: stubs, tests, data scripts and the grader, and no solution.

What is handed out is a closed list (`SHARED` and `ASSIGNMENTS`, without `WITHHELD`). Before anything
is written, every file of it is checked: none may import the reference, or hold lines of a solution.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from grader.handout.leaks import imports_of_reference, pieces_of_a_solution
from grader.markers import StubError
from grader.stubs import ROOT, make_stubs

TEMPLATES = Path(__file__).parent / "templates"

# Globs below the repository. The tests of an assignment judge nothing but a submission's folder;
# tests that need the reference's kernels live in folders that are not named here.
SHARED = (
    ".gitignore",
    "constraints.txt",
    "data_scripts/**/*",
    "grader/**/*",
    "tests/__init__.py",
    "tests/candidate.py",
    "tests/conftest.py",
)

# The course's own measurements and models: trainings, and an attack, like those that students are to write.
# The self-check's folder holds correct submissions, to make faults in.
WITHHELD = ("data_scripts/measure_standin.py", "data_scripts/train_targets.py", "grader/selfcheck/")


@dataclass(frozen=True)
class Assignment:
    """What is handed out for one assignment beside `SHARED`."""

    stubs: str  # folder below student/; its content lies at the top of the hand-out
    folders: str  # what that content is called
    tests: tuple[str, ...]  # globs below the repository
    example: str  # of these, for whoever wants only a part of them
    data: str  # data sets that `make check` fetches first, as data_scripts names them


ASSIGNMENTS = {
    "hw3": Assignment(
        stubs="hw3",
        folders="deliverable…",
        tests=(
            "tests/deliverable1/**/*",
            "tests/deliverable2/**/*",
            "tests/deliverable3/**/*",
            "tests/deliverable4/**/*",
            "tests/deliverable5/**/*",
            "tests/deliverable6/**/*",
        ),
        example="tests/deliverable1",
        data="mnist",
    ),
    "eee7331-a1": Assignment(
        stubs="eee7331/assignment1",
        folders="question1",
        tests=("tests/eee7331/**/*",),
        example="tests/eee7331",
        data="cifar10",
    ),
}

# Hidden files, and what Python, numba and a write that was cut short leave behind.
_LEFTOVERS = re.compile(r"(^|/)(__pycache__|\.[^/]+|[^/]*\.(pyc|nbi|nbc|partial))(/|$)")


class HandoutError(ValueError):
    """The hand-out cannot be made; nothing was written."""


def collect(name: str, root: Path = ROOT) -> dict[str, bytes]:
    """Gather the files of a hand-out, and check that no solution is among them.

    Args:
        name: the assignment, a key of `ASSIGNMENTS`.
        root: the repository.

    Returns:
        Path in the hand-out, with slashes, to the file's bytes; sorted.

    Raises:
        HandoutError: something that belongs in it is missing, or something in it must not be.
        StubError: the stubs cannot be made.
    """
    assignment = ASSIGNMENTS[name]
    stubs = make_stubs(root)
    prefix = f"{assignment.stubs}/"
    files = {
        path.removeprefix(prefix): stub.text.encode()
        for path, stub in stubs.items()
        if path.startswith(prefix)
    }
    if not files:
        raise HandoutError(
            f"reference/{prefix}: expected files with markers (see grader/markers.py), found none"
        )
    for pattern in (*SHARED, *assignment.tests):
        found = _find(pattern, root)
        if not found:
            raise HandoutError(f"{root / pattern}: expected for {name}, found no such file")
        files |= found
    for template in ("Makefile", "README.md"):
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        marks = {
            "assignment": name,
            "data": assignment.data,
            "folders": assignment.folders,
            "example": assignment.example,
        }
        for mark, value in marks.items():
            text = text.replace(f"@{mark}@", value)
        files[template] = text.encode()
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    files["pyproject.toml"] = _student_project(project, name).encode()
    faults = [*imports_of_reference(files), *pieces_of_a_solution(files, stubs)]
    if faults:
        raise HandoutError("\n".join(["this must not be handed out:", *faults]))
    return dict(sorted(files.items()))


def write(files: dict[str, bytes], out: Path) -> None:
    """Write a hand-out under a temporary name beside its place, then rename it.

    Args:
        files: what `collect` returned.
        out: the folder to make; it must not exist, or be empty.

    Raises:
        HandoutError: there is something at `out` already.
        OSError: the folder cannot be written.
    """
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise HandoutError(
            f"{out}: expected a new or empty folder, found something there; "
            "name another one with --out, or remove it"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".partial"))
    try:
        for name, content in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        temporary.chmod(0o755)  # mkdtemp's folder is private to its owner
        os.replace(temporary, out)
    except BaseException:
        shutil.rmtree(temporary)
        raise


def main(argv: list[str], root: Path = ROOT) -> int:
    """`python -m grader handout ASSIGNMENT --out DIR`: make the folder that students get.

    Args:
        argv: the arguments after "handout".
        root: the repository.

    Returns:
        The exit status: 0, or 1 where nothing was made.
    """
    parser = argparse.ArgumentParser(
        prog="python -m grader handout",
        description="Make the folder that students get: stubs, tests, data scripts, the grader.",
    )
    parser.add_argument("assignment", choices=sorted(ASSIGNMENTS))
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to make; new or empty"
    )
    arguments = parser.parse_args(argv)
    try:
        files = collect(arguments.assignment, root)
        write(files, arguments.out)
    except (HandoutError, StubError, OSError) as error:
        print(error)
        return 1
    size = sum(map(len, files.values())) / 1024
    print(f"{arguments.out}: {len(files)} files, {size:.0f} KiB; in it: make test, make check")
    return 0


def _find(pattern: str, root: Path) -> dict[str, bytes]:
    """The files that a glob names, without what tools left behind and what is withheld."""
    found = {}
    for path in root.glob(pattern):
        name = path.relative_to(root).as_posix()
        # A hidden file is handed out only where it is named itself (.gitignore).
        leftover = name != pattern and _LEFTOVERS.search(name)
        if path.is_file() and not leftover and not name.startswith(WITHHELD):
            found[name] = path.read_bytes()
    return found


def _student_project(text: str, name: str) -> str:
    """The repository's pyproject.toml, without the reference."""
    for pattern, replacement in (
        (r'^name = "chalkbench"$', f'name = "chalkbench-{name}"'),
        (r'^description = ".*"$', f'description = "{name}: your work, its tests, its grader"'),
        (r'^include = \["reference\*", ', "include = ["),
    ):
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if count != 1:
            raise HandoutError(
                f"pyproject.toml: expected one line like {pattern!r}, found {count}; "
                "change it back, or change grader/handout with it"
            )
    tomllib.loads(text)
    return text
