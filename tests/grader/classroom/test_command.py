"""The options for a class, and what its end says."""

import pytest

from grader.classroom import session
from grader.command_line import main
from tests.grader.classroom import tasks
from tests.grader.classroom.exports import FILE, SOURCE, write

DONE = session.Graded({"graded": 1, "refused": 0, "failed": 0}, [], [])


@pytest.fixture
def graded(tmp_path, monkeypatch, capsys):
    """Runs the command on a class of these files; gives its status and what it printed."""

    def run(*arguments: str, files=None, task=tasks.graded):
        monkeypatch.setattr(session, "run", task)
        given = write(tmp_path / "class", files or {f"alice/{FILE}": SOURCE})
        options = ["--deliverables", "1", "--data", "synthetic", "--out", str(tmp_path / "out"), "--jobs", "1"]
        status = main(["hw3", "--submissions", str(given), *options, *arguments])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


def test_a_class_that_is_graded_ends_in_0(graded, tmp_path):
    status, printed = graded()
    assert status == 0
    assert "1 graded, 0 refused, 0 not graded" in printed and "gradebook.csv" in printed


def test_somebody_without_points_ends_in_1(graded):
    status, printed = graded(files={"alice/.x": "", f"bob/{FILE}": SOURCE, "bob.zip": "PK"})
    assert status == 1 and "1 refused" in printed


def test_what_belongs_to_nobody_is_named(graded):
    status, printed = graded(files={f"alice/{FILE}": SOURCE, "roster.csv": "x"})
    assert status == 0 and "passed over: roster.csv" in printed


def test_a_class_that_is_not_there_ends_in_2(capsys, tmp_path):
    assert main(["hw3", "--submissions", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    assert "there is no such folder" in capsys.readouterr().err.replace("\n", " ")


def test_ctrl_c_ends_in_130_and_says_how_to_go_on(graded, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("grader.classroom.command.grade_class", interrupted)
    status, printed = graded()
    assert status == 130 and "same command goes on" in printed.replace("\n", " ")


def test_a_submission_and_a_class_are_not_both_given(capsys, tmp_path):
    assert main(["hw3", "alice", "--submissions", str(tmp_path)]) == 2
    assert "found both" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments", [("--jobs", "0"), ("--audit", "500%"), ("--audit", "some"), ("--audit-epochs", "0")]
)
def test_wrong_numbers_are_refused(arguments, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["hw3", "--submissions", str(tmp_path), *arguments])
    assert stopped.value.code == 2


def test_an_audit_of_what_is_trained_in_any_case_is_refused(graded):
    status, printed = graded("--audit", "50%", "--train", "2")
    assert status == 2 and "leave out one of them" in printed.replace("\n", " ")


def test_an_audit_has_a_budget_of_its_own(graded, monkeypatch):
    setups = []
    monkeypatch.setattr("grader.classroom.command.grade_class", lambda *arguments: setups.append(arguments[2]) or DONE)
    graded("--audit", "50%", "--audit-epochs", "1", "--minutes", "3")
    graded("--audit", "50%")
    assert [(setup.audit, setup.audit_training.epochs) for setup in setups] == [(0.5, 1), (0.5, 30)]
    assert setups[0].audit_training.minutes == 3
