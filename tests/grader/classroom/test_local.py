"""Jobs in processes of this machine: whatever becomes of a process, every job ends exactly once."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from grader.classroom import local
from grader.classroom.events import Ended, Said, Started
from grader.classroom.jobs import Job
from grader.classroom.local import run_all
from grader.runner import Options
from tests.grader.classroom import tasks

ROOT = Path(__file__).parents[3]


def jobs(folder: Path, *students: str) -> list[Job]:
    (folder / "spool").mkdir(exist_ok=True)
    archive = folder / "spool" / "nothing.tar"
    return [Job(student, student, "hw3", archive, Options((1,), seed=1), 1) for student in students]


def events(folder, task, *students, at_once=2, seconds=60.0):
    return run_all(iter(jobs(folder, *students)), task, at_once=at_once, seconds=seconds)


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch):
    """The folder for temporary files, which must be as it was when a test ends."""
    folder = tmp_path_factory.mktemp("t")  # not named after the test: a socket's path has a hundred letters at most
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    until = time.monotonic() + 20
    while left := list(folder.glob("chalkbench-*")):
        assert time.monotonic() < until, left
        time.sleep(0.1)


def ended(folder, task, *students, **options) -> dict[str, Ended]:
    found = [event for event in events(folder, task, *students, **options) if isinstance(event, Ended)]
    assert len({event.job.student for event in found}) == len(found)
    return {event.job.student: event for event in found}


def gone(pid: int, patience: float = 20.0) -> bool:
    until = time.monotonic() + patience
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_every_job_ends_once_and_leaves_nothing(tmp_path):
    found = ended(tmp_path, tasks.graded, *"abcde")
    assert all(event.report and event.attempts == 1 for event in found.values())
    assert sorted(found) == list("abcde")


def test_a_job_whose_process_is_killed_is_run_once_more(tmp_path):
    found = ended(tmp_path, tasks.killed_once, "a", "b")
    assert [(event.attempts, bool(event.report)) for event in found.values()] == [(2, True)] * 2


def test_a_job_that_is_killed_twice_costs_nobody_else_anything(tmp_path):
    found = ended(tmp_path, tasks.mallory_kills, "a", "mallory", "b")
    assert found["mallory"].report is None
    assert "SIGKILL" in found["mallory"].reason
    assert found["a"].report and found["b"].report


def test_a_fault_of_the_grader_is_told(tmp_path):
    found = ended(tmp_path, tasks.raises, "a")
    assert found["a"].report is None
    assert "ZeroDivisionError: by us" in found["a"].reason


def test_a_job_without_end_is_stopped(tmp_path):
    found = ended(tmp_path, tasks.endless, "a", seconds=1.0)
    assert "no result within 1 s" in found["a"].reason


def test_closing_stops_what_is_running(tmp_path):
    running = events(tmp_path, tasks.endless, "a", "b")
    said = (event for event in running if isinstance(event, Said))
    pids = [int(next(said).text) for _ in range(2)]
    running.close()
    assert all(map(gone, pids))


def test_no_job_is_asked_for_before_there_is_room(tmp_path):
    asked = []

    def asking():
        for job in jobs(tmp_path, *"abcd"):
            asked.append(job.student)
            yield job

    running = run_all(asking(), tasks.endless, at_once=2, seconds=60)
    assert [type(next(running)) for _ in range(4)] == [Started, Started, Said, Said]
    assert asked == ["a", "b"]
    running.close()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_jobs_do_not_outlive_a_killed_class(tmp_path):
    script = (
        "from tests.grader.classroom import tasks, test_local\n"
        "from pathlib import Path\n"
        f"for event in test_local.events(Path({str(tmp_path)!r}), tasks.endless, 'a', 'b'):\n"
        "    if isinstance(event, test_local.Said): print(event.text, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert all(map(gone, pids))


def test_a_start_is_told_with_its_attempt(tmp_path):
    starts = [event for event in events(tmp_path, tasks.killed_once, "a") if isinstance(event, Started)]
    assert [event.attempt for event in starts] == [1, 2]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_dies_between_two_jobs_costs_the_next_one_no_attempt(tmp_path):
    found = []
    for event in events(tmp_path, tasks.tells, "a", "b", at_once=1):
        found.append(event)
        if isinstance(event, Said) and event.job.student == "a":
            pid = int(event.text)
        if isinstance(event, Ended) and event.job.student == "a":
            os.kill(pid, signal.SIGKILL)
            assert gone(pid)
    assert [(event.job.student, event.attempt) for event in found if isinstance(event, Started)] == [
        ("a", 1), ("b", 1), ("b", 1),
    ]  # fmt: skip
    assert isinstance(found[-1], Ended) and found[-1].report and found[-1].attempts == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_jobs_that_no_process_begins_come_to_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_serve", tasks.dies_at_once)
    starts = events(tmp_path, tasks.graded, "a", at_once=1)
    found = [event for event in itertools.islice(starts, 9) if isinstance(event, Ended)]
    starts.close()
    assert [(event.attempts, event.report) for event in found] == [(2, None)]


def test_a_process_takes_one_job_after_the_other_and_not_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr("grader.classroom.local.JOBS", 2)
    said = [event.text for event in events(tmp_path, tasks.tells, *"abcd", at_once=1) if isinstance(event, Said)]
    assert said[0] == said[1] != said[2] == said[3]
