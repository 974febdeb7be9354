"""What an instructor takes away: gradebook.csv, a result.json per student, leaderboard.csv, audit.csv."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import msgspec

from data_scripts import atomic
from grader.classroom.roster import HandIn
from grader.classroom.store import Row
from grader.declaration import Assignment
from grader.report import json_file
from grader.report.text import clean
from grader.result import CheckResult, Result

LONGEST_CELL = 500  # characters
# A spreadsheet takes a cell that begins so for a formula, and runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
TOP = 10  # that the assignment gives extra credit to


def write(hand_ins: list[HandIn], rows: dict[str, Row], assignment: Assignment, numbers: Iterable[int], folder: Path):
    """Write gradebook.csv and students/NAME/result.json.

    Args:
        hand_ins: everybody; a group's members get a line each.
        rows: key of a hand-in → its result.
        assignment: what was graded.
        numbers: the deliverables that were.
        folder: the class's.

    Returns:
        The gradebook's path.

    Raises:
        OSError: a file cannot be written.
    """
    numbers = list(numbers)
    lines = [
        ["key", "name", "id", "email", "late", "state", "points", "of", *(f"deliverable{n}" for n in numbers),
         "remarks", "seconds", "graded", "submission", "result"]
    ]  # fmt: skip
    for hand_in in hand_ins:
        row = rows[hand_in.key]
        result = decoded(row)
        place = Path("students", hand_in.slug, "result.json")
        if result is not None:
            json_file.write(result, folder / place)
        else:
            (folder / place).unlink(missing_ok=True)  # of an earlier submission that could be graded
        earned = {deliverable.number: deliverable.earned for deliverable in result.counted} if result else {}
        of = sum(check.points for number in numbers for check in assignment.deliverable(number).checks)
        for student in hand_in.students:
            lines.append([
                hand_in.key, student.name, student.id, student.email, "late" if hand_in.late else "",
                row.state if row.state != "failed" else "not graded",
                # A submission that cannot be read earns nothing; one that we failed on has no points yet.
                f"{result.earned:g}" if result else ("0" if row.state == "refused" else ""), f"{of:g}",
                *(f"{earned[n]:g}" if n in earned else "" for n in numbers),
                "; ".join([*([row.reason] if row.reason else []), *row.notes]),
                f"{row.seconds:.1f}", row.finished, row.submission, place.as_posix() if result else "",
            ])  # fmt: skip
    return _write(folder / "gradebook.csv", lines)


def leaderboard(hand_ins: list[HandIn], rows: dict[str, Row], folder: Path) -> Path | None:
    """Write leaderboard.csv: the best of the check that keeps scores, by the mean of its numbers.

    Whoever shares a place shares its number, so that there may be more than ten. Only a check that
    passed counts. None where nobody has a score.
    """
    scored = []
    for hand_in in hand_ins:
        result = decoded(rows[hand_in.key])
        for check in _scored(result) if result else ():
            scored.append((sum(check.scores.values()) / len(check.scores), hand_in, check.scores, rows[hand_in.key]))
    if not scored:
        (folder / "leaderboard.csv").unlink(missing_ok=True)
        return None
    scored.sort(key=lambda entry: (-entry[0], entry[1].key))
    names = list(scored[0][2])
    lines = [["place", "key", "students", "mean", *names, "round"]]
    for mean, hand_in, scores, row in scored:
        place = 1 + sum(other > mean for other, *_ in scored)
        if place > TOP:
            break
        who = ", ".join(student.name for student in hand_in.students)
        rates = [f"{100 * scores[name]:.2f}" if name in scores else "" for name in names]
        lines.append([str(place), hand_in.key, who, f"{100 * mean:.2f}", *rates, str(row.round)])
    return _write(folder / "leaderboard.csv", lines)


def audit(
    drawn: list[tuple[str, int]], verified: dict[str, Row], trained: dict[int, dict[str, Row]], folder: Path
) -> Path:
    """Write audit.csv: what a deliverable earned by its checkpoint, and what by a training of ours.

    Args:
        drawn: student and deliverable of each checkpoint.
        verified: student → result by checkpoint.
        trained: deliverable → student → result by training.
        folder: the class's.
    """
    lines = [["key", "deliverable", "by checkpoint", "by training", "what differs"]]
    for student, number in drawn:
        row = trained[number][student]
        one, other = decoded(verified[student]), decoded(row)
        differs = row.reason if other is None else _differences(one, other, number)
        lines.append([student, str(number), _earned(one, number), _earned(other, number), differs])
    return _write(folder / "audit.csv", lines)


def decoded(row: Row) -> Result | None:
    """A row's result."""
    return None if row.result is None else msgspec.json.decode(row.result, type=Result)


def _scored(result: Result) -> Iterable[CheckResult]:
    checks = [check for deliverable in result.counted for check in deliverable.checks]
    return (check for check in checks if check.scores and check.verdict == "pass")


def _earned(result: Result | None, number: int) -> str:
    return "" if result is None else "".join(f"{run.earned:g}" for run in result.counted if run.number == number)


def _differences(one: Result, other: Result, number: int) -> str:
    def verdicts(result: Result) -> dict[str, CheckResult]:
        return {check.id: check for run in result.counted if run.number == number for check in run.checks}

    trained = verdicts(other)
    changed = [
        f"{id}: {check.verdict} became {trained[id].verdict}: {trained[id].reason}"
        for id, check in verdicts(one).items()
        if id in trained and trained[id].verdict != check.verdict
    ]
    return "; ".join(changed)


def _write(path: Path, lines: list[list[str]]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_cell(cell) for cell in line] for line in lines])
    # With a byte order mark, without which Excel reads names with accents wrongly.
    atomic.write(path, text.getvalue().encode("utf-8-sig"))
    return path


def _cell(text: str) -> str:
    """A cell without line breaks, and without a formula in it."""
    plain = " ".join(clean(text, LONGEST_CELL).split())
    return f"'{plain}" if text.startswith(FORMULA) or plain.startswith(FORMULA) else plain
