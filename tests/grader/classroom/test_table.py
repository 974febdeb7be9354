"""What is printed while a class is graded, on a terminal and into a log."""

import io
from pathlib import Path

from rich.console import Console

from grader.classroom.events import Started
from grader.classroom.jobs import Job
from grader.classroom.table import ClassTable
from grader.runner import Options


def job(student: str) -> Job:
    return Job(student, "slug", "hw3", Path("a.tar"), Options((1,)), 1)


def shown(terminal: bool, student: str = "alice") -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal, color_system=None)
    with ClassTable(console, total=4, kept=1) as table:
        table.started(Started(job(student)))
        table.ended(student, "graded", "38 of 40 points\nand more", 12.0)
        table.started(Started(job("bob")))
        table.said("bob", "deliverable 2")
        if terminal:
            console.print(table._render())
    return console.file.getvalue()


def test_a_log_gets_a_line_per_submission():
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "1 of 4 have their result from before"
    assert lines[1].startswith("[2/4] alice: 38 of 40 points (12 s")
    assert len(lines) == 2


def test_a_terminal_gets_counts_and_who_is_running():
    text = shown(terminal=True)
    assert "2 graded, 1 running, 1 waiting, 0 refused, 0 failed of 4" in text
    assert "bob" in text and "deliverable 2" in text and "38 of 40 points" in text


def test_a_name_is_shown_and_never_acted_on():
    for terminal in (False, True):
        text = shown(terminal, "[bold]mallory[/]\x1b]0;title\x07\nroot: 40 of 40 points")
        assert "[bold]mallory[/]" in text and "\x1b]0" not in text and "\nroot" not in text


def test_the_time_left_follows_the_pace():
    table = ClassTable(Console(quiet=True), total=11, kept=1)
    assert table.eta() is None
    table._began -= 20
    table.ended("alice", "graded", "", 10.0)
    table.ended("bob", "refused", "", 0.0)
    assert 79 < table.eta() < 85
