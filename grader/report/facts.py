"""What every page of a report says beside the checks: what a grade rests on, and how verdicts look."""

from __future__ import annotations

from grader.assignments import ASSIGNMENTS
from grader.report.terminal import ISOLATION
from grader.result import DeliverableResult, Result

# The word stands beside the symbol always; colour and symbol only help to find it.
SYMBOLS = {
    "pass": "✓",
    "fail": "✗",
    "error": "⚠",
    "timeout": "◷",
    "killed": "■",
    "not-run": "–",
    "invalid": "⊘",
}
SYNTHETIC = (
    "Synthetic data: these numbers were measured on a stand-in and say nothing about the real data set."
)


def who(result: Result) -> str:
    """The submission's name: its folder's, without the way there."""
    parts = result.submission.replace("\\", "/").rstrip("/").split("/")
    return parts[-1] or result.submission


def conditions(result: Result) -> dict[str, str]:
    """What a grade rests on, in order."""
    isolation = result.isolation
    if isolation in ISOLATION:
        isolation += f": {ISOLATION[isolation]}"
    assignment = ASSIGNMENTS.get(result.assignment)
    source = "no data set was needed" if result.data == "none" else f"{result.data}: {result.data_source}"
    rows = {
        "submission": result.submission,
        "digest of its files": f"SHA-256 {result.digest}",
        "data": source,
        "digest of the data": result.data_digest,
        "accuracies": assignment.remark if assignment else "",
        "seed": f"{result.seed} (the same draws again: --seed {result.seed})",
        "isolation": isolation,
        "time": f"{result.seconds:.1f} s, started {result.started}",
        "versions": ", ".join(f"{name} {version}" for name, version in result.versions.items()),
        "hardware": result.hardware,
    }
    return {name: value for name, value in rows.items() if value}


def heading(deliverable: DeliverableResult) -> str:
    """A deliverable's number, title, and what was swapped."""
    swap = f" (with {deliverable.swap})" if deliverable.swap else ""
    return f"Deliverable {deliverable.number}: {deliverable.title}{swap}"


def remarks(deliverable: DeliverableResult) -> list[str]:
    """What has to be known before its points are read."""
    said = []
    if not deliverable.counted:
        said.append("Shown for comparison; this run adds nothing to the total.")
    if deliverable.kept:
        said.append(f"Kept from {deliverable.kept}: same files, data, seed and versions.")
    return said
