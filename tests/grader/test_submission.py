"""Where a submission's files are found, under whatever spelling, and what is refused."""

import os

import pytest

from grader.submission import SubmissionError, find

FOLDERS = {"deliverable1_2": ("mytorch", "train")}


def locate(root):
    return find(str(root), assignment="hw3", folders=FOLDERS)


def put(root, path: str, text: str = "x = 1\n"):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "folder",
    ["deliverable1_2", "deliverable1-2", "Deliverable1-2", "codes/deliverable1-2",
     "hw3/deliverable1_2", "alice_123/codes/deliverable1_2"],
)  # fmt: skip
def test_folders_are_found_under_any_spelling_and_depth(tmp_path, folder):
    file = put(tmp_path, f"{folder}/mytorch.py")
    assert locate(tmp_path).file("deliverable1_2", "mytorch") == file


def test_files_that_lie_flat_are_found(tmp_path):
    file = put(tmp_path, "mytorch.py")
    assert locate(tmp_path).file("deliverable1_2", "mytorch") == file


def test_the_folder_itself_may_be_the_submission(tmp_path):
    file = put(tmp_path, "deliverable1-2/train.py")
    assert locate(tmp_path / "deliverable1-2").file("deliverable1_2", "train") == file


def test_a_missing_file_is_none(tmp_path):
    put(tmp_path, "deliverable1_2/mytorch.py")
    assert locate(tmp_path).file("deliverable1_2", "train") is None


def test_the_assignments_own_folder_goes_first(tmp_path):
    file = put(tmp_path, "hw3/codes/deliverable1_2/mytorch.py")
    put(tmp_path, "old/deliverable1_2/mytorch.py")
    assert locate(tmp_path).file("deliverable1_2", "mytorch") == file


def test_in_a_courses_tree_the_folder_under_most_of_the_assignments_own_goes_first(tmp_path):
    places = ("cs5787/hw2", "eee7331/assignment2", "EEE7331/Assignment-1", "question1_old")
    for place in places:
        put(tmp_path, f"{place}/question1/model.py")
    found = find(
        str(tmp_path), assignment="eee7331-a1", folders={"question1": ("model",)}, home=("eee7331", "assignment_1")
    )
    assert found.folders["question1"] == tmp_path / "EEE7331/Assignment-1/question1"


def test_a_document_is_found_beside_the_code_and_not_through_a_link(tmp_path):
    put(tmp_path, "deliverable1_2/mytorch.py")
    table = put(tmp_path, "deliverable1_2/table.csv")
    (tmp_path / "deliverable1_2/link.csv").symlink_to(table)
    found = locate(tmp_path)
    assert found.document("deliverable1_2", "table.csv") == table
    assert found.document("deliverable1_2", "link.csv") is None
    assert found.document("deliverable1_2", "nothing.csv") is None


def test_two_candidates_are_refused_by_name(tmp_path):
    put(tmp_path, "a/deliverable1_2/mytorch.py")
    put(tmp_path, "b/deliverable1-2/mytorch.py")
    with pytest.raises(SubmissionError, match="more than once: a/.* and b/"):
        locate(tmp_path)


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(SubmissionError, match="does not exist"):
        locate(tmp_path / "nowhere")


def test_a_file_is_no_submission(tmp_path):
    with pytest.raises(SubmissionError, match="is a file"):
        locate(put(tmp_path, "mytorch.py"))


def test_a_folder_with_nothing_of_the_assignment_is_refused(tmp_path):
    put(tmp_path, "notes.txt")
    with pytest.raises(SubmissionError, match="holds nothing of hw3.*found notes.txt"):
        locate(tmp_path)


def test_links_to_folders_outside_are_not_followed(tmp_path):
    put(tmp_path, "outside/deliverable1_2/mytorch.py")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/link").symlink_to(tmp_path / "outside")
    with pytest.raises(SubmissionError, match="holds nothing"):
        locate(tmp_path / "inside")


def test_a_linked_file_is_not_the_submissions_own(tmp_path):
    secret = put(tmp_path, "secret.py")
    folder = tmp_path / "alice/deliverable1_2"
    folder.mkdir(parents=True)
    (folder / "mytorch.py").symlink_to(secret)
    assert locate(tmp_path / "alice").file("deliverable1_2", "mytorch") is None


def test_the_digest_follows_names_and_contents(tmp_path):
    file = put(tmp_path, "deliverable1_2/mytorch.py")
    first = locate(tmp_path).digest
    assert locate(tmp_path).digest == first
    file.write_text("x = 2\n")
    second = locate(tmp_path).digest
    file.rename(file.with_name("train.py"))
    assert len({first, second, locate(tmp_path).digest}) == 3


def test_far_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("grader.submission.MOST_ENTRIES", 10)
    for number in range(11):
        put(tmp_path, f"deliverable1_2/file{number}.py")
    with pytest.raises(SubmissionError, match="more than 10 files"):
        locate(tmp_path)


def test_names_that_are_no_text_are_digested_too(tmp_path):
    put(tmp_path, "deliverable1_2/mytorch.py")
    first = locate(tmp_path).digest
    try:
        put(tmp_path, "deliverable1_2/caf\udce9.py")  # a Latin-1 byte, as old zips have them
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert locate(tmp_path).digest != first


def test_a_pipe_in_place_of_a_file_is_missing_and_blocks_nothing(tmp_path):
    (tmp_path / "deliverable1_2").mkdir()
    os.mkfifo(tmp_path / "deliverable1_2/mytorch.py")
    assert locate(tmp_path).file("deliverable1_2", "mytorch") is None
