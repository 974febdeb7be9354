"""Who handed in what, in the exports of three platforms, as folder, zip and tar."""

import pytest

from grader.classroom import material, roster
from grader.classroom.members import Unreadable, opened
from grader.classroom.roster import Student
from tests.grader.classroom.exports import CANVAS, FILE, GRADESCOPE, MOODLE, SOURCE, tarred, write, zipped

FOLDERS = ("deliverable1_2", "deliverable3_5")


def of(path):
    with opened(path) as members:
        return roster.read(members, folders=FOLDERS)


@pytest.fixture(params=["folder", "zip", "tar"])
def exported(request, tmp_path):
    """Puts a class's files into a folder or an archive."""

    def export(files):
        if request.param == "folder":
            return write(tmp_path / "class", files)
        path = tmp_path / f"class.{request.param}"
        content = {name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()}
        path.write_bytes(zipped(content) if request.param == "zip" else tarred(content))
        return path

    return export


def files(hand_in) -> list[str]:
    return sorted(member.name for member in hand_in.members if member.kind == "file")


def test_gradescope_names_its_students_in_the_metadata(exported):
    found, passed_over = of(exported(GRADESCOPE))
    alice, group = found
    assert alice.key == "alice@example.edu"
    assert alice.students == (Student("Alice Andrews", "7001", "alice@example.edu"),)
    assert files(alice) == [FILE]
    assert group.key == "bob@example.edu+carol@example.edu"
    assert [student.id for student in group.students] == ["7002", "7003"]
    assert passed_over == []


def test_canvas_names_them_in_every_file(exported):
    found, passed_over = of(exported(CANVAS))
    alice, bob = found
    assert (alice.key, alice.late, files(alice)) == ("andrewsalice_11", False, ["hw3.zip"])
    # Canvas numbered the second attempt; the file is mytorch.py nevertheless.
    assert (bob.key, bob.late, files(bob)) == ("brownbob_12", True, ["mytorch.py", "train.py"])
    assert not bob.twice and passed_over == []


def test_moodle_names_them_in_folders_or_in_files(exported):
    found, _ = of(exported(MOODLE))
    assert [hand_in.key for hand_in in found] == ["Alice Andrews_11", "Bob Brown_12", "Carol Clark_13"]
    assert [files(hand_in) for hand_in in found] == [[FILE], ["hw3.tar.gz"], ["hw3.zip"]]
    assert found[1].students == (Student("Bob Brown", "12"),)


def test_plain_folders_and_archives_are_students(exported):
    found, passed_over = of(exported({f"alice/{FILE}": SOURCE, "bob.tar.gz": b"", "roster.csv": "x"}))
    assert [hand_in.key for hand_in in found] == ["alice", "bob"]
    assert passed_over == ["roster.csv"]


def test_one_folder_around_the_class_is_seen_through(exported):
    found, _ = of(exported({f"class/alice/{FILE}": SOURCE, f"class/bob/{FILE}": SOURCE}))
    assert [hand_in.key for hand_in in found] == ["alice", "bob"]


def test_a_class_of_one_is_not_taken_for_a_folder_around_it(exported):
    found, _ = of(exported({f"alice/{FILE}": SOURCE, "alice/deliverable3-5/model.py": SOURCE}))
    assert [hand_in.key for hand_in in found] == ["alice"]


def test_who_hands_in_twice_is_refused(tmp_path):
    (found,), _ = of(write(tmp_path, {f"alice/{FILE}": SOURCE, "alice.zip": zipped({FILE: SOURCE})}))
    with pytest.raises(Unreadable, match=r"more than once: alice, alice\.zip"):
        material.look(found)


def test_litter_of_file_systems_is_no_student(exported):
    found, passed_over = of(exported({f"alice/{FILE}": SOURCE, "__MACOSX/alice/._x": "", ".DS_Store": "x"}))
    assert [hand_in.key for hand_in in found] == ["alice"] and passed_over == []


def test_damaged_metadata_is_a_clear_error(tmp_path):
    with pytest.raises(Unreadable, match="submission_metadata.yml is damaged"):
        of(write(tmp_path, {"submission_metadata.yml": "a: [", f"submission_1/{FILE}": SOURCE}))


def test_metadata_makes_no_objects(tmp_path):
    text = "submission_1: !!python/object/apply:os.system ['exit 1']\n"
    (found,), _ = of(write(tmp_path, {"submission_metadata.yml": text, f"submission_1/{FILE}": SOURCE}))
    assert found.key == "submission_1"


@pytest.mark.parametrize("key", ["../../etc", "a/b", "Ünï", "x" * 300, "a b", "."])
def test_a_key_as_a_folder_is_one_safe_name(key):
    slug = roster.HandIn(key, ()).slug
    assert "/" not in slug and slug not in (".", "..") and 0 < len(slug) <= 120


def test_different_keys_have_different_folders():
    slugs = {roster.HandIn(key, ()).slug for key in ("a b", "a_b", "a?b", "a b.")}
    assert len(slugs) == 4


@pytest.mark.parametrize("letter", ["字", "é", "𝒜", "x"])
def test_a_long_name_in_any_script_is_a_folder_and_a_file_with_endings(tmp_path, letter):
    keys = [letter * 80 + end for end in ("", "1", "2")]
    slugs = [roster.HandIn(key, ()).slug for key in keys]
    assert len(set(slugs)) == 3
    for slug in slugs:
        (tmp_path / slug).mkdir()
        (tmp_path / f"{slug}.tar").touch()
        assert len(slug.encode()) <= 120


def test_the_digest_follows_names_and_contents_only(tmp_path):
    def digest(name, files):
        (hand_in,), _ = of(write(tmp_path / name, files))
        return material.look(hand_in).digest

    one = digest("a", {f"alice/{FILE}": SOURCE})
    assert digest("b", {f"alice/{FILE}": SOURCE, "alice/__pycache__/x.pyc": "x"}) == one
    assert digest("c", {f"alice/{FILE}": SOURCE + "\n"}) != one
    assert digest("d", {"alice/deliverable1-2/train.py": SOURCE}) != one


def test_packing_and_looking_agree(tmp_path):
    (hand_in,), _ = of(write(tmp_path / "class", {f"alice/{FILE}": SOURCE * 10_000}))
    assert material.pack(hand_in, tmp_path / "packed.tar") == material.look(hand_in)
