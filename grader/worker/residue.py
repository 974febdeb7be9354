"""What sessions leave on the disk where no wall keeps them from it: counted, and removed."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm")  # where every user of a machine may write


def give(folder: Path, user: int) -> None:
    """Make a folder with all that lies in it another user's."""
    os.chown(folder, user, user)
    for place, names, files in os.walk(folder):
        for name in [*names, *files]:
            os.chown(os.path.join(place, name), user, user, follow_symlinks=False)


def count(folder: Path, most: int) -> tuple[int, int]:
    """How many files lie below a folder, and their bytes on the disk; past `most` it stops.

    Args:
        folder: of a session that is running, so anything may change meanwhile.
        most: a folder with more files than allowed is not walked to its end.
    """
    files = size = 0
    for entry in _entries(folder):
        files += 1
        with contextlib.suppress(OSError):
            size += 512 * entry.stat(follow_symlinks=False).st_blocks
        if files > most:
            break
    return files, size


def remove_all_of(user: int) -> None:
    """Remove what a user, who is there for one worker only, has left where all may write."""
    for place in OPEN_TO_ALL:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid != user:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)


def _entries(folder: str | Path) -> Iterator[os.DirEntry]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)
