"""What numba keeps on disk is compiled again when anything that went into it has changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


RETURNS = "print(kernel(1), sum(kernel.stats.cache_hits.values()))"
ON_A_TEAM = (
    "import numpy\n"
    "from reference.kernels import parallel\n"
    "cells = numpy.zeros(4, int)\n"
    "parallel.run(kernel, 2, 4, cells)\n"
    "print(*cells, sum(parallel._launcher(kernel).stats.cache_hits.values()))"
)


def value(folder: Path, use: str = RETURNS) -> str:
    """What `kernel.py` in `folder` gives in a new process, and whether it was found on disk."""
    script = f"import sys; sys.path[:0] = sys.argv[1:]\nfrom kernel import kernel\n{use}"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(ROOT)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_change_in_an_imported_file_is_seen_by_the_kernels_kept_on_disk(tmp_path):
    (tmp_path / "kernel.py").write_text(
        "from reference.kernels.compiled import compiled\nfrom middle import step\n\n"
        "def plain(x):\n    return step(x)\n\nkernel = compiled(plain)\n"
    )
    (tmp_path / "middle.py").write_text(
        "from reference.kernels.compiled import compiled\nfrom end import STEP\n\n"
        "def plain(x):\n    return x + STEP\n\nstep = compiled(plain)\n"
    )
    (tmp_path / "end.py").write_text("STEP = 10\n")
    assert value(tmp_path) == "11 0"
    assert value(tmp_path) == "11 1"
    (tmp_path / "end.py").write_text("STEP = 20\n")
    assert value(tmp_path) == "21 0"


@pytest.mark.slow
def test_what_starts_a_kernel_on_a_team_is_kept_on_disk_as_long_as_the_kernel_is_the_same(tmp_path):
    (tmp_path / "kernel.py").write_text(
        "from reference.kernels.compiled import compiled\nfrom end import STEP\n\n"
        "def plain(cells, first, end):\n    for i in range(first, end):\n        cells[i] = STEP + i\n\n"
        "kernel = compiled(plain)\n"
    )
    (tmp_path / "end.py").write_text("STEP = 10\n")
    assert value(tmp_path, ON_A_TEAM) == "10 11 12 13 0"
    assert value(tmp_path, ON_A_TEAM) == "10 11 12 13 1"
    (tmp_path / "end.py").write_text("STEP = 20\n")
    assert value(tmp_path, ON_A_TEAM) == "20 21 22 23 0"
