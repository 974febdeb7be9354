"""How long an answer is awaited from a function that has again and again not given any.

A loop without end holds a check until its limit, and a deliverable has a dozen checks of one function.
After some of them the rest get less time. They are still run: a function that never ends on some cases
keeps the points of the others, and what it does costs no other function of the submission anything.
"""

from __future__ import annotations

import msgspec

TIMEOUTS = 3  # of one function, that are waited for to the end
SHARE = 1 / 6  # of what is left of a check, after that: 5 s of 30
# Whoever has answered slowly is not taken for a loop: as often as long as the slowest answer so far.
TIMES = 3.0


class Patience:
    """What is known of one deliverable's functions, by their names."""

    def __init__(self) -> None:
        self._timeouts: dict[str, int] = {}
        self._longest: dict[str, float] = {}  # seconds of the slowest answer
        self._built: dict[str, str] = {}  # handle → class of the object

    def allowed(self, request: msgspec.Struct, seconds: float) -> float:
        """Seconds that the answer to a request is awaited, of those that its check has left."""
        name = self._function(request)
        if self._timeouts.get(name, 0) < TIMEOUTS:
            return seconds
        return min(seconds, max(SHARE * seconds, TIMES * self._longest.get(name, 0.0)))

    def answered(self, request: msgspec.Struct, seconds: float) -> None:
        """Note that an answer came, after so long."""
        name = self._function(request)
        self._longest[name] = max(seconds, self._longest.get(name, 0.0))

    def ran_out(self, request: msgspec.Struct) -> str:
        """Note that none came; what a student is told of it beside that."""
        name = self._function(request)
        before = self._timeouts.get(name, 0)
        self._timeouts[name] = before + 1
        if before < TIMEOUTS:
            return ""
        return f"; {before} × {name} had run out of time before, so that this check got less of it"

    def _function(self, request: msgspec.Struct) -> str:
        """The function or class of the submission that a request is for; "" for none."""
        name, handle = getattr(request, "name", ""), getattr(request, "handle", "")
        if name and handle:
            self._built[handle] = name
        return name or self._built.get(handle, "")
