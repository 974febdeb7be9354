"""A class from its export to the gradebook: nobody is graded twice or lost, wherever it was stopped."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import msgspec
import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.classroom import session
from grader.classroom.session import ClassError, Setup, grade_class
from grader.classroom.store import Store
from grader.runner import Options
from tests.grader.classroom import tasks
from tests.grader.classroom.exports import FILE, GRADESCOPE, SOURCE, write, zipped

ROOT = Path(__file__).parents[3]


@pytest.fixture
def class_of(tmp_path, monkeypatch):
    """Grades a class of these files by a task that stands in for grading."""

    def graded(files=None, task=tasks.graded, options=None, **setup):
        monkeypatch.setattr(session, "run", task)
        given = write(tmp_path / "class", files) if files else tmp_path / "class"
        console = Console(quiet=True)
        whole = Setup(given, tmp_path / "out", at_once=2, **setup)
        return grade_class(HW3, options or Options((1,), data="synthetic"), whole, console)

    return graded


def ran(tmp_path) -> list[str]:
    log = tmp_path / "out" / "ran.log"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def seeds(tmp_path) -> list[str]:
    return [line.split()[1] for line in (tmp_path / "out" / "ran.log").read_text().splitlines()]


def gradebook(tmp_path) -> dict[str, dict[str, str]]:
    with open(tmp_path / "out" / "gradebook.csv", encoding="utf-8-sig", newline="") as file:
        return {line["key"]: line for line in csv.DictReader(file)}


def students(*names: str) -> dict[str, str]:
    return {f"{name}/{FILE}": SOURCE for name in names}


def test_everybody_gets_a_line_and_a_result(class_of, tmp_path):
    graded = class_of(students("alice", "bob") | {"carol.zip": zipped({FILE: SOURCE})})
    assert graded.everybody and graded.counts == {"graded": 3, "refused": 0, "failed": 0}
    lines = gradebook(tmp_path)
    assert [lines[name]["points"] for name in ("alice", "bob", "carol")] == ["3"] * 3
    for name in lines:
        result = msgspec.json.decode((tmp_path / "out" / lines[name]["result"]).read_bytes())
        assert result["submission"] == name


def test_who_was_graded_is_not_graded_again(class_of, tmp_path):
    class_of(students("alice", "bob"))
    class_of()
    assert sorted(ran(tmp_path)) == ["alice", "bob"]


def test_a_changed_submission_is_graded_anew_and_no_other(class_of, tmp_path):
    class_of(students("alice", "bob"))
    class_of({f"bob/{FILE}": SOURCE + "# better\n"})
    assert sorted(ran(tmp_path)) == ["alice", "bob", "bob"]
    assert gradebook(tmp_path)["alice"]["points"] == "3"


def test_other_options_grade_anew(class_of, tmp_path):
    class_of(students("alice"))
    class_of(options=Options((1,), epochs=6, data="synthetic"))
    assert ran(tmp_path) == ["alice", "alice"]


def test_another_grader_grades_anew(class_of, tmp_path, monkeypatch):
    class_of(students("alice"))
    monkeypatch.setattr(session, "grader_digest", lambda: "another")
    class_of()
    assert ran(tmp_path) == ["alice", "alice"]


def test_fresh_grades_everybody_anew(class_of, tmp_path):
    class_of(students("alice", "bob"))
    class_of(options=Options((1,), data="synthetic", fresh=True))
    assert len(ran(tmp_path)) == 4


def test_all_meet_the_same_draws_and_the_next_round_others(class_of, tmp_path):
    class_of(students("alice", "bob", "carol"))
    assert len(set(seeds(tmp_path))) == 1
    class_of({f"bob/{FILE}": SOURCE + "\n"})
    assert len(set(seeds(tmp_path))) == 2


def test_a_chosen_seed_is_used(class_of, tmp_path):
    class_of(students("alice"), options=Options((1,), seed=7, data="synthetic"))
    assert seeds(tmp_path) == ["7"]


def test_who_is_lost_is_told_and_tried_again_at_the_next_start(class_of, tmp_path):
    graded = class_of(students("alice", "mallory"), task=tasks.mallory_kills)
    assert graded.counts == {"graded": 1, "refused": 0, "failed": 1} and not graded.everybody
    line = gradebook(tmp_path)["mallory"]
    assert (line["state"], line["points"]) == ("not graded", "") and "SIGKILL" in line["remarks"]
    assert class_of().everybody
    assert ran(tmp_path).count("alice") == 1


def test_a_report_that_is_none_costs_only_its_student(class_of, tmp_path):
    graded = class_of(students("alice"), task=tasks.other_version)
    assert graded.counts["failed"] == 1


def test_a_refusal_is_a_line_with_its_reason(class_of, tmp_path):
    files = students("alice") | {f"bob/{FILE}": SOURCE, "bob.zip": zipped({FILE: SOURCE})}
    graded = class_of(files)
    assert graded.counts == {"graded": 1, "refused": 1, "failed": 0}
    line = gradebook(tmp_path)["bob"]
    assert (line["state"], line["points"]) == ("refused", "0") and "more than once" in line["remarks"]


def test_a_group_is_graded_once_and_everybody_in_it_gets_a_line(class_of, tmp_path):
    class_of(GRADESCOPE)
    assert len(ran(tmp_path)) == 2
    text = (tmp_path / "out" / "gradebook.csv").read_text(encoding="utf-8-sig")
    assert "Bob Brown,7002" in text and "'=HYPERLINK(1),7003" in text


def test_ctrl_c_keeps_what_is_graded_and_goes_on_with_the_rest(class_of, tmp_path, monkeypatch):
    ended = session.ClassTable.ended
    calls = []

    def interrupted(self, *arguments):
        ended(self, *arguments)
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(session.ClassTable, "ended", interrupted)
        with pytest.raises(KeyboardInterrupt):
            class_of(students(*"abcdef"), task=tasks.slow)
    assert not (tmp_path / "out" / "spool").exists()
    kept = [arguments[0] for arguments in calls]
    class_of(task=tasks.slow)
    again = ran(tmp_path)
    assert all(again.count(student) == 1 for student in kept)
    assert set(gradebook(tmp_path)) == set("abcdef")
    assert len(set(seeds(tmp_path))) == 1  # still the same round


SCRIPT = """
import sys
from pathlib import Path
from rich.console import Console
from grader.assignments.hw3 import HW3
from grader.classroom import session
from grader.runner import Options
from tests.grader.classroom import tasks

session.run = tasks.slow
setup = session.Setup(Path(sys.argv[1]), Path(sys.argv[2]), at_once=2)
session.grade_class(HW3, Options((1,), data="synthetic"), setup, Console(stderr=True))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3, 5])
def test_killed_at_any_moment_it_goes_on(tmp_path, after):
    given = write(tmp_path / "class", students(*"abcdef"))
    command = [sys.executable, "-c", SCRIPT, str(given), str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(ran(tmp_path)) < after and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # jobs that were running see that their class is gone, or end by themselves
    before = ran(tmp_path)
    with Store(tmp_path / "out" / "class.sqlite") as store:
        kept = {student for (student,) in store._database.execute("SELECT student FROM results")}
    assert subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True).returncode == 0
    added = ran(tmp_path)[len(before) :]
    assert not kept & set(added)  # nobody is graded twice
    assert kept | set(added) == set("abcdef") == set(gradebook(tmp_path))  # nor lost
    assert len(added) == len(set(added))


def test_two_runs_of_one_class_do_not_meet(class_of, tmp_path):
    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / "class.lock"), pytest.raises(ClassError, match="another run"):
        class_of(students("alice"))


@pytest.mark.parametrize("files", [{"readme.txt": "x"}, {"submission_metadata.yml": "a: ["}])
def test_what_is_no_class_is_a_clear_error(class_of, files):
    with pytest.raises(ClassError, match="--submissions"):
        class_of(files)


def test_a_class_that_is_not_there_is_a_clear_error(class_of):
    with pytest.raises(ClassError, match="there is no such folder"):
        class_of()


def test_a_database_of_something_else_is_left_alone(class_of, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "class.sqlite").write_text("a letter to my aunt, and longer than a header of SQLite" * 20)
    with pytest.raises(ValueError, match="expected a class's results"):
        class_of(students("alice"))


def test_an_audit_trains_a_share_anew_and_the_same_one_when_repeated(class_of, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "load", lambda *args, **kwargs: type("Data", (), {"digest": "0"}))
    options = Options((4,), data="synthetic")
    graded = class_of(students(*"abcdefgh"), task=tasks.deliverable_4, options=options, audit=0.25)
    lines = (tmp_path / "out" / "audit.csv").read_text(encoding="utf-8-sig").splitlines()
    audited = [line.split(",")[0] for line in lines[1:]]
    assert len(audited) == 2 and tmp_path / "out" / "audit.csv" in graded.written
    assert lines[1].split(",")[1:4] == ["4", "3", "0"]  # by its checkpoint, by our training
    again = len(ran(tmp_path))
    class_of(task=tasks.deliverable_4, options=options, audit=0.25)
    assert len(ran(tmp_path)) == again == 10
