"""Two results side by side: what became of each check, and what may be the reason."""

from __future__ import annotations

import msgspec

from grader.regrade.causes import MACHINE, Cause, causes, unknown
from grader.result import CheckResult, DeliverableResult, Result, Verdict

BUSY = frozenset({"timeout", "killed"})  # verdicts that a busy machine has a part in


class Side(msgspec.Struct, frozen=True):
    """What a check ended in, in one of the results."""

    verdict: Verdict
    earned: float
    points: float
    reason: str


class CheckDifference(msgspec.Struct, frozen=True):
    """One check in both results; None where it is in one only."""

    deliverable: int
    swap: str  # "" on the submission's own files
    counted: bool
    id: str
    title: str
    before: Side | None
    after: Side | None
    changed: bool  # verdict or points; words alone are no change


class Run(msgspec.Struct, frozen=True):
    """A result in a line."""

    submission: str
    digest: str
    earned: float
    points: float
    started: str  # ISO 8601, UTC


class Difference(msgspec.Struct, frozen=True):
    """What changed between two results, and why it may have."""

    assignment: str
    old: Run
    new: Run
    checks: list[CheckDifference]
    causes: list[Cause]  # all that is known to differ, whether or not a check changed
    unknown: list[str]  # what may differ too
    conclusion: str

    @property
    def changed(self) -> list[CheckDifference]:
        return [check for check in self.checks if check.changed]


def compare(old: Result, new: Result) -> Difference:
    """Compare two results of one assignment.

    A run that is shown beside the counted one (with something swapped in) is compared where both have it.

    Raises:
        ValueError: they are of two assignments.
    """
    if old.assignment != new.assignment:
        raise ValueError(f"expected two results of one assignment, found {old.assignment} and {new.assignment}")
    before, after = _runs(old), _runs(new)
    checks = [
        difference
        for key in sorted(before.keys() | after.keys())
        if key[1] or key in before.keys() & after.keys()
        for difference in _checks(before.get(key), after.get(key))
    ]
    found, unsaid = causes(old, new), unknown(old, new)
    changed = [check for check in checks if check.changed]
    return Difference(
        old.assignment, _run(old), _run(new), checks, found, unsaid, _conclusion(changed, found, unsaid, old.seed)
    )


def _runs(result: Result) -> dict[tuple[int, bool, str], DeliverableResult]:
    """(number, counted, swap) → run; a deliverable counts once, whatever stood in for its foundation."""
    return {(run.number, run.counted, "" if run.counted else run.swap): run for run in result.deliverables}


def _checks(before: DeliverableResult | None, after: DeliverableResult | None) -> list[CheckDifference]:
    run = after or before
    sides = [{check.id: check for check in side.checks} if side else {} for side in (before, after)]
    found = []
    for id in dict.fromkeys([*sides[0], *sides[1]]):
        old, new = (_side(side.get(id)) for side in sides)
        check = sides[1].get(id) or sides[0][id]
        changed = _judged(old) != _judged(new)
        found.append(CheckDifference(run.number, run.swap, run.counted, id, check.title, old, new, changed))
    return found


def _side(check: CheckResult | None) -> Side | None:
    return Side(check.verdict, check.earned, check.points, check.reason) if check else None


def _judged(side: Side | None) -> tuple | None:
    return (side.verdict, side.earned, side.points) if side else None


def _run(result: Result) -> Run:
    return Run(result.submission, result.digest, result.earned, result.points, result.started)


def _conclusion(changed: list[CheckDifference], found: list[Cause], unsaid: list[str], seed: int) -> str:
    """Why, in a sentence."""
    kinds = list(dict.fromkeys(cause.kind for cause in found))
    if not changed:
        beside = f", although this is not the same: {', '.join(kinds)}" if kinds else ""
        return f"the same verdicts and points{beside}"
    busy = all(any(side and side.verdict in BUSY for side in (check.before, check.after)) for check in changed)
    busy_too = "; a check that runs out of time or memory may do so because the machine is busy" if busy else ""
    if not found and unsaid:
        return f"nothing that both results hold explains it{busy_too}"
    if not found:
        return f"the same code, data, versions and seed: the verdict is not steady{busy_too}"
    if {*kinds} <= MACHINE and not unsaid:
        return (
            f"the same code, data, versions and seed, on another machine or in another way ({', '.join(kinds)}): "
            f"the verdict is not steady{busy_too}"
        )
    if "seed" in kinds and len(kinds) > 1:
        busy_too += f"; --seed {seed} grades with the draws of the first, and leaves the seed out"
    return f"one or more of these explain it: {', '.join(kinds)}{busy_too}"
