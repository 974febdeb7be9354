"""`python -m grader repeat`: the same graded again, and nothing graded that is not the same."""

import os
import zipfile
from dataclasses import replace

import msgspec
import pytest

from grader.assignments import ASSIGNMENTS
from grader.assignments.hw3.deliverable1 import DELIVERABLE_1
from grader.assignments.hw3.deliverable4 import DELIVERABLE_4
from grader.bench import LARGEST_WEIGHTS
from grader.command_line import main
from grader.conditions import beside_code
from grader.declaration import Assignment
from grader.digest import grader_parts, versions
from grader.regrade import command
from grader.regrade.repeat import Place, RepeatError, options_of
from grader.report import json_file
from grader.runner import locate
from tests.grader.submissions import UNFOLD
from tests.grader.test_regrade import ESCAPES, conditions, result


@pytest.fixture
def small(monkeypatch):
    """Deliverable 1 with two checks, on few cases."""
    assignment = Assignment("hw3", "", (replace(DELIVERABLE_1, checks=DELIVERABLE_1.checks[:2]),))
    monkeypatch.setitem(ASSIGNMENTS, "hw3", assignment)
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 4)
    return assignment


@pytest.fixture
def alice(tmp_path, small):
    """A submission's file."""
    file = tmp_path / "alice" / "deliverable1_2" / "mytorch.py"
    file.parent.mkdir(parents=True)
    file.write_text(UNFOLD)
    return file


@pytest.fixture
def graded(tmp_path, alice, capsys):
    """A result of it, from a run."""
    path = tmp_path / "result.json"
    assert main(["hw3", str(tmp_path / "alice"), "--json", str(path)]) == 0
    capsys.readouterr()
    return path


def altered(path, **changed) -> str:
    """The result with something else in it."""
    json_file.write(msgspec.structs.replace(json_file.read(path), **changed), path)
    return str(path)


@pytest.fixture
def no_grading(monkeypatch):
    """Grading fails the test."""
    monkeypatch.setattr(command, "grade", lambda *arguments: pytest.fail("it was graded"))


def test_a_run_is_repeated_and_a_new_fault_is_found(graded, alice, tmp_path, capsys):
    assert main(["repeat", str(graded), "--out", str(tmp_path / "again.json")]) == 0
    assert "the same verdicts and points" in capsys.readouterr().out
    old, new = json_file.read(graded), json_file.read(tmp_path / "again.json")
    assert (new.seed, new.conditions) == (old.seed, old.conditions)
    alice.write_text(UNFOLD.replace("windows, weight)", "windows, weight) + 1"))
    assert main(["repeat", str(graded)]) == 2
    assert "submission: deliverable1_2/mytorch.py" in capsys.readouterr().err
    assert main(["repeat", str(graded), "--anyway"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "one or more of these explain it: submission" in said


def test_a_repetition_that_would_be_none_is_refused_by_name(graded, alice, no_grading, capsys):
    asked = json_file.read(graded).conditions
    parts = grader_parts() | {"checks": "0" * 64}
    altered(graded, versions=versions() | {"torch": "1.0"}, conditions=msgspec.structs.replace(asked, grader=parts))
    (alice.parent / "more.py").write_text("")
    assert main(["repeat", str(graded)]) == 2
    said = capsys.readouterr().err
    assert "versions: torch: 1.0 → " in said
    assert "grader: grader/checks: 000000000000 → " in said
    assert "submission: deliverable1_2/more.py: new" in said
    assert "--anyway" in said


def test_a_submission_that_moved_can_be_named(graded, alice, tmp_path, no_grading, monkeypatch, capsys):
    (tmp_path / "alice").rename(tmp_path / "bob")
    assert main(["repeat", str(graded)]) == 2
    assert "--submission FOLDER" in capsys.readouterr().err
    with zipfile.ZipFile(tmp_path / "bob.zip", "w") as archive:
        archive.write(tmp_path / "bob" / "deliverable1_2" / "mytorch.py", "deliverable1_2/mytorch.py")
    old = json_file.read(graded)
    monkeypatch.setattr(command, "grade", lambda *arguments: old)
    for place in ("bob", "bob.zip"):
        assert main(["repeat", str(graded), "--submission", str(tmp_path / place)]) == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (dict(conditions=None), "does not hold its options"),
        (dict(assignment=ESCAPES), "expected an assignment of"),
        (dict(seed=-1), "expected seed"),
        (dict(conditions=conditions(epochs=10**9)), "expected epochs"),
        (dict(conditions=conditions(train=30, minutes=1e300)), "expected minutes"),
        (dict(conditions=conditions(train=30)), "expected minutes"),
        (dict(conditions=conditions(deliverables=[])), "expected deliverables"),
        (dict(conditions=conditions(deliverables=[9])), "has no deliverable 9"),
        (dict(conditions=conditions(swaps={"²": "."})), "expected numbers"),
        (dict(submission="a\0b"), "null"),
    ],
)
def test_what_no_run_can_have_asked_for_is_refused(tmp_path, alice, no_grading, capsys, changed, said):
    json_file.write(result(submission=str(tmp_path / "alice")), tmp_path / "result.json")
    assert main(["repeat", altered(tmp_path / "result.json", **changed), "--anyway"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "\x1b" not in told


def test_a_result_cannot_ask_for_less_isolation_nor_for_what_was_kept():
    options = options_of(result(isolation="process"), Place("alice"))
    assert (options.isolation, options.fresh) == ("auto", True)
    with pytest.raises(RepeatError, match="--seed 7"):
        options_of(result(asked=None), Place("alice"))


def test_checkpoints_are_among_the_files_and_a_giant_is_not_read(tmp_path):
    folder = tmp_path / DELIVERABLE_4.folder
    folder.mkdir()
    (folder / "train.py").write_text("")
    (folder / "resnet.pt").write_bytes(b"weights")
    with open(folder / "resnet.safetensors", "wb") as file:
        file.truncate(LARGEST_WEIGHTS + 1)
    submission = locate(Assignment("hw3", "", (DELIVERABLE_4,)), str(tmp_path))
    found = beside_code(submission, [DELIVERABLE_4])
    assert len(found[f"{DELIVERABLE_4.folder}/resnet.pt"]) == 64
    assert "not read" in found[f"{DELIVERABLE_4.folder}/resnet.safetensors"]


def test_a_file_name_that_is_no_utf_8_fits_into_a_result(tmp_path, small):
    folder = tmp_path / "deliverable1_2"
    folder.mkdir()
    (folder / "mytorch.py").write_text("")
    try:
        open(os.fsencode(folder) + b"/\xff.py", "w").close()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    files = locate(small, str(tmp_path)).files
    assert set(files) == {"deliverable1_2/mytorch.py", "deliverable1_2/\\xff.py"}
    assert msgspec.json.encode(files)
