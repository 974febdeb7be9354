"""What was saved, and which deliverables it has a part in.

Files are compared by their contents: what an editor does to write one (a temporary file, a rename, three
events) makes no difference, and a file that was saved as it was is none that has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.conditions import beside_code
from grader.declaration import Assignment, Deliverable
from grader.runner import locate
from grader.submission import WEIGHTS, Submission, SubmissionError

# Folders of the project that lie in a hand-out too: a session cannot import what is in them.
NOT_HANDED_IN = frozenset({"grader", "tests", "data_scripts"})


@dataclass(frozen=True)
class Snapshot:
    """A submission as it is at one moment.

    Args:
        submission: where its files lie.
        files: path below its root → digest, of everything that is graded.
    """

    submission: Submission
    files: dict[str, str]


def snapshot(assignment: Assignment, given: str) -> Snapshot:
    """Look at a submission.

    Raises:
        SubmissionError: it cannot be graded at all.
    """
    try:
        submission = locate(assignment, given)
        return Snapshot(submission, submission.files | beside_code(submission, assignment.deliverables))
    except FileNotFoundError as error:  # between two looks at the same folder
        raise SubmissionError(f"{given} is being deleted, or moved: {error.filename} has gone") from None


def changed(before: Snapshot, after: Snapshot) -> list[str]:
    """The files that came, went, or are other ones; sorted."""
    names = before.files.keys() | after.files.keys()
    return sorted(name for name in names if before.files.get(name) != after.files.get(name))


def affected(assignment: Assignment, before: Snapshot, after: Snapshot) -> set[int]:
    """The numbers of the deliverables that a change has a part in.

    A file that the assignment names belongs to the deliverables that name it, any other one below a
    deliverable's folder to all deliverables of that folder, and one outside of these folders to all
    there are. Whatever rests on an affected deliverable is affected too.

    Args:
        assignment: what is asked for.
        before, after: the submission, then and now.
    """
    names = [PurePosixPath(name) for name in changed(before, after)]
    numbers: set[int] = set()
    for name in names:
        parts = [d for d in assignment.deliverables if _has_part(name, d, assignment, before, after)]
        elsewhere = not any(_below(name, place) for place in _places(assignment, before, after))
        if elsewhere and name.parts[0] not in NOT_HANDED_IN:
            parts = list(assignment.deliverables)
        numbers.update(deliverable.number for deliverable in parts)
    while more := {d.number for d in assignment.deliverables if d.rests_on in numbers} - numbers:
        numbers |= more
    return numbers


def quick_first(assignment: Assignment, numbers: set[int]) -> list[int]:
    """The deliverables in the order in which their verdicts are soonest there: trainings come last."""

    def limit(number: int) -> float:
        return max(check.seconds for check in assignment.deliverable(number).checks)

    return sorted(numbers, key=lambda number: (limit(number), number))


def _has_part(
    name: PurePosixPath, deliverable: Deliverable, assignment: Assignment, before: Snapshot, after: Snapshot
) -> bool:
    """Whether a file below the deliverable's folder, then or now, is one that it is graded by."""
    for moment in (before, after):
        place = _place(moment, deliverable.folder)
        if place is None or not _below(name, place):
            continue
        if name.parent == place and name.suffix == ".py" and name.stem in assignment.folders[deliverable.folder]:
            return name.stem in deliverable.files
        if name.suffix == ".py":  # one that these import, as far as one knows from outside
            return not (place == PurePosixPath(".") and name.parts[0] in NOT_HANDED_IN)
        weights = [f"{deliverable.weights}{ending}" for ending in WEIGHTS] if deliverable.weights else []
        return name.parent == place and name.name in (*weights, *deliverable.documents)
    return False


def _places(assignment: Assignment, *moments: Snapshot) -> set[PurePosixPath]:
    found = {_place(moment, folder) for moment in moments for folder in assignment.folders}
    return {place for place in found if place is not None}


def _place(moment: Snapshot, folder: str) -> PurePosixPath | None:
    """Where a deliverable's folder lies below the submission's root."""
    place: Path | None = moment.submission.folders.get(folder)
    return None if place is None else PurePosixPath(place.relative_to(moment.submission.root).as_posix())


def _below(name: PurePosixPath, place: PurePosixPath) -> bool:
    return place == PurePosixPath(".") or name.is_relative_to(place)
