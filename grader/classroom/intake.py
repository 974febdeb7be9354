"""A submission unpacked into a folder, whatever it holds: within limits, or not at all.

Only files and folders are made. Names that lead elsewhere, passwords, names that come twice, and
archives that expand without end are refused with a reason; links, devices and huge files are left
out, and a note says so. Nothing is extracted by `zipfile` or `tarfile` themselves: every file is
copied from here, so that one set of rules holds for both, and sizes are counted and not believed.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grader.classroom.members import ARCHIVE, CHUNK, Member, Unreadable, explained, is_archive, opened
from grader.submission import MOST_ENTRIES, passed_over

MIB = 1 << 20
MOST_LISTED = 100_000  # entries that are looked at; a virtual environment has 30,000
LARGEST_FILE = 256 * MIB  # what is larger is a data set; a checkpoint of the course has 20 MB
LARGEST = 1024 * MIB  # of all files together
# Text shrinks to a tenth, a file of zeros to a thousandth. Small archives may shrink as they like.
RATIO, RATIO_FROM = 200, 64 * MIB
DEEPEST = 3  # archives within archives: the class's export is not counted
MOST_ARCHIVES = 8
LONGEST_NAME, LONGEST_PATH = 255, 1024  # bytes of one part and of the whole, on every common file system
SAID = 5  # names in a note


@dataclass
class _Intake:
    """What has been taken so far, over all nested archives."""

    listed: int = 0
    kept: int = 0
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)


def unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack what a student handed in.

    A submission that holds no Python file but archives has these unpacked too, each into a folder
    of its name.

    Args:
        archive: zip or tar.
        folder: exists and is empty.

    Returns:
        Notes for the student: what was left out.

    Raises:
        Unreadable: nothing of it can be graded; the message says why.
        OSError: the folder cannot be written.
    """
    intake = _Intake()
    _unpack(archive, folder, intake)
    for _ in range(DEEPEST):
        archives, sources = _files(folder)
        if sources or not archives:
            break
        if len(archives) > MOST_ARCHIVES:
            raise Unreadable(f"holds {len(archives)} archives and no Python file; hand in the files themselves")
        for path in archives:
            # Not under the archive's name and more, for which a file system may have no room.
            inside = Path(tempfile.mkdtemp(prefix="unpacked-", dir=path.parent))
            _unpack(path, inside, intake)
            path.unlink()
            # By the name that the student gave it: a deliverable1-2.zip is the folder deliverable1-2.
            plain = path.with_name(ARCHIVE.fullmatch(path.name)["stem"])
            inside.rename(path if plain.exists() else plain)
    else:
        if _files(folder)[0] and not _files(folder)[1]:
            raise Unreadable(f"holds archives within archives, more than {DEEPEST} deep; hand in the files themselves")
    archives, _ = _files(folder)
    intake.left_out += [f"{path.relative_to(folder)} (an archive beside Python files)" for path in archives]
    return _note(intake.left_out)


def safe_parts(name: str) -> tuple[str, ...]:
    """The parts of a member's path, below whatever it is put into.

    Bytes that are no UTF-8 are spelled out (`caf%xe9.py`), Windows's backslashes are slashes.

    Raises:
        Unreadable: it is absolute, leads out, or cannot be a path.
    """
    slashes = name.replace("\\", "/")
    spelled = slashes.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\\", "%")
    path = PurePosixPath(spelled)
    parts = path.parts
    if path.is_absolute() or ".." in parts or (parts and re.match(r"[A-Za-z]:", parts[0])):
        raise Unreadable(f"holds {name[:100]!r}, a path that leads out of the submission; nothing was unpacked")
    if "\0" in name or len(spelled.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise Unreadable(f"holds {name[:100]!r}, which cannot be the name of a file; rename it")
    return parts


def taken(members: Iterator[Member], left_out: list[str]) -> Iterator[tuple[tuple[str, ...], Member]]:
    """The files to take, with the parts of their paths; notes go to `left_out`.

    Raises:
        Unreadable: the submission is refused.
    """
    seen: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for count, member in enumerate(members, 1):
        if count > MOST_LISTED:
            raise Unreadable(f"holds more than {MOST_LISTED:,} entries; expected a submission's own few")
        parts = safe_parts(member.name)
        if not parts or any(map(passed_over, parts[:-1])) or (member.kind != "file" and passed_over(parts[-1])):
            continue
        if member.kind == "folder":
            continue
        shown = "/".join(parts)
        if member.kind != "file":
            left_out.append(f"{shown} (a link)" if member.kind == "link" else f"{shown} (no regular file)")
            continue
        if parts[-1].startswith("."):
            continue
        if member.encrypted:
            raise Unreadable(f"{shown} is encrypted; hand it in without a password")
        if parts in seen:
            raise Unreadable(f"holds {shown} twice; which one counts cannot be known, keep one")
        above = {parts[:end] for end in range(1, len(parts))}
        if parts in folders or above & seen:
            raise Unreadable(f"holds {shown} as a file and as a folder; keep one of them")
        seen.add(parts)
        folders |= above
        if is_too_large(member):
            left_out.append(f"{shown} ({member.size / MIB:,.0f} MB)")
            continue
        yield parts, member


def is_too_large(member: Member) -> bool:
    """Whether a file is left out; an archive may hold all that is handed in, and is looked into."""
    return member.size > LARGEST_FILE and not ARCHIVE.fullmatch(member.name)


def content(member: Member, most: int) -> Iterator[bytes]:
    """A member's bytes, piece by piece.

    Raises:
        Unreadable: it has more than `most`.
    """
    with explained(member.name):
        stream = member.content()
    with stream:
        while True:
            with explained(member.name):
                piece = stream.read(CHUNK)
            most -= len(piece)
            if most < 0:
                raise Unreadable(f"{member.name} is larger than it says, or the submission than {LARGEST // MIB:,} MB")
            if not piece:
                return
            yield piece


def _unpack(archive: Path, folder: Path, intake: _Intake) -> None:
    packed = archive.stat().st_size
    began = intake.bytes
    with opened(archive) as members:
        for parts, member in taken(members, intake.left_out):
            intake.kept += 1
            if intake.kept > MOST_ENTRIES:
                raise Unreadable(f"holds more than {MOST_ENTRIES:,} files; expected a submission's own few")
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb") as file:
                for piece in content(member, LARGEST - intake.bytes):
                    intake.bytes += len(piece)
                    expanded = intake.bytes - began
                    if expanded > RATIO_FROM and expanded > RATIO * packed:
                        raise Unreadable(
                            f"expands to more than {RATIO} times its size; expected files, found an archive bomb"
                        )
                    file.write(piece)


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The archives and the Python files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sources = [path for path in files if path.suffix == ".py"]
    # By their endings first: a .docx or a .pt is a zip by its content, too.
    named = [path for path in files if ARCHIVE.fullmatch(path.name)]
    return [path for path in named if is_archive(path)], sources


def _note(left_out: list[str]) -> list[str]:
    if not left_out:
        return []
    more = f" and {len(left_out) - SAID:,} more" if len(left_out) > SAID else ""
    return [f"left out: {', '.join(left_out[:SAID])}{more}"]
