"""One student's files as one file that travels, and the digest that says whether they have changed."""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.classroom.intake import LARGEST, MOST_LISTED, content, is_too_large
from grader.classroom.members import Member, Unreadable
from grader.classroom.roster import HandIn
from grader.submission import passed_over


@dataclass(frozen=True)
class Packed:
    """What was read of a hand-in.

    Args:
        digest: SHA-256 over names and contents.
        notes: what was not packed.
    """

    digest: str
    notes: tuple[str, ...]


def look(hand_in: HandIn) -> Packed:
    """Read the files, and write nothing.

    Raises:
        Unreadable: it cannot be graded, whatever it holds.
    """
    return _pass(hand_in, None)


def pack(hand_in: HandIn, path: Path) -> Packed:
    """Write the files into a tar, as they are: what may be taken of them is decided where it is unpacked.

    Raises:
        Unreadable: it cannot be graded, whatever it holds.
        OSError: the tar cannot be written.
    """
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        return _pass(hand_in, archive)


def _pass(hand_in: HandIn, archive: tarfile.TarFile | None) -> Packed:
    if hand_in.twice:
        raise Unreadable(f"handed in more than once: {', '.join(sorted(hand_in.places))}; keep one of them")
    total, digest, notes = 0, hashlib.sha256(), []
    for member in _counting(hand_in):
        name = member.name.encode("utf-8", "surrogateescape")
        digest.update(len(name).to_bytes(8, "big") + name + member.kind.encode() + member.size.to_bytes(8, "big"))
        if member.kind == "file" and is_too_large(member):
            notes.append(f"left out: {member.name} ({member.size >> 20:,} MB)")
            continue
        info = tarfile.TarInfo(member.name)
        if member.kind != "file":
            info.type = tarfile.SYMTYPE if member.kind == "link" else tarfile.FIFOTYPE
            if archive is not None:
                archive.addfile(info)
            continue
        info.size = member.size
        total += member.size
        if total > LARGEST:
            raise Unreadable(f"holds more than {LARGEST >> 20:,} MB; hand in the code, without data")
        copy = _Digested(content(member, member.size), digest)
        if archive is None:
            copy.drain()
        else:
            archive.addfile(info, copy)
        if copy.size != member.size:
            raise Unreadable(f"{member.name} has {copy.size:,} bytes and not {member.size:,}, as listed; pack it again")
    return Packed(digest.hexdigest(), tuple(notes))


def _counting(hand_in: HandIn) -> Iterator[Member]:
    """The members in the order of their names, without folders that nobody wrote by hand."""
    if len(hand_in.members) > MOST_LISTED:
        raise Unreadable(f"holds more than {MOST_LISTED:,} entries; expected a submission's own few")
    for member in sorted(hand_in.members, key=lambda member: member.name):
        folders = member.name.split("/")[:-1]
        # A name that leads out is for the intake to refuse, and not to be passed over here.
        if member.kind == "folder" or any(part != ".." and passed_over(part) for part in folders):
            continue
        if member.encrypted:
            raise Unreadable(f"{member.name} is encrypted; hand it in without a password")
        yield member


class _Digested:
    """Pieces as a stream for `tarfile`, digested on the way."""

    def __init__(self, pieces: Iterator[bytes], digest):
        self._pieces, self._digest, self._rest, self.size = pieces, digest, b"", 0

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._digest.update(piece)
            self.size += len(piece)
            self._rest += piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def drain(self) -> None:
        while self.read(1 << 16):
            pass
