"""Temporary folders: those of dead graders are removed, and nothing else is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.worker.scratch import Scratch, remove_stale

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from pathlib import Path
from grader.worker.scratch import Scratch
scratch = Scratch("job", Path(sys.argv[1]))
Path(scratch.name, "weights").write_text("x")
print(scratch.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process and its folder, which is a day old."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True
    )
    folder = Path(process.stdout.readline().strip())
    aged(folder)
    yield process, folder
    process.kill()
    process.communicate()


def aged(folder: Path) -> Path:
    day_ago = time.time() - 86_400
    os.utime(folder, (day_ago, day_ago))
    return folder


def sweep(place: Path) -> None:
    remove_stale.cache_clear()
    remove_stale(str(place))


def test_what_a_killed_grader_has_left_is_removed_by_the_next_one(other, tmp_path):
    process, folder = other
    process.kill()
    process.wait()
    assert (folder / "weights").exists()
    remove_stale.cache_clear()
    with Scratch("job", tmp_path):
        assert not folder.exists()


def test_what_belongs_to_a_running_grader_stays(other, tmp_path):
    _, folder = other
    sweep(tmp_path)
    assert (folder / "weights").exists()


def test_a_folder_that_is_being_made_stays(other, tmp_path):
    process, folder = other
    process.kill()
    process.wait()
    os.utime(folder)
    sweep(tmp_path)
    assert folder.exists()


def test_a_folder_of_such_a_name_that_is_not_ours_stays(tmp_path):
    mine = tmp_path / "chalkbench-class-autumn26"
    mine.mkdir()
    (mine / "gradebook.csv").write_text("x")
    (tmp_path / "chalkbench-link").symlink_to(mine)
    aged(mine)
    sweep(tmp_path)
    assert (mine / "gradebook.csv").exists() and (tmp_path / "chalkbench-link").is_symlink()


def test_another_users_folder_stays(other, tmp_path, monkeypatch):
    process, folder = other
    process.kill()
    process.wait()
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    sweep(tmp_path)
    assert folder.exists()


def test_at_its_end_a_process_removes_its_own(tmp_path):
    with Scratch("job", tmp_path) as name:
        Path(name, "file").write_text("x")
    assert not list(tmp_path.iterdir())
