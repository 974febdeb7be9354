"""What a session sees of a submission: a copy of its Python files, and nothing else of its folder.

The digest of a submission is taken over its Python files, and the scan reads them; so that is what
may have a part in a result. Links, devices, data files, caches and hidden folders stay outside.
"""

import os
import shutil
import stat
from pathlib import Path

from grader.submission import LARGEST_SOURCE, passed_over

from .code import Code

MOST_FILES = 2_000  # copied; this project's reference has 200
MOST_BYTES = 32 << 20


def lay_out(code: Code, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Copy the code of a session into `folder`.

    Args:
        code: files and packages where they lie.
        folder: exists, empty.

    Returns:
        Files by module name and folders by package name, as `code` has them, in the copy.
    """
    files, packages = code.resolved()
    roots = sorted({*packages.values(), *map(os.path.dirname, files.values())}, key=len)
    copies: dict[str, str] = {}
    for root in roots:
        if _copied(root, copies) is None:
            copies[root] = str(folder / str(len(copies)))
            _copy(root, copies[root])
    for file in files.values():  # also one that its folder's copy has passed over
        _copy_file(file, _copied(file, copies))
    return (
        {name: _copied(file, copies) for name, file in files.items()},
        {name: _copied(package, copies) for name, package in packages.items()},
    )


def _copied(path: str, copies: dict[str, str]) -> str | None:
    """Where a path is found in the copies, None if it lies in none of them."""
    for root, copy in copies.items():
        if path == root or path.startswith(os.path.join(root, "")):
            return os.path.join(copy, os.path.relpath(path, root)) if path != root else copy
    return None


def _copy(root: str, copy: str) -> None:
    os.makedirs(copy, exist_ok=True)
    files = size = 0
    for place, names, found in os.walk(root):
        names[:] = sorted(name for name in names if not passed_over(name))
        for name in sorted(found):
            if not name.endswith(".py"):
                continue
            files += 1
            target = os.path.join(copy, os.path.relpath(os.path.join(place, name), root))
            size += _copy_file(os.path.join(place, name), target)
            if files >= MOST_FILES or size >= MOST_BYTES:
                return


def _copy_file(source: str, target: str) -> int:
    """Copy one regular file of a source's size, with its time; the number of its bytes."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0  # a link, or not readable: the import will say that it is missing
    with open(descriptor, "rb") as opened:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_SOURCE:
            return 0
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as written:
            shutil.copyfileobj(opened, written)
    os.chmod(target, 0o644)
    os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    return about.st_size
