"""A result as the line that Autolab reads scores from, the last one that an autograder prints.

The assessment's problems are named `deliverable1`, `deliverable2` and so on.

Source: Autolab documentation, "Writing Autograders" and "Feedback" (docs.autolabproject.com).
"""

from __future__ import annotations

import json
from pathlib import Path

from data_scripts import atomic
from grader.result import Result


def write(result: Result, path: Path) -> list[Path]:
    """Write the line; print it at the end of the grading job: `cat FILE`.

    Args:
        result: what a grading run ended in.
        path: the file to write.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    atomic.write(Path(path), line(result).encode() + b"\n")
    return [Path(path)]


def line(result: Result) -> str:
    """Scores per deliverable, and those that a scoreboard ranks by."""
    scores = {f"deliverable{deliverable.number}": deliverable.earned for deliverable in result.counted}
    board = [
        round(value, 4)
        for deliverable in result.counted
        for check in deliverable.checks
        for value in check.scores.values()
    ]
    return json.dumps({"scores": scores} | ({"scoreboard": board} if board else {}))
