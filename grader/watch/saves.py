"""Whether something was written below a folder: told by the operating system, gathered in a thread."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import watchfiles

from grader.submission import passed_over

STEP = 80  # milliseconds of silence after which a save is over: editors write, rename and touch
LONGEST = 1_000  # milliseconds, whatever goes on being written
LOOK = 1_000  # milliseconds between two looks whether there are new folders, or no folder any more


class Saves:
    """Watches a folder and the folders below it while the context is open.

    Folders in which nothing is written by hand (environments, caches, hidden ones) are passed over; each
    of the others is watched by itself, since an environment's ten thousand would use up what the system
    has of watches. `watchfiles` polls where the system tells nothing, and everywhere with
    WATCHFILES_FORCE_POLLING=1 (network disks, folders of a virtual machine).

    Args:
        root: the folder.
    """

    def __init__(self, root: Path):
        self._root = root
        self._written, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="saves", daemon=True)

    def __enter__(self) -> "Saves":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()

    def taken(self) -> bool:
        """Whether something was written since the last call."""
        written = self._written.is_set()
        self._written.clear()
        return written

    def wait(self) -> None:
        """Wait until something is written."""
        self._written.wait()

    def _follow(self) -> None:
        polling = None  # watchfiles' own choice
        while not self._end.is_set() and self._root.is_dir():
            directories = _directories(self._root)
            try:
                for changes in self._changes(directories, polling):
                    if changes:
                        self._written.set()
                    if _directories(self._root) != directories:
                        break  # a new folder is to be watched as well
            except (OSError, RuntimeError):  # no watches left, a folder that went away meanwhile
                polling = True
            self._written.set()  # whatever was written between two watches
        self._written.set()

    def _changes(self, directories: list[Path], polling: bool | None):
        return watchfiles.watch(
            *directories, recursive=False, watch_filter=None, debounce=LONGEST, step=STEP, stop_event=self._end,
            rust_timeout=LOOK, yield_on_timeout=True, raise_interrupt=False, force_polling=polling,
            ignore_permission_denied=True,
        )  # fmt: skip


def _directories(root: Path) -> list[Path]:
    found = [root]
    for place, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if not passed_over(name))
        found += [Path(place, name) for name in names]
    return found
