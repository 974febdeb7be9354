"""The corpus as folders: one for each submission, one line for each."""

import subprocess
import sys
from pathlib import Path

from tests.hostile.test_corpus import CORPUS, PROJECT


def written(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.hostile", str(folder)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)


def test_each_submission_is_a_folder_with_a_line(tmp_path: Path):
    assert written(tmp_path / "corpus").returncode == 0
    folders = {path.name for path in (tmp_path / "corpus").iterdir() if path.is_dir()}
    assert len(CORPUS) >= 70 and folders == {attack.name for attack in CORPUS}
    lines = (tmp_path / "corpus" / "README.md").read_text().splitlines()
    assert [line.split("`")[1] for line in lines if line.startswith("| `")] == [attack.name for attack in CORPUS]
    assert all(attack.tries in line for attack, line in zip(CORPUS, lines[4:], strict=True))


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path):
    refused = written(tmp_path)
    assert refused.returncode == 2 and "not there yet" in refused.stderr
    assert not list(tmp_path.iterdir())
