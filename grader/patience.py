"""How long an answer is awaited from a function that has again and again not given any.

A loop without end holds a check until its limit, and a deliverable has a dozen checks of one function.
After some of them the rest get less time. They are still run: a function that never ends on some cases
keeps the points of the others, and what it does costs no other function of the submission anything.
Less patience is due to a function that has never answered: it had half a minute of a core for a few hundred numbers.
"""

from __future__ import annotations

import msgspec

from grader.worker.messages import Call, Forward

TIMEOUTS = 3  # of one function, that are waited for to the end
SHARE = 1 / 6  # of what is left of a check, after that: 5 s of 30
# Whoever has answered slowly is not taken for a loop: as often as long as the slowest answer so far.
TIMES = 3.0
# Of a function that has never answered, though it had a core for half of the time: after one timeout, and after more.
# The second time has room for a compiler that was only too slow for the first case.
SILENT = (1 / 3, 1 / 12)
COMPUTED = 1 / 2


class Patience:
    """What is known of one deliverable's functions, by their names.

    Args:
        small: whether a case takes any honest solution milliseconds to seconds. Elsewhere a function that has not
            answered yet may have been asked for much.
    """

    def __init__(self, *, small: bool = False) -> None:
        self._small = small
        self._timeouts: dict[str, int] = {}
        self._silent: dict[str, int] = {}  # of the timeouts, those that it computed in
        self._longest: dict[str, float] = {}  # seconds of the slowest answer
        self._heard: set[str] = set()  # who has answered at all
        self._built: dict[str, str] = {}  # handle → class of the object

    def allowed(self, request: msgspec.Struct, seconds: float) -> float:
        """Seconds that the answer to a request is awaited, of those that its check has left."""
        name = self._function(request)
        return min(seconds, max(self._share(name) * seconds, TIMES * self._longest.get(name, 0.0)))

    def answered(self, request: msgspec.Struct, seconds: float) -> None:
        """Note that an answer came, after so long."""
        name = self._function(request)
        self._longest[name] = max(seconds, self._longest.get(name, 0.0))
        if isinstance(request, Call | Forward):  # a layer that was built, or given weights, has computed nothing yet
            self._heard.add(name)

    def ran_out(self, request: msgspec.Struct, seconds: float = 0.0, computed: float = 0.0) -> str:
        """Note that none came; what a student is told of it beside that.

        Args:
            request: what was asked.
            seconds: how long its answer was awaited.
            computed: seconds of CPU time that it took of them.
        """
        name = self._function(request)
        before, got_less = self._timeouts.get(name, 0), self._share(name) < 1
        self._timeouts[name] = before + 1
        if computed > COMPUTED * seconds:
            self._silent[name] = self._silent.get(name, 0) + 1
        if not got_less:
            return ""
        return f"; {before} × {name} had run out of time before, so that this check got less of it"

    def _share(self, name: str) -> float:
        """Of the time that a check has left, what the function gets."""
        silent = self._silent.get(name, 0)
        if self._small and silent and name and name not in self._heard:
            return SILENT[min(silent, len(SILENT)) - 1]
        return SHARE if self._timeouts.get(name, 0) >= TIMEOUTS else 1.0

    def _function(self, request: msgspec.Struct) -> str:
        """The function or class of the submission that a request is for; "" for none."""
        name, handle = getattr(request, "name", ""), getattr(request, "handle", "")
        if name and handle:
            self._built[handle] = name
        return name or self._built.get(handle, "")
