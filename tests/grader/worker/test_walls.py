"""Tiers of isolation: found by trying, and each holds what it promises."""

import os
import socket
import subprocess
import sys
import venv
from pathlib import Path

import psutil
import pytest

from grader.command_line import main
from grader.worker import Code, Isolation, IsolationError, Limits, Worker, WorkerFailure
from grader.worker import isolation as tiers
from grader.worker import messages as m
from grader.worker.isolation import choose, problem_with

from .conftest import call

SOURCE = """
    import os, socket
    def pid(): return os.getpid()
    def user(): return os.getuid()
    def processes(): return ",".join(name for name in os.listdir("/proc") if name.isdigit())
    def interfaces(): return ",".join(name for _, name in socket.if_nameindex())
    def write(place): open(place, "w").write("x")
    def read(place): return open(place).read()
    def listed(place): return ",".join(sorted(os.listdir(place)))
    def execute(): os.execv("/bin/true", ["true"])
    def fill(size, place="x"):
        with open(place, "wb") as file:
            for _ in range(size): file.write(bytes(1 << 20))
    def capabilities():
        return next(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff"))
    def children(): return [os.fork() for _ in range(1)][0] or __import__("time").sleep(600)
"""


def _holding(*names: str) -> list:
    marks = {name: [] if not problem_with(name) else [pytest.mark.skip(problem_with(name))] for name in names}
    return [pytest.param(name, marks=marks[name]) for name in names]


@pytest.fixture(scope="module", params=_holding("bwrap", "unshare"))
def sandbox(request):
    limits = Limits(scratch_bytes=8 << 20, scratch_files=100)
    with Worker(preload=(), isolation=request.param, limits=limits) as worker:
        yield worker


@pytest.fixture
def inside(sandbox, write):
    """Asks a session of that tier; a text for what was raised."""

    def ask(name: str, *args: object) -> str:
        with sandbox.session(write(mytorch=SOURCE)) as session:
            message = call(session, name, *args).message
        return message.outputs[0].detail.strip("'") if isinstance(message, m.Result) else str(message)

    return ask


def test_a_session_is_process_1_and_sees_no_other(inside):
    assert inside("pid") == "1"
    assert inside("processes") == "1"


def test_there_is_no_network(inside):
    assert inside("interfaces") in ("", "lo")


def test_a_service_of_this_machine_cannot_be_reached(sandbox, write):
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = f"import socket\ndef f(): socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1)"
        with sandbox.session(write(mytorch=source)) as session:
            assert call(session, "f").message.type in ("OSError", "ConnectionRefusedError", "TimeoutError")


def test_nothing_can_be_written_but_the_scratch_folder(inside, tmp_path: Path):
    tmp_path.chmod(0o777)
    for place in (tmp_path / "x", Path("/tmp/chalkbench-left"), Path("/chalkbench-left")):
        try:
            assert "Error" in inside("write", str(place))
            assert not place.exists()
        finally:
            place.unlink(missing_ok=True)
    assert "Error" not in inside("write", "x")


def test_the_scratch_folder_and_shared_memory_have_a_size_and_a_number_of_files(sandbox, write, inside):
    assert "No space left" in inside("fill", 16)
    assert "No space left" in inside("fill", 16, "/dev/shm/x")
    with sandbox.session(write(mytorch="def f():\n    for i in range(200): open(str(i), 'w').close()")) as session:
        assert "No space left" in str(call(session, "f").message)


def test_a_session_has_no_rights_over_the_system(inside):
    assert int(inside("capabilities"), 16) == 0


def test_no_program_can_be_started(inside):
    assert "PermissionError" in inside("execute")


def test_this_project_is_not_there(inside):
    project = Path(__file__).parents[3]
    for place in ("tests", "reference", "grader", "student", "data_scripts", "data", "results"):
        found = inside("listed", str(project / place))
        assert found == "" or "FileNotFoundError" in found


@pytest.mark.parametrize("tier", _holding("bwrap"))
def test_bubblewrap_shows_the_submissions_python_files_and_no_other(tier: str, tmp_path: Path):
    student, other = tmp_path / "a" / "deliverable1_2", tmp_path / "b"
    student.mkdir(parents=True)
    other.mkdir()
    (other / "mytorch.py").write_text("secret = 1")
    (student / "answers.npz").write_bytes(b"x")
    (student / "link.py").symlink_to(other / "mytorch.py")
    source = "import os\ndef seen(): return ','.join(sorted(os.listdir(os.path.dirname(__file__))))\n"
    source += "def exists(place): return os.path.exists(place)\n"
    (student / "mytorch.py").write_text(source)
    with Worker(preload=(), isolation=tier) as worker:
        with worker.session(Code({"mytorch": student / "mytorch.py"})) as session:
            assert call(session, "seen").message.outputs[0].detail == "'mytorch.py'"
            for place in (other, student, tmp_path, Path("/etc/passwd"), Path(__file__)):
                assert call(session, "exists", str(place)).message.outputs[0].detail == "False", place


@pytest.mark.parametrize("tier", _holding("bwrap"))
def test_bubblewrap_covers_an_installed_copy_of_this_project(tier: str, tmp_path: Path, write, monkeypatch):
    place = tmp_path / "site"
    for name in ("reference", "other"):
        (place / name).mkdir(parents=True)
        (place / name / "nn.py").write_text("answer = 1")
    present = tiers.site_packages()
    monkeypatch.setattr("grader.worker.worker.site_packages", lambda: [*present, str(place)])
    with Worker(preload=(), isolation=tier) as worker, worker.session(write(mytorch=SOURCE)) as session:
        found = [call(session, "listed", str(place / name)).message for name in ("reference", "other")]
    assert [message.outputs[0].detail for message in found] == ["''", "'nn.py'"]


@pytest.mark.parametrize("tier", _holding("bwrap"))
def test_bubblewrap_holds_where_packages_lie_behind_a_link(tier: str, tmp_path: Path):
    venv.create(tmp_path, symlinks=True)
    (packages,) = tmp_path.glob("lib/python*/site-packages")
    packages.rmdir()
    packages.symlink_to(tiers.site_packages()[0])
    code = f"from grader.worker.isolation import problem_with; print(problem_with('{tier}') or 'holds')"
    command = [tmp_path / "bin" / "python", "-c", code]
    run = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=120)
    assert run.stdout == "holds\n", run.stdout + run.stderr


def test_a_session_ends_with_all_that_it_started(sandbox, write):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with sandbox.session(write(mytorch=SOURCE)) as session:
        call(session, "children")
        assert len({process.pid for process in psutil.Process().children(recursive=True)} - before) >= 2
    after = {process.pid for process in psutil.Process().children(recursive=True)}
    assert after <= before


def test_memory_that_children_share_is_counted_for_each(write):
    source = """
        import mmap, os, time
        def f():
            for _ in range(3):
                if os.fork() == 0:
                    held = mmap.mmap(-1, 500 << 20)
                    for at in range(0, 500 << 20, 4096): held[at] = 1
                    time.sleep(60)
            time.sleep(60)
    """
    with Worker(preload=(), limits=Limits(resident=1500 << 20)) as worker:
        with pytest.raises(WorkerFailure, match="memory"):
            call(worker.session(write(mytorch=source)), "f", wall=60)


def test_files_of_a_session_without_walls_are_counted(write):
    limits = Limits(scratch_files=50, scratch_bytes=4 << 20)
    many = "import time\ndef f():\n    for i in range(100): open(str(i), 'w').close()\n    time.sleep(60)"
    large = "import time\ndef f():\n    open('x', 'wb').write(bytes(8 << 20))\n    time.sleep(60)"
    with Worker(preload=(), isolation=Isolation("process"), limits=limits) as worker:
        for source in (many, large):
            with pytest.raises(WorkerFailure, match="killed: disk"):
                call(worker.session(write(mytorch=source)), "f", wall=30)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can take on another user's id")
def test_where_the_grader_is_root_sessions_run_under_another_user(inside, sandbox):
    if sandbox.isolation.user is None:
        pytest.skip(problem_with(sandbox.isolation.tier, True))
    assert inside("user") == str(sandbox.isolation.user) != "0"


# ------------------------------------------------------------------ the choice
def test_a_tier_that_is_asked_for_and_does_not_hold_is_an_error(monkeypatch):
    monkeypatch.setattr(tiers, "problem_with", lambda tier, user=False: "no bubblewrap")
    with pytest.raises(IsolationError, match="bwrap does not hold here: no bubblewrap"):
        choose("bwrap")


def test_auto_takes_the_strongest_that_holds(monkeypatch):
    monkeypatch.setattr(tiers, "problem_with", lambda tier, user=False: "no" if tier == "bwrap" or user else "")
    assert choose() == Isolation("unshare")


def test_an_installed_bubblewrap_that_does_not_work_is_not_taken(monkeypatch, tmp_path: Path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho bwrap: No permissions to create new namespace >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(tiers.shutil, "which", lambda name: str(broken))
    problem_with.cache_clear()
    try:
        said = problem_with("bwrap")
    finally:
        problem_with.cache_clear()
    assert "No permissions" in said if sys.platform == "linux" else said


@pytest.mark.parametrize("tier", _holding("bwrap"))
def test_a_python_that_was_called_by_a_way_round_is_found(tier: str, monkeypatch, tmp_path: Path):
    program = Path(sys.executable)
    monkeypatch.setattr(sys, "executable", f"{tmp_path}/{os.path.relpath(program.parent, tmp_path)}/{program.name}")
    problem_with.cache_clear()
    try:
        assert problem_with(tier) == ""
    finally:
        problem_with.cache_clear()


@pytest.fixture
def nothing_holds(monkeypatch):
    monkeypatch.setattr(tiers, "problem_with", lambda tier, user=False: "" if (tier, user) == ("process",
    False) else "no")


def test_requiring_isolation_refuses_where_there_is_none(nothing_holds, capsys):
    assert main(["hw3", "--require-isolation"]) == 2
    assert "only tier process holds here" in capsys.readouterr().err.replace("\n", " ")


def test_below_a_sandbox_there_is_a_warning(nothing_holds, capsys, tmp_path: Path):
    assert main(["hw3", str(tmp_path / "nowhere")]) == 2
    assert "for self-checks" in capsys.readouterr().err.replace("\n", " ")
