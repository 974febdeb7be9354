"""How an exported autograder grades: settings.json in its zip, written at the export and read in the container."""

import dataclasses
from pathlib import Path
from typing import Literal

import msgspec

from grader.declaration import Assignment, Check

Visibility = Literal["visible", "hidden", "after_due_date", "after_published"]  # Gradescope's words

NAME = "settings.json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an instructor chose.

    Args:
        assignment: its name.
        deliverables: numbers, in order.
        minutes: that one submission may take in all: what is set on Gradescope.
        slower: by how much the container is slower than two cores of today; multiplies every check's limit.
        points: check → points, in place of the declared ones.
        visibility: check → who sees it when; "" stands for all others.
        leaderboard: whether scores are sent to Gradescope's leaderboard.
        data: "real", or "synthetic" for the stand-in; a choice made when grading would differ between submissions.
        secret: of the course; from it and a submission's files comes the seed. "": a fresh seed each time.
        isolation: tier, as `grader.worker.isolation.choose` takes it.
    """

    assignment: str
    deliverables: tuple[int, ...]
    minutes: float = 10.0
    slower: float = 1.0
    points: dict[str, float] = {}
    visibility: dict[str, Visibility] = {}
    leaderboard: bool = True
    data: Literal["real", "synthetic"] = "real"
    secret: str = ""
    isolation: str = "auto"

    def encoded(self) -> bytes:
        """As the file holds it."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"

    def visibility_of(self, check: str) -> Visibility:
        """Who sees a check's result."""
        return self.visibility.get(check, self.visibility.get("", "visible"))

    def applied(self, assignment: Assignment) -> Assignment:
        """The assignment with these points and limits.

        Raises:
            ValueError: a check or a deliverable that it does not have.
        """
        for number in self.deliverables:
            assignment.deliverable(number)
        known = {check.id for deliverable in assignment.deliverables for check in deliverable.checks}
        for name in [*self.points, *filter(None, self.visibility)]:
            if name not in known:
                raise ValueError(f"{assignment.name} has no check {name!r}; python -m grader {assignment.name} --list")

        def changed(check: Check) -> Check:
            points = self.points.get(check.id, check.points)
            return dataclasses.replace(check, points=points, seconds=check.seconds * self.slower)

        return dataclasses.replace(
            assignment,
            deliverables=tuple(
                dataclasses.replace(deliverable, checks=tuple(map(changed, deliverable.checks)))
                for deliverable in assignment.deliverables
            ),
        )


def read(folder: Path) -> Settings:
    """The settings in an unpacked autograder.

    Raises:
        OSError: there are none.
        msgspec.ValidationError: they are not of this version.
    """
    return msgspec.json.decode((folder / NAME).read_bytes(), type=Settings)
