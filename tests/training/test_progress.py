"""The bar of a training: on a terminal only, with what is left, right after a resume too."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from reference.training import progress
from reference.training.batches import Batches
from reference.training.progress import Watched

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import torch
from reference.training.batches import Batches
from reference.training.progress import Watched

watched = Watched(Batches(torch.zeros(6, 1), torch.zeros(6), batch_size=2), epochs=4, done=2)
for _ in range(2):
    for images, labels in watched:
        pass
    print("reported", flush=True)
"""


@pytest.fixture
def batches():
    return Batches(torch.arange(6.0), torch.arange(6), batch_size=2)


@pytest.fixture
def screen(monkeypatch):
    """What a terminal would be shown, and a clock that a test moves."""
    screen, clock = io.StringIO(), [1000.0]

    def terminal(**_):
        return Console(file=screen, force_terminal=True, width=100, get_time=lambda: clock[0], color_system=None)

    monkeypatch.setattr(progress, "Console", terminal)
    screen.clock = clock
    return screen


def last_line(screen) -> str:
    """The bar as it was left."""
    return [line for line in re.split(r"[\r\n]+", screen.getvalue()) if "batches" in line][-1]


def one_epoch(watched, screen, seconds: float) -> str:
    for _ in watched:
        screen.clock[0] += seconds
    return last_line(screen)


def test_what_is_watched_is_what_comes_out(batches):
    torch.manual_seed(0)
    expected = [labels.tolist() for _ in range(2) for _, labels in batches]
    torch.manual_seed(0)
    watched = Watched(batches, epochs=2)
    assert [labels.tolist() for _ in range(2) for _, labels in watched] == expected
    assert len(watched) == 3


def test_the_bar_counts_epochs_and_batches_and_says_what_is_left(batches, screen):
    watched = Watched(batches, epochs=3)
    assert "epoch 1/3" in (line := one_epoch(watched, screen, 10)) and "3/9 batches" in line
    assert "0:00:30 left 0:01:00" in line
    assert "epoch 2/3" in (line := one_epoch(watched, screen, 10)) and "6/9 batches" in line
    assert "0:01:00 left 0:00:30" in line
    assert "epoch 3/3" in (line := one_epoch(watched, screen, 10)) and "9/9 batches" in line
    assert "left 0:00:00" in line


def test_after_a_resume_it_begins_at_the_next_epoch_and_expects_only_what_is_left(batches, screen):
    watched = Watched(batches, epochs=4, done=2)
    for _ in watched:
        break
    assert "epoch 3/4" in last_line(screen) and " 6/12 batches" in last_line(screen)
    # Epochs of an earlier run took no time in this one; they must not make it look fast.
    line = one_epoch(Watched(batches, epochs=4, done=2), screen, 10)
    assert "epoch 3/4" in line and " 9/12 batches" in line and "0:00:30 left 0:00:30" in line


def test_a_run_that_is_done_shows_nothing(batches, screen):
    Watched(batches, epochs=2, done=2)
    assert screen.getvalue() == ""


def test_a_training_that_raises_gives_the_cursor_back(batches, screen):
    with pytest.raises(KeyboardInterrupt):
        for _ in Watched(batches, epochs=1):
            raise KeyboardInterrupt
    shown = screen.getvalue()
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") > -1


def test_without_a_terminal_stderr_stays_empty():
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert ended.stdout == "reported\nreported\n"


def test_on_a_terminal_stderr_has_the_bar_and_stdout_has_not():
    ours, theirs = pty.openpty()
    started = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # on Linux, a terminal whose other side is closed ends like this
    os.close(ours)
    printed, _ = started.communicate(timeout=600)
    assert printed == "reported\nreported\n"
    assert b"epoch 3/4" in shown and b"epoch 4/4" in shown and b"12/12" in shown
