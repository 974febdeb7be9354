"""A result as one line of a table, with the names of its columns: CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from data_scripts import atomic
from grader.report import facts
from grader.report.text import clean
from grader.result import Result

# A spreadsheet would take a text that begins so for a formula, and run it.
FORMULA = ("=", "+", "-", "@")


def write(result: Result, path: Path) -> list[Path]:
    """Write the file: the names of the columns, then their values.

    Args:
        result: what a grading run ended in.
        path: the file to write.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    content = io.StringIO()
    lines = csv.writer(content)
    values = row(result)
    lines.writerow(values)
    lines.writerow(values.values())
    # With the mark, spreadsheets read it as UTF-8.
    atomic.write(Path(path), content.getvalue().encode("utf-8-sig"))
    return [Path(path)]


def row(result: Result) -> dict[str, str | float | int]:
    """Column → value: who, the total, points per deliverable, verdict per check, and what it rests on."""
    values: dict[str, str | float | int] = {
        "assignment": result.assignment,
        "submission": facts.who(result),
        "earned": result.earned,
        "points": result.points,
    }
    for deliverable in result.counted:
        values[f"deliverable{deliverable.number}"] = deliverable.earned
    for deliverable in result.counted:
        for check in deliverable.checks:
            values[check.id] = check.verdict
    values |= {
        "data": result.data,
        "isolation": result.isolation,
        "seed": str(result.seed),
        "digest": result.digest,
        "started": result.started,
        "seconds": round(result.seconds, 1),
    }
    return {_safe(name): _safe(value) for name, value in values.items()}


def _safe(value: str | float | int) -> str | float | int:
    if not isinstance(value, str):
        return value
    text = " ".join(clean(value, 200).split())
    return f"'{text}" if text.startswith(FORMULA) else text
