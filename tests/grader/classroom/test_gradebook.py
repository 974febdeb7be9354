"""What an instructor takes away: right numbers, and nothing in a name that a spreadsheet would run."""

import csv

import msgspec
import pytest

from grader.assignments.hw3 import HW3
from grader.classroom import gradebook
from grader.classroom.roster import HandIn, Student
from grader.classroom.store import Row
from tests.grader.classroom import tasks


def row(student: str, round: int = 1, **options) -> Row:
    result = msgspec.json.encode(tasks.result(student, **options))
    return Row(student, "ab", "cd", "graded", "", ["left out: a, b"], result, round, finished="2026-01-01")


def hand_in(key: str, name: str = "") -> HandIn:
    return HandIn(key, (Student(name or key, "7", f"{key}@example.edu"),), late=key == "bob")


def lines(path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_points_per_deliverable_and_remarks(tmp_path):
    refused = Row("bob", "", "cd", "refused", "is encrypted", [], None, 1)
    path = gradebook.write(
        [hand_in("alice", "Ålice"), hand_in("bob")], {"alice": row("alice"), "bob": refused}, HW3, (1, 2), tmp_path
    )
    alice, bob = lines(path)
    of = sum(check.points for number in (1, 2) for check in HW3.deliverable(number).checks)
    assert (alice["name"], alice["points"], alice["of"]) == ("Ålice", "3", f"{of:g}")
    assert (alice["deliverable1"], alice["deliverable2"]) == ("3", "")
    assert alice["remarks"] == "left out: a, b"
    assert (bob["late"], bob["state"], bob["points"], bob["remarks"]) == ("late", "refused", "0", "is encrypted")
    assert bob["result"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\x1b[0m=1", "\u202e=1", " =1"])
def test_no_cell_is_a_formula(tmp_path, name):
    path = gradebook.write([hand_in("alice", name)], {"alice": row("alice")}, HW3, (1,), tmp_path)
    assert lines(path)[0]["name"].startswith("'")


def test_a_line_break_in_a_name_makes_no_line(tmp_path):
    path = gradebook.write([hand_in("alice", 'A\n"bob",100')], {"alice": row("alice")}, HW3, (1,), tmp_path)
    assert [line["name"] for line in lines(path)] == ['A "bob",100']
    assert len(path.read_text(encoding="utf-8-sig").splitlines()) == 2


def test_the_result_of_an_earlier_submission_does_not_stay(tmp_path):
    gradebook.write([hand_in("alice")], {"alice": row("alice")}, HW3, (1,), tmp_path)
    refused = Row("alice", "", "cd", "refused", "is encrypted", [], None, 1)
    gradebook.write([hand_in("alice")], {"alice": refused}, HW3, (1,), tmp_path)
    assert list((tmp_path / "students").rglob("*.json")) == []


def test_the_leaderboard_has_ten_places_and_shares_them(tmp_path):
    rates = {f"s{n:02}": 0.9 - 0.01 * n for n in range(12)}
    rates["s10"] = rates["s09"]  # two on place ten
    rows = {key: row(key, scores={"A, 8": rate, "A, 16": rate}) for key, rate in rates.items()}
    rows["failed"] = row("failed", scores={"A, 8": 1.0, "A, 16": 1.0}, verdict="fail", earned=0.0)
    rows["none"] = row("none")
    path = gradebook.leaderboard([hand_in(key) for key in rows], rows, tmp_path)
    table = lines(path)
    assert [line["key"] for line in table] == [f"s{n:02}" for n in range(11)]
    assert [line["place"] for line in table][-3:] == ["9", "10", "10"]
    assert (table[0]["mean"], table[0]["A, 8"]) == ("90.00", "90.00")


def test_without_scores_there_is_no_leaderboard(tmp_path):
    (tmp_path / "leaderboard.csv").write_text("of an earlier run")
    assert gradebook.leaderboard([hand_in("alice")], {"alice": row("alice")}, tmp_path) is None
    assert not (tmp_path / "leaderboard.csv").exists()


def test_an_audit_names_the_check_that_differs(tmp_path):
    verified, trained = row("alice", number=4), row("alice", number=4, verdict="fail", earned=0.0)
    path = gradebook.audit([("alice", 4)], {"alice": verified}, {4: {"alice": trained}}, tmp_path)
    (line,) = lines(path)
    assert (line["deliverable"], line["by checkpoint"], line["by training"]) == ("4", "3", "0")
    assert "a.check: pass became fail" in line["what differs"]
