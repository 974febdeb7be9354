"""A result as Gradescope's `results.json`.

Source: Gradescope, Autograder Specifications, "Output Format" (gradescope-autograders.readthedocs.io).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data_scripts import atomic
from grader.report import facts
from grader.report.hidden import for_students
from grader.report.text import clean
from grader.result import CheckResult, DeliverableResult, Result

# Gradescope publishes no limit; these are ours, so that no submission's words can exceed one.
LONGEST, LARGEST = 2_000, 1_000_000  # characters of one output, bytes of the file


def write(result: Result, path: Path) -> list[Path]:
    """Write the file: students read it, so that hidden checks keep their reasons to themselves.

    Args:
        result: what a grading run ended in.
        path: the file to write, as a rule /autograder/results/results.json.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    content, result = b"", for_students(result)
    # Shorter outputs where all of them together are too much.
    for longest in (LONGEST, LONGEST // 8, 80):
        content = json.dumps(_content(result, longest), ensure_ascii=False, indent=1).encode()
        if len(content) <= LARGEST:
            break
    atomic.write(Path(path), content + b"\n")
    return [Path(path)]


def _content(result: Result, longest: int) -> dict[str, Any]:
    return {
        "score": round(result.earned, 6),
        "output": _words(result, longest),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",  # what is printed while grading may tell what is secret
        "execution_time": round(result.seconds),
        "extra_data": {"digest": result.digest, "seed": result.seed, "data": result.data},
        "tests": [
            _test(deliverable, number, check, longest)
            for deliverable in result.deliverables
            for number, check in enumerate(deliverable.checks, 1)
        ],
        "leaderboard": [
            {"name": clean(name, 60), "value": round(value, 4), "order": "desc"}
            for deliverable in result.counted
            for check in deliverable.checks
            for name, value in check.scores.items()
        ],
    }


def _words(result: Result, longest: int) -> str:
    """What stands above the tests."""
    lines = [f"{name}: {clean(value, longest)}" for name, value in facts.conditions(result).items()]
    if result.data == "synthetic":
        lines.insert(0, facts.SYNTHETIC.upper())
    return "\n".join(lines)


def _test(deliverable: DeliverableResult, number: int, check: CheckResult, longest: int) -> dict[str, Any]:
    swap = f" (with {deliverable.swap}, not counted)" if not deliverable.counted else ""
    return {
        "name": clean(check.title + swap, 200),
        "number": f"{deliverable.number}.{number}",
        # Gradescope counts every test with a score into the total that it shows.
        "score": check.earned if deliverable.counted else 0,
        "max_score": check.points if deliverable.counted else 0,
        "status": "passed" if check.verdict == "pass" else "failed",
        "output": clean(f"{check.verdict}: {check.reason}" if check.reason else check.verdict, longest),
        "tags": [f"deliverable {deliverable.number}", check.id],
        "visibility": "visible",
    }
