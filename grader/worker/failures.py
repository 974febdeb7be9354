"""How a session can end without an answer."""

import signal
from typing import Literal

from .protocol import CONNECTION_LOST

LOST = 1 << 16  # in place of an exit status: nobody was there to tell
Verdict = Literal["timeout", "killed", "error", "invalid"]


class WorkerFailure(Exception):
    """A session ended without the reply that was asked for.

    Args:
        verdict: "timeout", "killed", "error" or "invalid".
        reason: one sentence for the student.
        computed: seconds of CPU time that its processes were seen to use for the request.
    """

    def __init__(self, verdict: Verdict, reason: str, computed: float = 0.0) -> None:
        super().__init__(f"{verdict}: {reason}")
        self.verdict, self.reason, self.computed = verdict, reason, computed


def death(status: int) -> WorkerFailure:
    """What an exit status says: negative is minus the signal."""
    if status == LOST:
        return WorkerFailure("killed", "the process that watches over the session was killed")
    if status == CONNECTION_LOST:
        return WorkerFailure("error", "the process lost its connection to the grader and ended")
    if status >= 0:
        how = f"the process ended itself with exit status {status} (os._exit or sys.exit) before answering"
        return WorkerFailure("error", how)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = {"SIGXCPU": ": CPU time used up", "SIGKILL": ": out of memory, or killed by its own code"}.get(name, "")
    return WorkerFailure("killed", f"{name}{hint}")
