"""What students hand in, unpacked within limits: nothing outside the folder, and a reason for each refusal."""

import io
import os
import stat
import struct
import tarfile
import zipfile

import pytest

from grader.classroom import intake, material, roster
from grader.classroom.intake import unpack
from grader.classroom.members import Unreadable, opened
from tests.grader.classroom.exports import FILE, SOURCE, tarred, zipped

GOOD = {FILE: SOURCE}


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_with(name: str, content: bytes = b"x", mode: int = 0) -> bytes:
    made = io.BytesIO(zipped(GOOD))
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return made.getvalue()


def encrypted() -> bytes:
    """A zip whose second file says that it takes a password."""
    made = bytearray(zip_with("secret.py"))
    at = made.rfind(b"PK\x01\x02")  # its entry in the directory, and its own header
    made[at + 8] |= 1
    made[made.rfind(b"PK\x03\x04") + 6] |= 1
    return bytes(made)


def gzip_of(content: bytes) -> bytes:
    import gzip

    return gzip.compress(content)


def pax_bomb() -> bytes:
    """A tar whose extended header says that it has two gigabytes."""
    header = tarfile.TarInfo("./PaxHeaders/x")
    header.type, header.size = tarfile.XHDTYPE, 2 << 30
    return gzip_of(header.tobuf(tarfile.USTAR_FORMAT) + bytes(1 << 16))


@pytest.fixture
def handed_in(tmp_path):
    """Unpacks what a student's file holds, the way the class does."""

    def unpacked(content: bytes, name: str = "alice.zip"):
        class_, place = tmp_path / "class", tmp_path / "place" / "alice"
        class_.mkdir()
        (class_ / name).write_bytes(content)
        place.mkdir(parents=True)
        with opened(class_) as members:
            (hand_in,), _ = roster.read(members, folders=("deliverable1_2",))
            material.pack(hand_in, tmp_path / "packed.tar")
        try:
            return unpack(tmp_path / "packed.tar", place), place
        finally:
            outside = [path for path in (tmp_path / "place").iterdir() if path != place]
            assert outside == [] and not (tmp_path / "evil.py").exists()
            for path in place.rglob("*"):
                assert stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFREG, stat.S_IFDIR)

    return unpacked


def texts(place) -> dict[str, str]:
    files = [path for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(place).as_posix(): path.read_text(errors="replace") for path in files}


@pytest.mark.parametrize(
    "content",
    [
        zipped(GOOD),
        tarred({FILE: SOURCE.encode()}, mode="w"),
        tarred({FILE: SOURCE.encode()}, mode="w:gz"),
        tarred({FILE: SOURCE.encode()}, mode="w:bz2"),
        tarred({FILE: SOURCE.encode()}, mode="w:xz"),
        zipped({"hw3.zip": zipped({"inner.tar.gz": tarred({FILE: SOURCE.encode()})})}),
    ],
    ids=["zip", "tar", "gz", "bz2", "xz", "nested"],
)
def test_every_kind_of_archive_is_unpacked(handed_in, content):
    notes, place = handed_in(content)
    (name,) = texts(place)
    assert name.endswith(FILE) and texts(place)[name] == SOURCE
    assert notes == []


def test_an_archive_may_have_the_longest_name_there_is(handed_in):
    _, place = handed_in(zipped({"x" * 251 + ".zip": zipped({"mytorch.py": SOURCE})}))
    assert list(texts(place)) == [f"alice/{'x' * 251}/mytorch.py"]


def test_an_archive_per_deliverable_gets_a_folder_of_its_name(handed_in):
    inside = {"deliverable1-2.zip": zipped({"mytorch.py": SOURCE}), "deliverable3-5.zip": zipped({"model.py": ""})}
    content = zipped(inside)
    _, place = handed_in(content)
    assert {"/".join(name.split("/")[-2:]) for name in texts(place)} == {FILE, "deliverable3-5/model.py"}


REFUSED = {
    "zip-slip": (zip_with("../../evil.py"), "leads out"),
    "zip-slip with backslashes": (zip_with("..\\..\\evil.py"), "leads out"),
    "absolute": (zip_with("/tmp/evil.py"), "leads out"),
    "drive": (zip_with("C:\\evil.py"), "leads out"),
    "tar-slip": (tarred({"a/../../../evil.py": b"x"}), "leads out"),
    "slip by a link": (tarred({"up/../../evil.py": b"x"}, member("up", tarfile.SYMTYPE, "..")), "leads out"),
    "twice": (zip_with(FILE), "twice"),
    "file and folder": (zip_with(f"{FILE}/x.py"), "as a file and as a folder"),
    "encrypted": (encrypted(), "secret.py is encrypted"),
    "bomb": (zip_with("zeros.bin", bytes(80 << 20)), "archive bomb"),
    "huge header": (pax_bomb(), "header of"),
    "cut off": (zipped({FILE: SOURCE * 100})[:-30], "cannot be read"),
    "cut tar": (tarred({FILE: os.urandom(9000)})[:4000], "cannot be read"),
    "no archive": (gzip_of(b"hello"), "cannot be read"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "RAR archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    "too deep": (zipped({"1.zip": zipped({"2.zip": zipped({"3.zip": zipped({"4.zip": zipped(GOOD)})})})}), "deep"),
    "too many archives": (zipped({f"{n}.zip": zipped({"a": "x"}) for n in range(9)}), "9 archives"),
    "no file's name": (zip_with("x" * 300), "cannot be the name"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("hazard", REFUSED)
def test_a_hazard_is_refused_with_its_reason(handed_in, hazard):
    content, said = REFUSED[hazard]
    with pytest.raises(Unreadable, match=said):
        handed_in(content)


LEFT_OUT = {
    "link in a zip": (zip_with("passwd", b"/etc/passwd", stat.S_IFLNK | 0o777), "passwd (a link)"),
    "device in a zip": (zip_with("null", b"", stat.S_IFCHR | 0o666), "null (no regular file)"),
    "link": (tarred({FILE: b""}, member("passwd", tarfile.SYMTYPE, "/etc/passwd")), "passwd (a link)"),
    "hard link": (tarred({FILE: b""}, member("copy", tarfile.LNKTYPE, "/etc/passwd")), "copy (a link)"),
    "device": (tarred({FILE: b""}, member("null", tarfile.CHRTYPE)), "null (no regular file)"),
    "pipe": (tarred({FILE: b""}, member("pipe", tarfile.FIFOTYPE)), "pipe (no regular file)"),
    "data beside code": (zip_with("data.zip", zipped({"a": "b"})), "an archive beside Python files"),
}


@pytest.mark.parametrize("hazard", LEFT_OUT)
def test_what_is_no_file_is_left_out_and_said(handed_in, hazard):
    content, said = LEFT_OUT[hazard]
    notes, place = handed_in(content)
    assert said in notes[0]
    assert any(name.endswith(FILE) for name in texts(place))


def test_too_many_files_are_refused(handed_in, monkeypatch):
    monkeypatch.setattr(intake, "MOST_ENTRIES", 10)
    with pytest.raises(Unreadable, match="more than 10 files"):
        handed_in(zipped({f"{n}.py": "" for n in range(11)}))


def test_too_many_entries_are_refused_even_if_none_is_a_file(handed_in, monkeypatch):
    monkeypatch.setattr(intake, "MOST_LISTED", 10)
    with pytest.raises(Unreadable, match="more than 10 entries"):
        handed_in(zipped({f"{n}/": "" for n in range(11)}))


def test_the_size_of_all_files_is_limited(handed_in, monkeypatch):
    monkeypatch.setattr(intake, "LARGEST", 1000)
    with pytest.raises(Unreadable, match="larger than"):
        handed_in(zipped({"a.py": "x" * 600, "b.py": "x" * 600}))


def test_a_huge_file_is_left_out_and_said(handed_in, monkeypatch):
    monkeypatch.setattr(intake, "LARGEST_FILE", 1 << 20)
    notes, place = handed_in(zipped(GOOD | {"data.bin": os.urandom(2 << 20)}))
    assert "data.bin (2 MB)" in notes[0] and len(texts(place)) == 1


def test_a_size_that_lies_does_not_help(handed_in, monkeypatch):
    """The directory of the zip says one byte; what comes out of it is counted."""
    made = bytearray(zip_with("zeros.py", bytes(5000)))
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", made, made.rfind(signature) + offset, 1)
    with pytest.raises(Unreadable, match="cannot be read|larger than"):
        handed_in(bytes(made))


def test_environments_and_caches_are_passed_over(handed_in, monkeypatch):
    monkeypatch.setattr(intake, "MOST_ENTRIES", 5)
    litter = {f"{folder}/{n}.py": "" for n in range(6) for folder in (".venv/lib", "__pycache__", "node_modules")}
    notes, place = handed_in(zipped(GOOD | litter))
    assert notes == [] and len(texts(place)) == 1


def test_names_that_are_no_utf8_cost_nothing(handed_in):
    """A tar from a Latin-1 machine: the name is spelled out, and the submission is graded."""
    info = tarfile.TarInfo("caf\udce9.txt")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(info)
        good = tarfile.TarInfo(FILE)
        good.size = len(SOURCE)
        archive.addfile(good, io.BytesIO(SOURCE.encode()))
    _, place = handed_in(content.getvalue(), "alice.tar")
    assert {name.split("/")[-1] for name in texts(place)} == {"caf%xe9.txt", "mytorch.py"}


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path):
    alice, place = tmp_path / "class" / "alice", tmp_path / "place"
    (alice / "deliverable1-2").mkdir(parents=True)
    (alice / FILE).write_text(SOURCE)
    (alice / "etc").symlink_to("/etc")
    (alice / "passwd.py").symlink_to("/etc/passwd")
    os.mkfifo(alice / "pipe.py")
    place.mkdir()
    with opened(tmp_path / "class") as members:
        (hand_in,), _ = roster.read(members, folders=())
        material.pack(hand_in, tmp_path / "packed.tar")
    notes = unpack(tmp_path / "packed.tar", place)
    assert list(texts(place)) == [FILE]
    assert all(said in notes[0] for said in ("etc (a link)", "passwd.py (a link)", "pipe.py (no regular file)"))


def test_a_full_disk_is_not_blamed_on_the_submission(handed_in, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(intake, "open", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        handed_in(zipped(GOOD))
