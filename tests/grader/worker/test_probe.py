"""A tier with a wall missing is not taken; walls whose fall the tests of the tiers would not see."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.worker import isolation as tiers
from grader.worker import linux, walls
from grader.worker.isolation import problem_with

# A wall, as it stands in its file -> what there would be without it, and what the probe then says.
MISSING = {
    "processes": ("walls.py", '_call("unshare", _NEW_PROCESSES)', "pass", "processes outside can be seen"),
    "network": ("walls.py", "_NEW_NAMES | network)", "_NEW_NAMES)", "there is a network"),
    "files": ("walls.py", '_set_read_only("/", True, _AT_RECURSIVE)', "pass", "outside of the scratch folder"),
    "calls": ("calls.py", "return ctypes.CDLL(None)", "return False and ctypes.CDLL(None)", "cannot be refused"),
}
NESTED = """
import importlib, os, sys, types
package = types.ModuleType("_chalkbench")
package.__path__ = [sys.argv[1]]
sys.modules["_chalkbench"] = package
walls = importlib.import_module("_chalkbench.walls").Walls("unshare", None)
before = open("/proc/self/mountinfo").read()
walls.prepare()
walls.before_fork()
pid = os.fork()
if pid == 0:
    walls.enter(sys.argv[2], 1 << 20, 100)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), open("/proc/self/mountinfo").read() == before)
"""


@pytest.fixture
def copied(tmp_path: Path, monkeypatch):
    """The worker's own programs, as they will be tried, in a copy."""
    place = tmp_path / "worker"
    shutil.copytree(tiers.HERE, place, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(tiers, "HERE", place)
    problem_with.cache_clear()
    yield place
    problem_with.cache_clear()


@pytest.mark.skipif(bool(problem_with("unshare")), reason=problem_with("unshare"))
def test_the_tier_holds_as_it_is(copied):
    assert problem_with("unshare") == ""


@pytest.mark.skipif(bool(problem_with("unshare")), reason=problem_with("unshare"))
@pytest.mark.parametrize("wall", MISSING)
def test_a_tier_without_one_of_its_walls_does_not_hold(copied, wall: str):
    name, present, instead, said = MISSING[wall]
    text = (copied / name).read_text()
    assert present in text
    (copied / name).write_text(text.replace(present, instead))
    assert said in problem_with("unshare")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can take on another user's id")
def test_a_tier_whose_user_stays_the_same_does_not_hold(copied):
    text = (copied / "walls.py").read_text()
    (copied / "walls.py").write_text(text.replace("            become(self.user)", "            pass"))
    if "cannot read" in problem_with("process", True):
        pytest.skip("another user cannot read Python here")
    assert problem_with("process", True) == "the user is still the same"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can share its mounts")
@pytest.mark.skipif(bool(problem_with("unshare")), reason=problem_with("unshare"))
def test_what_a_session_mounts_does_not_come_out(tmp_path: Path):
    """On most distributions mounts are shared with every namespace that is made; here perhaps not, so they are made so."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --make-rshared / && exec "$@"', "sh"]
    command = [*words, sys.executable, "-I", "-S", "-c", NESTED, str(tiers.HERE), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.split() == ["0", "True"], said.stdout + said.stderr


def outcome(act) -> int:
    """The exit status of a child that does this; the interpreter and its tests stay as they are."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = act()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes somebody who is not root")
def test_another_user_is_in_none_of_the_graders_groups():
    def groups() -> int:
        os.setgroups([0, 12])
        walls.become(tiers._free_user())
        return len(os.getgroups())

    assert outcome(groups) == 0


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes somebody who is not root")
@pytest.mark.parametrize("closed", [True, False])
def test_nobody_of_the_same_user_reads_the_workers_memory(closed: bool):
    """In tier `process` without another user a session has the worker's id; for root nothing is closed."""

    def read_parent() -> int:
        try:
            open(f"/proc/{os.getppid()}/mem", "rb").close()
        except OSError:
            return 1
        return 0

    def session() -> int:
        walls.become(tiers._free_user())
        linux.closed_to_others(False)
        if closed:
            walls.Walls("process", None).prepare()
        return outcome(read_parent)

    assert outcome(session) == closed
