"""`python -m grader similarity DIR`: which submissions of a class share more than the task explains.

copydetect compares fingerprints of token sequences (winnowing: Schleimer, Wilkerson and Aiken,
SIGMOD 2003), so that other names and other comments change nothing. It finds what to look at;
whether it was copied is for a person to judge.
"""

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jinja2
from rich.console import Console
from rich.text import Text

from data_scripts import atomic
from grader.assignments import ASSIGNMENTS
from grader.classroom import material, roster
from grader.classroom.intake import unpack
from grader.classroom.members import Unreadable, opened
from grader.declaration import Assignment
from grader.report.text import clean

TEMPLATES = Path(__file__).parent / "templates"
STUBS = Path(__file__).resolve().parents[2] / "student"
LONGEST_SOURCE = 1 << 20  # bytes of a file; a hand-written one is under 100 KB
SHOWN = 20  # pairs on the terminal; the page has all of them


class SimilarityError(ValueError):
    """Nothing can be compared; the message says what to do."""


@dataclass(frozen=True)
class Side:
    """One file of a pair."""

    name: str  # "class/alice/deliverable1-2/mytorch.py"
    share: float  # of its code that the other one has, too
    parts: list[tuple[str, bool]]  # its text, and whether it is shared


@dataclass(frozen=True)
class Pair:
    """Two files of different students."""

    one: Side
    other: Side
    tokens: int  # that they share

    @property
    def share(self) -> float:
        """The larger one: who hides a copy in a long file hides nothing."""
        return max(self.one.share, self.other.share)


def main(argv: list[str]) -> int:
    """Compare a class's submissions; returns the exit status.

    Args:
        argv: the arguments after "similarity".
    """
    parser = argparse.ArgumentParser(
        prog="python -m grader similarity",
        description="Compare the submissions of a class with each other and with earlier years', and write a page.",
    )
    parser.add_argument("submissions", type=Path, metavar="DIR|ZIP", help="as --submissions takes it")
    parser.add_argument("--assignment", choices=sorted(ASSIGNMENTS), default="hw3")
    parser.add_argument("--archive", type=Path, action="append", default=[], metavar="DIR|ZIP",
                        help="an earlier year's class; compared with, but not among each other")  # fmt: skip
    parser.add_argument("--boilerplate", type=Path, action="append", default=[], metavar="DIR",
                        help="code that was given to all, beside the hand-out's stubs")  # fmt: skip
    parser.add_argument("--threshold", type=float, default=0.5, metavar="SHARE",
                        help="show what two files share from here on (default: 0.5)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("results", "similarity.html"), metavar="FILE",
                        help="the page (default: results/similarity.html)")  # fmt: skip
    arguments = parser.parse_args(argv)
    assignment = ASSIGNMENTS[arguments.assignment]
    try:
        pairs, notes = compare(
            assignment, arguments.submissions, out=arguments.out, archive=arguments.archive,
            boilerplate=[STUBS.joinpath(*assignment.home), *arguments.boilerplate], threshold=arguments.threshold,
        )  # fmt: skip
    except (SimilarityError, Unreadable, OSError) as error:
        Console(stderr=True).print(Text("nothing was compared: ", "bold red").append(clean(str(error)), "default"))
        return 2
    console = Console()
    for note in notes:
        console.print(Text(clean(note, 300)), soft_wrap=True)
    for pair in pairs[:SHOWN]:
        line = f"{pair.share:4.0%}  {clean(pair.one.name)}  and  {clean(pair.other.name)}"
        console.print(Text(line), soft_wrap=True)
    console.print(f"{len(pairs)} pairs of files share at least {arguments.threshold:.0%} of their code")
    console.print(f"written: {arguments.out}", highlight=False, soft_wrap=True)
    return 0


def compare(
    assignment: Assignment,
    submissions: Path,
    *,
    out: Path,
    archive: list[Path],
    boilerplate: list[Path],
    threshold: float,
) -> tuple[list[Pair], list[str]]:
    """Compare a class with itself and with an archive.

    Args:
        assignment: whose folders tell a student's from a class's.
        submissions: the class, as `grader.classroom.roster` reads it.
        out: the page to write.
        archive: earlier classes.
        boilerplate: folders with code that everybody was given; those that are not there are left out.
        threshold: least share of a file's code, from 0 to 1.

    Returns:
        Pairs of files of different students, the most alike first, and notes on what could not be read.

    Raises:
        SimilarityError: copydetect is not installed, or there is nothing to compare.
        Unreadable: the class is no folder and no archive.
    """
    try:
        import copydetect
    except ImportError:
        raise SimilarityError("this needs copydetect: pip install 'chalkbench[similarity]'") from None
    with tempfile.TemporaryDirectory(prefix="chalkbench-") as folder:
        root = Path(folder).resolve()
        notes = _unpack_class(assignment, submissions, root / "class")
        for number, earlier in enumerate(archive, 1):
            notes += _unpack_class(assignment, earlier, root / f"archive-{number}")
        if not any((root / "class").rglob("*.py")):
            raise SimilarityError(f"{submissions}: expected submissions with Python files, found none")
        detector = copydetect.CopyDetector(
            test_dirs=[str(root / "class")],
            ref_dirs=[str(root / "class"), *(str(path) for path in sorted(root.glob("archive-*")))],
            boilerplate_dirs=[str(path) for path in boilerplate if path.is_dir()],
            extensions=["py"], display_t=threshold, autoopen=False, silent=True, force_language="python",
        )  # fmt: skip
        detector.run()
        pairs = _pairs(detector, root, threshold)
        # copydetect's own page takes its style from a stranger's server, and shows names unescaped.
        page = _page(
            title=submissions.name, pairs=pairs, notes=notes, threshold=threshold,
            students=sum(path.is_dir() for path in (root / "class").iterdir()),
            files=len(detector.test_files), archived=len(detector.ref_files) - len(detector.test_files),
        )  # fmt: skip
    atomic.write(out, page.encode())
    return pairs, notes


def _pairs(detector, root: Path, threshold: float) -> list[Pair]:
    """What two different students' files share, the most alike first."""
    pairs = []
    for place, mine in enumerate(detector.test_files):
        for other_place, theirs in enumerate(detector.ref_files):
            shares = detector.similarity_matrix[place, other_place]
            names = [Path(path).relative_to(root).as_posix() for path in (mine, theirs)]
            if max(shares) < threshold or _student(names[0]) == _student(names[1]):
                continue
            if theirs in detector.test_files and names[0] > names[1]:
                continue  # both are of this class, and their pair comes the other way round, too
            slices = detector.slice_matrix.get((mine, theirs))
            if slices is None:
                slices = detector.slice_matrix[(theirs, mine)][::-1]
            one, other = (
                Side(name, float(share), _parts(detector.file_data[path].raw_code, found))
                for name, share, path, found in zip(names, shares, (mine, theirs), slices, strict=True)
            )
            pairs.append(Pair(one, other, int(detector.token_overlap_matrix[place, other_place])))
    return sorted(pairs, key=lambda pair: (-pair.share, pair.one.name, pair.other.name))


def _parts(code: str, slices) -> list[tuple[str, bool]]:
    """A file in pieces: (text, whether it is shared)."""
    parts, at = [], 0
    for start, end in sorted(zip(*(map(int, row) for row in slices), strict=True)):
        parts += [(code[at:start], False), (code[max(at, start) : end], True)]
        at = max(at, end)
    return [*parts, (code[at:], False)]


def _page(**content: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("similarity.html").render(content)


def _unpack_class(assignment: Assignment, given: Path, folder: Path) -> list[str]:
    """Each student's Python files into a folder of their own; notes on those that cannot be read."""
    if not given.exists():
        raise SimilarityError(f"{given}: there is no such folder or archive")
    notes = []
    folder.mkdir()
    with opened(given) as members:
        hand_ins, _ = roster.read(members, folders=assignment.folders)
        for hand_in in hand_ins:
            place = folder / hand_in.slug
            place.mkdir()
            packed = folder / "packed.tar"
            try:
                material.pack(hand_in, packed)
                unpack(packed, place)
            except Unreadable as error:
                notes.append(f"{hand_in.key} is not compared: {error}")
                shutil.rmtree(place)
            finally:
                packed.unlink(missing_ok=True)
            for path in place.rglob("*"):
                if path.is_file() and not (path.suffix == ".py" and _is_text(path)):
                    path.unlink()
    return notes


def _is_text(path: Path) -> bool:
    if path.stat().st_size > LONGEST_SOURCE:
        return False
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _student(name: str) -> tuple[str, ...]:
    """`class/alice/…` → ("class", "alice")."""
    return Path(name).parts[:2]
