"""A class as one page, class.html, and a page for each student beside the student's result.json.

The class's page holds everything it shows: it loads nothing, and its policy lets run nothing but its
own script, which sorts and searches. Without scripts it is the same page in one order.
"""

import hashlib
import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec
from markupsafe import Markup

from data_scripts import atomic
from grader.classroom.gradebook import decoded
from grader.classroom.roster import HandIn
from grader.classroom.store import Row
from grader.declaration import Assignment
from grader.report import facts, html
from grader.report.hidden import for_students
from grader.result import CheckResult, Result

BINS = 10  # of the distribution; its labels fit on a phone
FULL = 84.0  # per cent of the figure's height that the highest bar takes; a number stands above it
# What a state is called where there are no points.
STATES = {"refused": "refused", "failed": "not graded"}


@dataclass(frozen=True)
class Line:
    """One hand-in on the class's page: what its row shows, and what it is sorted and searched by."""

    hand_in: HandIn
    row: Row
    result: Result | None
    place: str  # of its own page, relative to the class's; "" for none

    @property
    def names(self) -> str:
        """Everybody in it."""
        return ", ".join(student.name for student in self.hand_in.students)

    @property
    def known_as(self) -> str:
        """Numbers and addresses, and the key where none of these is it."""
        about = [word for student in self.hand_in.students for word in (student.id, student.email) if word]
        return " · ".join(about if self.hand_in.key in [*about, self.names] else [self.hand_in.key, *about])

    @property
    def points(self) -> str:
        return f"{self.result.earned:g}" if self.result else STATES[self.row.state]

    @property
    def remarks(self) -> str:
        """Why there are no points, and what was left out."""
        return "; ".join([*filter(None, [self.row.reason]), *self.row.notes])

    @property
    def earned(self) -> dict[int, str]:
        """Number of a deliverable → points."""
        return {run.number: f"{run.earned:g}" for run in self.result.counted} if self.result else {}

    @property
    def checks(self) -> list[CheckResult]:
        return [check for run in self.result.counted for check in run.checks] if self.result else []

    @property
    def passed(self) -> int:
        return sum(check.verdict == "pass" for check in self.checks)


@dataclass
class Tally:
    """A check, and how the class did in it."""

    number: int  # of its deliverable
    id: str
    title: str
    index: int  # by which a row says that it did not pass
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def of(self) -> int:
        return self.verdicts.total()

    @property
    def missed(self) -> int:
        """How many did not pass."""
        return self.of - self.verdicts["pass"]

    @property
    def share(self) -> float:
        """Of those who were asked, in per cent."""
        return 100 * self.missed / self.of

    @property
    def how(self) -> list[tuple[int, str]]:
        """Of those who did not pass: how many, with which verdict; the commonest first."""
        return [(count, verdict) for verdict, count in self.verdicts.most_common() if verdict != "pass"]


def write(
    hand_ins: list[HandIn],
    rows: dict[str, Row],
    assignment: Assignment,
    numbers: tuple[int, ...],
    folder: Path,
    name: str,
) -> Path:
    """Write class.html, and students/NAME/report.html for everybody who has a result.

    A student's page is left as it is where it is of this result already, so that a run that goes on
    draws no curve twice.

    Args:
        hand_ins: everybody.
        rows: key of a hand-in → its result.
        assignment: what was graded.
        numbers: the deliverables that were.
        folder: the class's.
        name: what the class is called.

    Returns:
        The path of the class's page.

    Raises:
        OSError: a file cannot be written.
    """
    lines = []
    for hand_in in hand_ins:
        result = decoded(rows[hand_in.key])
        place = _place(hand_in)
        if result is None:
            (folder / place).unlink(missing_ok=True)  # of an earlier submission that could be graded
        else:
            _student(result, folder / place)
        lines.append(Line(hand_in, rows[hand_in.key], result, place.as_posix() if result else ""))
    path = folder / "class.html"
    atomic.write(path, page(lines, assignment, numbers, name).encode())
    return path


def remove(hand_ins: list[HandIn], folder: Path) -> None:
    """Remove what `write` wrote in an earlier run: it would show that run's points beside a newer gradebook."""
    for path in (Path("class.html"), *(_place(hand_in) for hand_in in hand_ins)):
        (folder / path).unlink(missing_ok=True)


def page(lines: list[Line], assignment: Assignment, numbers: tuple[int, ...], name: str) -> str:
    """The class's whole page."""
    style, script = (
        "".join((html.TEMPLATES / part).read_text("utf-8") for part in parts)
        for parts in (("report.css", "class.css"), ("class.js",))
    )
    tallies = _tallies(lines)
    of = sum(check.points for number in numbers for check in assignment.deliverable(number).checks)
    earned = [line.result.earned for line in lines if line.result]
    return html.environment().get_template("class.html").render(
        assignment=assignment.name,
        name=name,
        style=Markup(style),
        script=Markup(script),
        policy=html.policy(style, script),
        lines=sorted(lines, key=lambda line: (line.names.casefold(), line.hand_in.key)),
        deliverables=[assignment.deliverable(number) for number in numbers],
        tallies=sorted(tallies.values(), key=lambda tally: (-tally.share, tally.index)),
        missed={line.hand_in.key: _missed(line, tallies) for line in lines},
        of=of,
        earned=earned,
        mean=statistics.fmean(earned) if earned else 0.0,
        median=statistics.median(earned) if earned else 0.0,
        everything=sum(math.isclose(points, of) for points in earned),
        bins=bins(earned, of),
        full=FULL,
        states=Counter(line.row.state for line in lines),
        synthetic=facts.SYNTHETIC if any(line.result and line.result.data == "synthetic" for line in lines) else "",
    )


def bins(earned: list[float], of: float) -> list[int]:
    """How many earned how much: counts of `BINS` equal parts of the points; all points fall in the last one."""
    counts = [0] * BINS
    for points in earned:
        # The last one's upper end belongs to it; with no points to earn, everybody has all of them.
        counts[min(BINS - 1, int(BINS * points / of)) if of else BINS - 1] += 1
    return counts


def _tallies(lines: list[Line]) -> dict[str, Tally]:
    """Check → how the class did in it, in the order of the results."""
    tallies: dict[str, Tally] = {}
    for line in lines:
        for run in line.result.counted if line.result else ():
            for check in run.checks:
                tally = tallies.setdefault(check.id, Tally(run.number, check.id, check.title, len(tallies)))
                tally.verdicts[check.verdict] += 1
    return tallies


def _missed(line: Line, tallies: dict[str, Tally]) -> str:
    """Indices of the checks that a hand-in did not pass, for the script."""
    return " ".join(str(tallies[check.id].index) for check in line.checks if check.verdict != "pass")


def _place(hand_in: HandIn) -> Path:
    """Where a student's page lies, relative to the class's."""
    return Path("students", hand_in.slug, "report.html")


def _student(result: Result, path: Path) -> None:
    """The page of one result, unless it is there already: its curves take most of a second to draw."""
    mark = f"<!-- made of {hashlib.sha256(_report_digest() + msgspec.json.encode(result)).hexdigest()} -->\n".encode()
    if path.exists() and path.read_bytes().endswith(mark):
        return
    atomic.write(path, html.page(for_students(result)).encode() + b"\n" + mark)


@cache
def _report_digest() -> bytes:
    """Of the files that make a page of a result, so that an improved page takes the place of an older one."""
    digest = hashlib.sha256()
    for path in sorted([*html.TEMPLATES.parent.glob("*.py"), *html.TEMPLATES.glob("report.*")]):
        digest.update(path.read_bytes())
    return digest.digest()
