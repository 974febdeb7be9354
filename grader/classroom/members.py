"""What lies in a folder, a zip or a tar: names, kinds and sizes, and content only on request.

Nothing is written and no link is followed; the same for all three, so that one place decides
what is taken (`grader.classroom.intake`).
"""

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from grader.submission import passed_over

# Headers have a kilobyte. One that asks for more than this in one piece wants the memory.
LARGEST_HEADER = 1 << 20
CHUNK = 1 << 16  # bytes that are copied at once

# What a damaged or cut archive ends in, one way or the other.
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    OSError, NotImplementedError, RuntimeError, ValueError, UnicodeError,
)  # fmt: skip

ARCHIVE = re.compile(r"(?P<stem>.+?)(\.tar)?\.(zip|tar|tgz|tbz2?|txz|gz|bz2|xz|rar|7z)", re.IGNORECASE)
UNREADABLE = {b"Rar!": "a RAR archive", b"7z\xbc\xaf": "a 7-Zip archive"}  # by their first bytes


class Unreadable(Exception):
    """What was handed in cannot be read; the message says why, and what to do."""


@dataclass(frozen=True)
class Member:
    """One entry.

    Args:
        name: as it is spelled there; may be absolute, or lead elsewhere.
        kind: "special" is a device, a pipe or a socket.
        size: bytes, as the archive says; the truth shows when it is read.
        content: opens it; for a file only.
        encrypted: whether it takes a password.
    """

    name: str
    kind: Literal["file", "folder", "link", "special"]
    size: int
    content: Callable[[], IO[bytes]]
    encrypted: bool = False


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar, or an archive of a kind that cannot be read, by its content."""
    try:
        with open(path, "rb") as file:
            start = file.read(6)
    except OSError:
        return False
    if start[:4] in UNREADABLE or start.startswith(b"PK"):
        return True
    return _decompressor(start) is not None or _is_plain_tar(path)


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Member]]:
    """The members of a folder or an archive; they can be read until the context ends.

    Raises:
        Unreadable: it is neither; or it is damaged, also in the midst of the members.
    """
    with ExitStack() as stack:
        with explained(path.name):
            members = _of_folder(path) if path.is_dir() else _of_archive(path, stack)
        yield _guarded(members, path.name)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Whatever a damaged archive makes its reader raise, as `Unreadable`."""
    try:
        yield
    except DAMAGE as error:
        said = f"{type(error).__name__}: {error}"[:200]
        raise Unreadable(f"{name} cannot be read ({said}); pack it again as a plain zip") from error


def _guarded(members: Iterator[Member], name: str) -> Iterator[Member]:
    """The members; what goes wrong on the way to the next one is the archive's fault."""
    while True:
        with explained(name):
            member = next(members, None)
        if member is None:
            return
        yield member


def _of_archive(path: Path, stack: ExitStack) -> Iterator[Member]:
    with open(path, "rb") as file:
        start = file.read(6)
    if start[:4] in UNREADABLE:
        raise Unreadable(f"{path.name} is {UNREADABLE[start[:4]]}; expected a zip or a tar")
    if start.startswith(b"PK"):
        return _of_zip(stack.enter_context(zipfile.ZipFile(path)))
    decompressor = _decompressor(start) or (open if _is_plain_tar(path) else None)
    if decompressor is None:
        raise Unreadable(f"{path.name} is no archive that can be read; expected a zip or a tar")
    stream = stack.enter_context(decompressor(path, "rb"))
    return _of_tar(stack.enter_context(tarfile.open(fileobj=_Wary(stream), mode="r:")))


def _decompressor(start: bytes) -> Callable[..., IO[bytes]] | None:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open
    if start.startswith(b"BZh"):
        return bz2.open
    return lzma.open if start.startswith(b"\xfd7zXZ") else None


def _is_plain_tar(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(262)[257:] == b"ustar"


def _of_folder(root: Path) -> Iterator[Member]:
    for place, names, files in os.walk(root):
        below = Path(place).relative_to(root)
        for name in sorted(names):
            linked = Path(place, name).is_symlink()
            yield Member((below / name).as_posix(), "link" if linked else "folder", 0, _nothing)
        # What nobody wrote by hand may hold more than the rest of the class.
        names[:] = sorted(name for name in names if not passed_over(name))
        for name in sorted(files):
            path = Path(place, name)
            status = path.lstat()
            kind = "file" if stat.S_ISREG(status.st_mode) else "special"
            kind = "link" if stat.S_ISLNK(status.st_mode) else kind
            yield Member((below / name).as_posix(), kind, status.st_size, lambda path=path: _open(path))


def _open(path: Path) -> IO[bytes]:
    # Neither a link nor a pipe that took the file's place since it was listed.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    return os.fdopen(descriptor, "rb")


def _of_zip(archive: zipfile.ZipFile) -> Iterator[Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16  # Unix permissions, where a Unix made the zip; otherwise 0
        kind = "folder" if info.is_dir() else "file"
        if stat.S_ISLNK(mode):
            kind = "link"
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "special"
        yield Member(
            info.filename, kind, info.file_size, lambda info=info: archive.open(info), bool(info.flag_bits & 1)
        )


def _of_tar(archive: tarfile.TarFile) -> Iterator[Member]:
    for info in archive:
        if info.issparse():
            kind = "special"  # holes in a file are for disk images
        elif info.isreg():
            kind = "file"
        elif info.isdir():
            kind = "folder"
        else:
            kind = "link" if info.issym() or info.islnk() else "special"
        yield Member(info.name, kind, info.size, lambda info=info: archive.extractfile(info))


def _nothing() -> IO[bytes]:
    raise IsADirectoryError("a folder has no content")


class _Wary:
    """A stream that refuses to be read in large pieces: `tarfile` reads a header's extension whole."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise Unreadable(f"the archive holds a header of {size:,} bytes; pack it again as a plain zip")
        return self._stream.read(size)
