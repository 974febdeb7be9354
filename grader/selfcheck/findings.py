"""What grading one mutant showed: caught, missed, or something else than its fault was named."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from grader.result import CheckResult
from grader.selfcheck.mutant import Mutant

Status = Literal["caught", "missed", "wrong check", "wrong hint", "equivalent"]
# Of these, the first two say that the grader does what it should.
RIGHT: tuple[Status, ...] = ("caught", "equivalent")


class Finding(msgspec.Struct, frozen=True):
    """One mutant, graded."""

    name: str
    deliverable: int
    mechanical: bool
    status: Status
    lost: list[str]  # checks that did not pass
    hinted: bool  # whether the check that names the fault gave the hint that is known for it
    hintable: bool  # whether one is known
    note: str  # what was expected and what was found; "" where that is the same
    seconds: float


def hint(check: CheckResult) -> str:
    """The hint in a check's reason, "" without one."""
    return check.reason.partition("\n  hint: ")[2]


def judge(mutant: Mutant, checks: Iterable[CheckResult], seconds: float = 0.0, equivalent: str = "") -> Finding:
    """Compare what a mutant lost with what it must lose.

    Args:
        mutant: what was graded.
        checks: of its deliverable, all of them.
        seconds: that it took.
        equivalent: why this change is no fault; "" if it is one.
    """
    lost = {check.id: check for check in checks if check.verdict != "pass"}
    costs = [id for id, check in lost.items() if check.earned < check.points]
    status, note = _judged(mutant, lost, costs, equivalent)
    named = lost.get(mutant.lost[0]) if mutant.lost else None
    return Finding(
        name=mutant.name,
        deliverable=mutant.deliverable,
        mechanical=mutant.mechanical,
        status=status,
        lost=list(lost),
        hinted=bool(mutant.hint and named and mutant.hint in hint(named)),
        hintable=bool(mutant.hint),
        note=note,
        seconds=seconds,
    )


def _judged(
    mutant: Mutant, lost: dict[str, CheckResult], costs: list[str], equivalent: str
) -> tuple[Status, str]:
    ours = [f"{id}: {check.reason}" for id, check in lost.items() if "the grader itself failed" in check.reason]
    if ours:
        return "wrong check", ours[0]
    if equivalent:
        if costs:
            return "wrong check", f"listed as no fault ({equivalent}), and it lost {_named(costs)}"
        return "equivalent", equivalent
    if not costs:
        return "missed", f"it keeps all points; {_expected(mutant)}"
    if mutant.mechanical:
        return "caught", ""
    kept = [id for id in mutant.lost if id not in lost]
    other = [id for id in lost if id not in {*mutant.lost, *mutant.may}]
    if kept or other:
        found = [f"it keeps {_named(kept)}"] * bool(kept) + [f"it loses {_named(other)} as well"] * bool(other)
        return "wrong check", f"{_expected(mutant)}; {' and '.join(found)}"
    return _hinted(mutant, lost)


def _hinted(mutant: Mutant, lost: dict[str, CheckResult]) -> tuple[Status, str]:
    """No hint may name another fault, and the check that names this one gives the hint that is known."""
    true = [part for part in (mutant.hint, *mutant.also) if part]
    for id, check in lost.items():
        if (said := hint(check)) and not any(part in said for part in true):
            return "wrong hint", f"{id} says {said!r}; expected {' or '.join(map(repr, true)) or 'none'}"
    first = lost[mutant.lost[0]]
    if mutant.hint and mutant.hint not in hint(first):
        return "wrong hint", f"{first.id} says {hint(first) or 'nothing'!r}; expected {mutant.hint!r}"
    return "caught", ""


def _expected(mutant: Mutant) -> str:
    if mutant.mechanical:
        return "expected it to lose a check that bears points"
    return f"expected it to lose {_named(mutant.lost)}" + (f" (perhaps {_named(mutant.may)})" if mutant.may else "")


def _named(ids: Iterable[str]) -> str:
    return ", ".join(ids)
