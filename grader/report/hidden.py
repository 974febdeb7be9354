"""What students see of a hidden check: its category, its verdict and its points.

Whatever an instructor reads holds all of it. The code of a check is another matter: a hand-out has the
grader in it, and with it every check that was declared when it was made.
"""

from __future__ import annotations

import msgspec

from grader.result import CheckResult, Result


def for_students(result: Result) -> Result:
    """A result without what its hidden checks found.

    Args:
        result: what a grading run ended in.
    """
    deliverables = [
        msgspec.structs.replace(
            deliverable, checks=[shown(check, place) for place, check in enumerate(deliverable.checks, 1)]
        )
        for deliverable in result.deliverables
    ]
    return msgspec.structs.replace(result, deliverables=deliverables)


def shown(check: CheckResult, place: int) -> CheckResult:
    """One check as students see it.

    Args:
        check: as it was judged.
        place: among the deliverable's checks, from 1; stands in its name, since ids say what is asked.
    """
    if not check.hidden:
        return check
    return msgspec.structs.replace(check, id=f"hidden.{place}", title=check.hidden, reason="", scores={})
