"""`--watch`: a save grades what it has a part in, and shows each verdict as soon as it is there."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.command_line import main
from grader.report import terminal
from grader.result import CheckResult, DeliverableResult, Result
from grader.runner import Options
from grader.submission import SubmissionError
from grader.watch.affected import affected, changed, quick_first, snapshot
from grader.watch.loop import watch
from grader.watch.saves import Saves
from grader.watch.screen import Screen
from tests.grader.submissions import UNFOLD

PATIENCE = 90  # seconds until a test gives a line up; nothing is measured by it
FIRST = "    n, c, h, w = input.shape\n"
ENDLESS = UNFOLD.replace(FIRST, f"    while bias is not None:\n        pass\n{FIRST}")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def alice(tmp_path) -> Path:
    """A submission with the files of all deliverables, and what lies in a hand-out beside them."""
    folder = tmp_path / "alice"
    for name in (
        "deliverable1-2/mytorch.py", "deliverable1-2/train.py", "deliverable3-5/model.py", "deliverable3-5/train.py",
        "deliverable6/attack.py", "grader/runner.py", "tests/conftest.py", "notes.txt",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    return folder


def after(folder: Path, change: Callable[[], object]) -> set[int]:
    """The deliverables that a change of the folder has a part in."""
    before = snapshot(HW3, str(folder))
    change()
    return affected(HW3, before, snapshot(HW3, str(folder)))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("deliverable1-2/mytorch.py", {1, 2}),
        ("deliverable1-2/train.py", {2}),
        ("deliverable1-2/helper.py", {1, 2}),
        ("deliverable1-2/layers/convolution.py", {1, 2}),
        ("deliverable3-5/model.py", {3, 4, 5}),
        ("deliverable3-5/train.py", {4, 5}),
        ("deliverable3-5/resnet.safetensors", {4, 5}),
        ("deliverable3-5/other.safetensors", set()),
        ("deliverable3-5/deeper/resnet.safetensors", set()),
        ("deliverable6/attack.py", {6}),
        ("shared.py", {1, 2, 3, 4, 5, 6}),
        ("common/shared.py", {1, 2, 3, 4, 5, 6}),
        ("grader/runner.py", set()),
        ("tests/conftest.py", set()),
        ("notes.txt", set()),
        ("deliverable6/.attack.py.swp", set()),
        ("deliverable6/__pycache__/attack.py", set()),
        (".venv/attack.py", set()),
    ],
)
def test_a_file_has_a_part_in_its_deliverables(alice, name, numbers):
    def save():
        (alice / name).parent.mkdir(parents=True, exist_ok=True)
        (alice / name).write_text("x = 2\n")

    assert after(alice, save) == numbers


def test_a_file_that_went_has_a_part_too(alice):
    assert after(alice, (alice / "deliverable6" / "attack.py").unlink) == {6}
    assert after(alice, lambda: shutil.rmtree(alice / "deliverable1-2")) == {1, 2}


def test_a_file_that_is_saved_as_it_was_has_not_changed(alice):
    before = snapshot(HW3, str(alice))
    path = alice / "deliverable1-2" / "mytorch.py"
    path.with_suffix(".tmp").write_text(path.read_text())
    path.with_suffix(".tmp").replace(path)
    assert changed(before, snapshot(HW3, str(alice))) == []


def test_in_a_flat_folder_the_same_files_have_the_same_parts(tmp_path):
    for name in ("mytorch.py", "helper.py"):
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "tests").mkdir()
    assert after(tmp_path, lambda: (tmp_path / "mytorch.py").write_text("x = 2\n")) == {1, 2}
    assert after(tmp_path, lambda: (tmp_path / "helper.py").write_text("x = 2\n")) >= {1, 2}
    assert after(tmp_path, lambda: (tmp_path / "tests" / "test_x.py").write_text("x = 2\n")) == set()


def test_trainings_come_after_what_is_quick():
    assert quick_first(HW3, {1, 2, 3, 4})[:2] == [1, 3]
    assert quick_first(HW3, {1, 2})[-1] == 2


def test_writing_is_noticed_also_in_a_new_folder(tmp_path):
    with Saves(tmp_path) as saves:
        assert _soon(saves.taken, lambda: (tmp_path / "a.py").write_text("x"))
        (tmp_path / "new").mkdir()
        assert _soon(saves.taken, lambda: (tmp_path / "new" / "b.py").write_text(f"{time.monotonic()}"))


def test_an_environment_is_not_watched(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / "venv").mkdir()
    with Saves(tmp_path) as saves:
        assert _soon(saves.taken, lambda: (tmp_path / "a.py").write_text("x"))
        while saves.taken():  # the events of that file
            time.sleep(0.3)
        (tmp_path / ".venv" / "b.py").write_text("x")
        (tmp_path / "venv" / "b.py").write_text("x")
        time.sleep(0.3)
        assert not saves.taken()


@pytest.mark.parametrize("option", ["--seed", "--json", "--report", "--train"])
def test_what_does_not_go_with_watching_is_refused(alice, capsys, tmp_path, option):
    value = "1" if option in ("--seed", "--train") else str(tmp_path / "file")
    assert main(["hw3", str(alice), "--watch", option, value]) == 2
    assert f"leave out {option}" in " ".join(capsys.readouterr().err.split())


def test_a_folder_without_the_assignment_is_refused(tmp_path):
    with pytest.raises(SubmissionError, match="holds nothing of hw3"):
        watch(HW3, str(tmp_path), Options((1,)), Console(quiet=True))


@pytest.mark.parametrize(
    ("numbers", "swap", "said"),
    [
        ("1", "deliverable1=reference", "no graded deliverable rests on it"),
        ("1,2", "deliverable1=nowhere", "nowhere"),
    ],
)
def test_a_swap_that_a_grade_refuses_is_refused(alice, capsys, monkeypatch, numbers, swap, said):
    monkeypatch.setattr("grader.watch.loop.Saves", _control_c)  # it would go on for ever
    assert main(["hw3", str(alice), "--watch", "--deliverables", numbers, "--swap", swap]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_hidden_check_says_its_category_and_verdict_and_no_more():
    console = Console(width=100)
    screen = Screen(console, lambda: None)
    verdict = (2, 0, "fail", "expected 4, got 5", 0.1)
    secret = CheckResult("conv2d.secret", "MyFConv2D: 17×17", *verdict, hidden="MyFConv2D")
    told = CheckResult("conv2d.plain", "MyFConv2D: values", 2, 0, "fail", "expected 6, got 7", 0.1)
    with console.capture() as shown, screen:
        screen.deliverable("deliverable 1", 2)
        screen.checked(secret)
        screen.checked(told)
    words = " ".join(shown.get().split())
    assert "fail 0/2 MyFConv2D fail" in words
    assert "17" not in words and "expected 4" not in words
    assert "MyFConv2D: values expected 6, got 7" in words


def test_a_reason_is_not_the_same_as_one_that_was_hidden():
    console = Console(width=100)
    screen = Screen(console, lambda: None)
    verdict = (2, 0, "fail", "expected 4, got 5", 0.1)
    with console.capture() as shown, screen:
        screen.deliverable("deliverable 1", 2)
        screen.checked(CheckResult("conv2d.secret", "MyFConv2D: 17×17", *verdict, hidden="MyFConv2D"))
        screen.checked(CheckResult("conv2d.plain", "MyFConv2D: values", *verdict))
    assert "expected 4, got 5" in shown.get()


def test_a_reason_is_not_told_twice_in_a_row():
    console = Console(width=100)
    check = CheckResult("a", "first", 1, 0, "error", "mytorch.py is missing", 0.1)
    with console.capture() as shown:
        console.print(terminal.row(check))
        console.print(terminal.row(check, told=check.reason))
    assert shown.get().count("mytorch.py is missing") == 1 and "the same" in shown.get()


def test_points_on_the_stand_in_are_never_shown_without_a_word():
    run = DeliverableResult(2, "a CNN", [CheckResult("a", "first", 1, 1, "pass", "", 0.1)])
    result = Result("hw3", "alice", "", "synthetic", "", "", 0, "process", "", 1.0, {}, "", [run])
    assert "SYNTHETIC" in terminal.summary(result, run).plain


# --------------------------------------------------------------------------- a real process


class Watching:
    """A process with `--watch`, and the lines that it prints."""

    def __init__(self, folder: Path):
        command = [sys.executable, "-m", "grader", "hw3", str(folder), "--watch", "--deliverables", "1"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")  # it has ended

    def until(self, words: str) -> str:
        """The next line that holds these words, and all that came before it."""
        said, end = "", time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty:
                line = ""
            if not line:
                pytest.fail(f"{words!r} did not come; there was:\n{said}")
            said += line
            if words in line:
                return said


@pytest.fixture
def watching(tmp_path):
    """Starts to watch a folder with this mytorch.py."""
    started: list[Watching] = []
    place = tmp_path / "bob" / "deliverable1_2"
    place.mkdir(parents=True)

    def start(text: str) -> tuple[Watching, Path]:
        (place / "mytorch.py").write_text(text)
        started.append(Watching(tmp_path / "bob"))
        return started[-1], place / "mytorch.py"

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.mark.slow
def test_saves_are_graded_one_after_the_other_until_control_c(watching):
    process, file = watching(ENDLESS)
    process.until("MyFConv2D: padding above 0")
    time.sleep(1)  # until the endless loop has begun; a save does not wait for the end of its time
    _as_editors_do(file, UNFOLD)
    said = process.until("MyFConv2D: values")
    assert "interrupted by a save" in said and "pass" in said.splitlines()[-1]
    assert "22 of 22 checks passed" in process.until("waiting for the next save")
    _as_editors_do(file, UNFOLD.replace("+ bias", "- bias"))
    said = process.until("waiting for the next save")
    assert "hint: your output has the bias subtracted" in said
    assert "17 of 22 checks passed" in said
    file.write_text(UNFOLD + "def half(:\n")
    said = process.until("waits: ")
    assert "mytorch.py:36: SyntaxError" in said
    assert "points" not in said.partition("waits: ")[2]
    below = psutil.Process(process.process.pid).children(recursive=True)
    assert below  # the worker is kept for the next save
    process.process.send_signal(signal.SIGINT)
    process.until("ended")
    assert process.process.wait(PATIENCE) == 0
    assert not psutil.wait_procs(below, timeout=PATIENCE)[1]


@pytest.mark.slow
def test_a_folder_that_is_deleted_ends_it_with_a_word(watching):
    process, file = watching("broken\n")
    said = process.until("waiting for the next save")
    assert said.count("NameError") == 1 and "the same" in said
    shutil.rmtree(file.parent)
    process.until("holds nothing of hw3")
    file.parent.mkdir()
    file.write_text("broken again\n")
    process.until("waits: mytorch.py:1: SyntaxError")
    shutil.rmtree(file.parents[1])
    process.until("does not exist any more")
    assert process.process.wait(PATIENCE) == 2


def _control_c(folder: Path) -> Saves:
    raise KeyboardInterrupt


def _as_editors_do(file: Path, text: str) -> None:
    """Under another name, then renamed, then touched."""
    beside = file.with_name(f".{file.name}.swp")
    beside.write_text(text)
    beside.replace(file)
    file.touch()


def _soon(happened: Callable[[], bool], do: Callable[[], object]) -> bool:
    """Do something until it has been noticed; the watch may not have begun yet."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        do()
        time.sleep(0.2)
        if happened():
            return True
    return False
