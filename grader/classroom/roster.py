"""Who handed in what: a class's export read as Gradescope, Canvas and Moodle write it, or as plain folders.

===========  ==================================================  ==========================
Gradescope   submission_metadata.yml, submission_123/…           key: the students' e-mails
Moodle       Name_123_assignsubmission_file_/…                   key: Name_123
Canvas       lastfirst_LATE_123_456_hw3.zip, all in one folder   key: lastfirst_123
plain        alice/…, bob.zip                                    key: alice, bob
===========  ==================================================  ==========================

A key stays when the export is made again, so that a student's earlier result is found.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import yaml

from grader.classroom.members import ARCHIVE, Member, Unreadable

METADATA = "submission_metadata.yml"
LONGEST_SLUG = 100  # bytes; a name of a file has room for 255, with all endings, and a letter may take four
MOST_METADATA = 64 << 20  # bytes; a class of a thousand with all earlier scores has ten million
MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<plugin>[a-z]+)_?(?P<file>.*)")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<submission>\d+)_(?P<file>.+)")
# Of the file systems, mail programs and zip programs of this world.
LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Student:
    """A person, as far as the export tells."""

    name: str
    id: str = ""
    email: str = ""


@dataclass
class HandIn:
    """What is graded once: one student's files, or a group's.

    Args:
        key: tells it from all others, in this export and the next.
        students: whom the result is for.
        places: where in the export it lies, as the export spells it.
        members: its files, named relative to it.
        late: Canvas says so.
    """

    key: str
    students: tuple[Student, ...]
    places: list[str] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    late: bool = False

    @property
    def twice(self) -> bool:
        """Whether several places in the export claim to be this one."""
        return len(self.places) > 1

    @property
    def slug(self) -> str:
        """The key as the name of a folder; with a digest where it had to be changed or is too long."""
        plain = re.sub(r"[^\w.@+-]", "_", self.key).strip(".")
        plain = plain.encode()[:LONGEST_SLUG].decode(errors="ignore")
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        return plain if plain == self.key else f"{plain}-{digest[:8]}"


def read(members: Iterable[Member], *, folders: Iterable[str]) -> tuple[list[HandIn], list[str]]:
    """Sort an export's members by who handed them in.

    Args:
        members: all of the export.
        folders: names of an assignment's folders; by them a student's own folder is told from one
            that holds the class.

    Returns:
        The hand-ins in the order of their keys, and what at the top belongs to none of them.

    Raises:
        Unreadable: Gradescope's metadata is damaged.
    """
    listed = [(PurePosixPath(member.name.replace("\\", "/")).parts, member) for member in members]
    listed = [(parts, member) for parts, member in listed if parts and not _is_litter(parts[0])]
    listed = _without_wrapper(listed, {_spelled(folder) for folder in folders})
    submitters: dict[str, tuple[Student, ...]] = {}
    for parts, member in listed:
        if parts == (METADATA,) and member.kind == "file":
            submitters = dict(_gradescope(member))
    found: dict[str, HandIn] = {}
    passed_over: list[str] = []
    for parts, member in listed:
        belongs = _whose(parts, member, submitters)
        if belongs is None:
            if parts != (METADATA,) and member.kind != "folder":
                passed_over.append("/".join(parts))
            continue
        key, students, late, place, inside = belongs
        # Bytes that are no UTF-8 fit into no database and no gradebook.
        key = key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        hand_in = found.setdefault(key, HandIn(key, students))
        if place not in hand_in.places:
            hand_in.places.append(place)
        hand_in.late |= late
        if inside:
            hand_in.members.append(replace(member, name="/".join(inside)))
    return [found[key] for key in sorted(found)], passed_over


def _whose(parts: tuple[str, ...], member: Member, submitters: dict[str, tuple[Student, ...]]):
    """(key, students, late, place, path within the hand-in) of a member, or None."""
    top, inside = parts[0], parts[1:]
    is_file = not inside and member.kind != "folder"
    if top in submitters:
        students = submitters[top]
        key = "+".join(sorted(student.email or student.id or student.name for student in students))
        return key, students, False, top, inside
    if match := MOODLE.fullmatch(top):
        if match["plugin"] != "file":
            return None  # Moodle exports typed-in text and comments beside the files
        key = f"{match['name']}_{match['id']}"
        # In an export without folders, all files of a student belong together.
        inside = inside or ((match["file"],) if is_file and match["file"] else ())
        return key, (Student(match["name"], match["id"]),), False, key, inside
    if is_file and (match := CANVAS.fullmatch(top)):
        key = f"{match['name']}_{match['user']}"
        # Canvas numbers a file that was handed in again: mytorch-1.py.
        file = re.sub(r"-\d+(\.(py|csv|md))$", r"\1", match["file"])
        return key, (Student(match["name"], match["user"]),), bool(match["late"]), key, (file,)
    if is_file:
        match = ARCHIVE.fullmatch(top)
        return (match["stem"], (Student(match["stem"]),), False, top, (top,)) if match else None
    if top == ".." or top.startswith("/"):
        return None
    return top, (Student(top),), False, top, inside


def _without_wrapper(listed: list, folders: set[str]) -> list:
    """Without the one folder that a whole export may lie in."""
    tops = {parts[0] for parts, _ in listed}
    if len(tops) != 1 or any(len(parts) == 1 and member.kind != "folder" for parts, member in listed):
        return listed
    (top,) = tops
    below = {parts[1]: len(parts) > 2 or member.kind == "folder" for parts, member in listed if len(parts) > 1}
    known = METADATA in below or any(MOODLE.fullmatch(name) or CANVAS.fullmatch(name) for name in below)
    # Folders of the assignment, or Python files: then it is a class of one.
    one = any(_spelled(name) in folders or name.endswith(".py") for name in below) or MOODLE.fullmatch(top)
    several = sum(folder or bool(ARCHIVE.fullmatch(name)) for name, folder in below.items()) > 1
    if known or (several and not one):
        return [(parts[1:], member) for parts, member in listed if len(parts) > 1]
    return listed


def _gradescope(member: Member) -> Iterator[tuple[str, tuple[Student, ...]]]:
    """Folder → its submitters. The keys are Ruby's symbols: `:name:`."""
    with member.content() as stream:
        text = stream.read(MOST_METADATA)
    try:
        content = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise Unreadable(f"{METADATA} is damaged ({str(error)[:200]}); export the class again") from error
    for folder, about in content.items() if isinstance(content, dict) else ():
        listed = about.get(":submitters") if isinstance(about, dict) else None
        students = tuple(
            Student(*(str(entry.get(f":{field}") or "") for field in ("name", "sid", "email")))
            for entry in (listed if isinstance(listed, list) else ())
            if isinstance(entry, dict)
        )
        yield str(folder), students or (Student(str(folder)),)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Plain values only; Ruby's own types, which nothing here needs, are None."""


_Loader.add_multi_constructor("", lambda loader, suffix, node: None)


def _is_litter(name: str) -> bool:
    return name.startswith(".") and name != ".." or name in LITTER


def _spelled(name: str) -> str:
    return name.lower().replace("-", "_")
