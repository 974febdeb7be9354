"""Imports that run out of time: which are tried again, and which need not be waited for again.

A file that trains at import, or loops, costs its limit each time it is imported, and several deliverables may
import it. An honest file can be as late once, on a machine that does something else meanwhile.
"""

from __future__ import annotations

from grader.declaration import Deliverable
from grader.worker import Code, WorkerFailure

# Whoever had a core for nine tenths of the time was not kept from it: a second try would end alike.
BUSY = 0.9


def may_be_the_machines(failure: WorkerFailure, seconds: float) -> bool:
    """Whether an import of at most `seconds` was late without having computed all the while."""
    return failure.verdict == "timeout" and failure.computed < BUSY * seconds


class Imports:
    """What one run knows of imports that ran out of time.

    It holds for the same module, with the same folders beside it, under the same rules: a session of them
    differs in nothing that an import can see. With another's folder in place of one of them the module
    is imported anew, since the loop may be in that one.
    """

    def __init__(self) -> None:
        self._late: dict[tuple, tuple[int, str]] = {}

    def note(self, deliverable: Deliverable, code: Code, module: str, reason: str) -> None:
        """Remember that it ran out of time, in its last try."""
        self._late[_key(deliverable, code, module)] = deliverable.number, reason

    def ran_out(self, deliverable: Deliverable, code: Code, module: str) -> str | None:
        """Why it cannot be imported, if that is known; None if it must be tried."""
        if (late := self._late.get(_key(deliverable, code, module))) is None:
            return None
        number, reason = late
        return f"{reason} (in deliverable {number}; it was not waited for again)"


def _key(deliverable: Deliverable, code: Code, module: str) -> tuple:
    folders = tuple(sorted({str(path.parent) for path in code.files.values()}))
    packages = tuple(sorted((name, str(path)) for name, path in code.packages.items()))
    return module, str(code.files[module]), folders, packages, repr(deliverable.rules)
