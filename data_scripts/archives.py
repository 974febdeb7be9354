"""Files of a folder or of a tar archive, read one after the other.

A tar is streamed: nothing is ever extracted, so links, devices and paths that
point elsewhere have no effect; only regular files are looked at, and neither a
member nor the whole may unpack to more than its cap.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from data_scripts.errors import DataError

MAX_ARCHIVE = 2 << 30  # bytes unpacked: ten times what CIFAR-10 needs in any form
OPENERS = {".xz": lzma.open, ".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".tar": open}
MEND = "delete it and run: python -m data_scripts.fetch cifar10 (or name a whole copy with --from DIR)"


class Capped:
    """A stream that refuses to go on after `limit` bytes."""

    def __init__(self, stream: BinaryIO, path: Path, limit: int = MAX_ARCHIVE):
        self.stream, self.path, self.left = stream, path, limit

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, like a file's `read`."""
        if size > self.left:
            raise DataError(self.path, expected=f"at most {MAX_ARCHIVE:,} bytes unpacked", found="more", mend=MEND)
        content = self.stream.read(size)
        self.left -= len(content)
        return content


def tar_members(path: Path, max_member: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Path and content of every regular file in a tar archive, in its order.

    Args:
        path: .tar, .tar.gz, .tgz, .tar.xz or .tar.bz2.
        max_member: the most bytes that one file may have.

    Raises:
        DataError: the archive is damaged, unreadable or too large.
    """
    try:
        with OPENERS[path.suffix](path, "rb") as stream:
            tar = tarfile.open(fileobj=Capped(stream, path), mode="r|")
            for member in tar:
                if not member.isreg():
                    continue
                if member.size > max_member:
                    found = f"{member.name!r} of {member.size:,} bytes"
                    raise DataError(path, expected=f"files of at most {max_member:,} bytes", found=found, mend=MEND)
                yield PurePosixPath(member.name), tar.extractfile(member).read()
                tar.members.clear()  # tarfile would keep all 60,000 headers
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        found = f"{error} ({path.stat().st_size:,} bytes on disk)"
        raise DataError(path, expected="a whole tar archive", found=found, mend=MEND) from error
    except OSError as error:
        raise DataError(path, expected="a readable tar archive", found=error.strerror or str(error), mend=MEND) from error


def folder_members(folder: Path, pattern: str, max_member: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Path below `folder` and content of every file that matches the glob `pattern`.

    Raises:
        DataError: a file is unreadable or too large.
    """
    for path in sorted(folder.glob(pattern)):
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                content = file.read(max_member + 1)
        except OSError as error:
            raise DataError(path, expected="a readable file", found=error.strerror or str(error), mend=MEND) from error
        if len(content) > max_member:
            raise DataError(path, expected=f"at most {max_member:,} bytes", found="more", mend=MEND)
        yield PurePosixPath(path.relative_to(folder).as_posix()), content
