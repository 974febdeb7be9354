"""Folders for temporary files, told from those that a killed grader has left behind.

A folder holds a file that its grader keeps locked. The kernel lifts the lock when the process ends in
whatever way, so that a file that can be locked belongs to nobody any more; also where process ids are
those of another container.

Source: flock(2).
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from functools import cache
from pathlib import Path

PREFIX = "chalkbench-"
LOCK = ".chalkbench-scratch"  # by which a folder is known to be ours, and not one that somebody gave such a name
YOUNG = 60.0  # seconds in which a folder may be without its lock: it is just being made


class Scratch(tempfile.TemporaryDirectory):
    """A temporary folder of this process; the first one of a process removes what dead ones have left.

    Args:
        purpose: a word for its name.
        folder: where it is made; default is the system's place for temporary files.
    """

    def __init__(self, purpose: str, folder: Path | None = None):
        place = str(folder or tempfile.gettempdir())
        remove_stale(place)
        super().__init__(prefix=f"{PREFIX}{purpose}-", dir=place, ignore_cleanup_errors=True)
        self._lock = os.open(os.path.join(self.name, LOCK), os.O_CREAT | os.O_RDWR, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: nobody takes it for stale then
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def cleanup(self) -> None:
        super().cleanup()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)


@cache
def remove_stale(place: str) -> None:
    """Remove what graders of this user that are dead have left in a folder; once per process."""
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in [entry for entry in entries if entry.name.startswith(PREFIX)]:
            with contextlib.suppress(OSError):
                if _is_stale(Path(entry.path)):
                    shutil.rmtree(entry.path, ignore_errors=True)


def is_empty(folder: Path) -> bool:
    """Whether there is nothing in it but the lock."""
    return all(name == LOCK for name in os.listdir(folder))


def _is_stale(folder: Path) -> bool:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or time.time() - status.st_mtime < YOUNG:
        return False
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where somebody holds it
    finally:
        os.close(lock)
    return True
