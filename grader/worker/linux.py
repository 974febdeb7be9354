"""Services of the Linux kernel that keep process trees together; nothing elsewhere."""

import contextlib
import ctypes
import signal
import sys

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVILEGES = 1, 4, 36, 38


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, instead of process 1."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends; a change of user forgets it."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def go_on_without_parent() -> None:
    """Have the kernel continue this process when its parent ends, should it be stopped then."""
    _prctl(_SET_PDEATHSIG, signal.SIGCONT)


def closed_to_others(closed: bool) -> None:
    """Whether processes of the same user may neither read this one's memory nor trace it."""
    _prctl(_SET_DUMPABLE, int(not closed))


def no_new_privileges() -> None:
    """From now on no program that is started gains rights by the bits of its file (sudo, ping)."""
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)


def first_to_go() -> None:
    """Where the machine runs out of memory, let the kernel end this process before any other."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
