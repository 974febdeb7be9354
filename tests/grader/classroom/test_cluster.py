"""The same jobs on a real Dask scheduler and worker processes, one of which is killed."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import psutil
import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.classroom import cluster, session
from grader.classroom.cluster import ClusterError
from grader.classroom.session import Setup, grade_class
from grader.result import Result
from grader.runner import Options
from tests.grader.classroom import tasks
from tests.grader.classroom.exports import FILE, SOURCE, write
from tests.grader.submissions import UNFOLD

ROOT = Path(__file__).parents[3]


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"chalkbench\[cluster\]"):
        next(cluster.run_all(iter(()), tasks.graded, address="tcp://127.0.0.1:1"))


def test_an_address_where_nobody_answers_is_a_clear_error(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT", 2.0)
    with pytest.raises(ClusterError, match="no Dask scheduler answers"):
        next(cluster.run_all(iter(()), tasks.graded, address="tcp://127.0.0.1:1"))


@pytest.fixture
def dask(tmp_path):
    """A scheduler with two worker processes; gives its address and the processes."""
    distributed = pytest.importorskip("distributed")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    place, processes = tmp_path / "scheduler.json", []

    def start(tool: str, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{tool}", *arguments, "--no-dashboard"]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        processes.append(process)
        return process

    start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(place))
    until = time.monotonic() + 60
    while not place.exists():
        assert time.monotonic() < until, "the scheduler did not start"
        time.sleep(0.1)
    address = json.loads(place.read_text())["address"]
    workers = [start("dask_worker", address, "--nthreads", "1", "--no-nanny") for _ in range(2)]
    with distributed.Client(address) as client:
        client.wait_for_workers(2, timeout=60)  # else the first may have done everything before the second is there
    yield address, workers
    for process in reversed(processes):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_lost_worker_costs_no_submission(dask, tmp_path, monkeypatch):
    address, workers = dask
    log = tmp_path / "log"
    monkeypatch.setattr(session, "run", tasks.OnCluster(str(log)))
    names = [f"student{number}" for number in range(12)]
    given = write(tmp_path / "class", {f"{name}/{FILE}": SOURCE for name in names})

    class Killing(session.ClassTable):
        def ended(self, *arguments):
            super().ended(*arguments)
            workers[0].kill()  # while it has a job, and another one waiting

    monkeypatch.setattr(session, "ClassTable", Killing)
    setup = Setup(given, tmp_path / "out", scheduler=address)
    graded = grade_class(HW3, Options((1,), data="synthetic"), setup, Console(quiet=True))
    assert graded.counts == {"graded": 12, "refused": 0, "failed": 0}
    lines = [line.split() for line in log.read_text().splitlines()]
    assert {student for student, _ in lines} == set(names)
    assert len({pid for _, pid in lines}) == 2  # both had work before one was lost


@pytest.mark.slow
def test_real_submissions_get_their_points_though_a_worker_is_killed_while_it_grades(dask, tmp_path, monkeypatch):
    address, workers = dask
    texts = {"alice": UNFOLD, "bob": UNFOLD.replace("output + bias", "output - bias"), "carol": SOURCE}
    given = write(tmp_path / "class", {f"{name}/{FILE}": text for name, text in texts.items()})
    lost: list[psutil.Process] = []

    def kill_while_it_grades():
        """As soon as the first worker has started a process for a submission."""
        until, worker = time.monotonic() + 60, psutil.Process(workers[0].pid)
        while not lost and time.monotonic() < until:
            lost.extend(process for process in worker.children(recursive=True) if "child.py" in str(process.cmdline()))
            time.sleep(0.05)
        workers[0].kill()

    killer = threading.Thread(target=kill_while_it_grades)
    killer.start()
    setup = Setup(given, tmp_path / "out", scheduler=address, pages=False)
    graded = grade_class(HW3, Options((1,), data="synthetic"), setup, Console(quiet=True))
    killer.join()
    assert lost and workers[0].wait(5) != 0
    assert graded.counts == {"graded": 3, "refused": 0, "failed": 0}
    rows = sqlite3.connect(tmp_path / "out" / "class.sqlite").execute("SELECT student, result FROM results")
    earned = {student: msgspec.json.decode(result, type=Result).earned for student, result in rows}
    assert earned["alice"] == 40 > earned["bob"] > earned["carol"] == 0
    _, left = psutil.wait_procs(lost, timeout=10)
    assert not left  # what a dead worker had started has ended with it


@pytest.mark.slow
def test_a_machine_with_another_version_grades_nobody(dask, tmp_path, monkeypatch):
    address, _ = dask
    monkeypatch.setattr(cluster, "grader_digest", lambda: "another version")
    monkeypatch.setattr(session, "run", tasks.OnCluster(str(tmp_path / "log")))
    given = write(tmp_path / "class", {f"alice/{FILE}": SOURCE})
    setup = Setup(given, tmp_path / "out", scheduler=address)
    graded = grade_class(HW3, Options((1,), data="synthetic"), setup, Console(quiet=True))
    assert graded.counts["failed"] == 1
    assert "same version" in (tmp_path / "out" / "gradebook.csv").read_text(encoding="utf-8-sig")
