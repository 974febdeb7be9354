"""Stubs: the whole contract, nothing of the solution, and an error for every marker that is not one."""

import subprocess
import sys

import pytest

from grader import stubs, text_markers
from grader.markers import HEADER, StubError, make_stub
from grader.stubs import ROOT

SOURCE = '''\
"""A layer."""

import math
from os import path, sep

import torch

# solution-only
from reference.kernels import conv2d
# end solution-only
# student: import random


def layer(x: torch.Tensor, width: int) -> torch.Tensor:
    """(N, C) -> (N, C). The text "# solution: no marker" in a string is none.

    # end solution
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, found {width}{sep}")
    # solution: hw3 deliverable 1: "layer"
    scale = math.sqrt(width)
    return conv2d(x) * scale
    # end solution


# solution-only
def helper():
    return path


# end solution-only


def last():
    # An ordinary comment about a solution stays.
    return 1
'''

STUB = (
    HEADER
    + '''
"""A layer."""

from os import sep

import torch

import random


def layer(x: torch.Tensor, width: int) -> torch.Tensor:
    """(N, C) -> (N, C). The text "# solution: no marker" in a string is none.

    # end solution
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, found {width}{sep}")
    raise NotImplementedError("hw3 deliverable 1: \\"layer\\"")


def last():
    # An ordinary comment about a solution stays.
    return 1
'''
)


def test_a_stub_is_the_contract_without_the_solution():
    stub = make_stub(SOURCE, "layer.py")
    assert stub.text == STUB
    assert [line.strip() for line in stub.withheld if line.strip()] == [
        "from reference.kernels import conv2d",
        "scale = math.sqrt(width)",
        "return conv2d(x) * scale",
        "def helper():",
        "return path",
    ]


def test_a_stub_raises_its_own_message_after_the_argument_checks_that_are_given():
    names = {}
    exec(compile(make_stub(SOURCE, "layer.py").text, "layer.py", "exec"), names)
    with pytest.raises(ValueError, match="at least 1"):
        names["layer"](None, 0)
    with pytest.raises(NotImplementedError, match='^hw3 deliverable 1: "layer"$'):
        names["layer"](None, 1)


def test_a_file_without_markers_is_not_handed_out():
    assert make_stub('"""All solution."""\nsecret = 1\n', "secret.py") is None


def body(*lines: str) -> str:
    return "def f():\n" + "".join(f"    {line}\n" for line in lines) + "    return 1\n"


@pytest.mark.parametrize(
    ("source", "row", "message"),
    [
        (body("# solution: a", "x = 1"), 2, "never closed"),
        (body("x = 1", "# end solution"), 3, "but no block is open"),
        (body("# solution: a", "# end solution-only"), 3, "'solution' of line 2 is open"),
        (body("# solution: a", "# solution: b", "# end solution"), 3, "inside the 'solution' of line 2"),
        (body("# solution: a", "# student: x = 1", "# end solution"), 3, "inside the 'solution' of line 2"),
        (body("# solution:"), 2, "no marker"),
        (body("# solution"), 2, "no marker"),
        (body("#solution: a"), 2, "no marker"),
        (body("# Solution: a"), 2, "no marker"),
        (body("# soluton: a"), 2, "no marker"),
        (body("# solution only"), 2, "no marker"),
        (body("# solution: a", "# endsolution"), 3, "no marker"),
        (body("# solution: a", "# end solution:"), 3, "no marker"),
        (body("# students: import torch"), 2, "no marker"),
        (body("x = 1  # solution: a"), 2, "alone on its line"),
        ("# solution: a\nx = 1\n# end solution\n", 1, "module level"),
        (body("# student: from reference import nn"), 2, "'reference' would be left"),
        (body("# student: x = 1", "y = 'as the reference does'"), 3, "'reference' would be left"),
        (body("# student: x = ("), 2, "does not compile"),
        ("def f():\n    # solution-only\n    return 1\n    # end solution-only\n", 1, "does not compile"),
    ],
)
def test_a_wrong_marker_is_an_error_with_file_and_line(source, row, message):
    with pytest.raises(StubError, match=message) as caught:
        make_stub(source, "wrong.py")
    assert str(caught.value).startswith(f"wrong.py:{row}: ")


@pytest.fixture
def repository(tmp_path):
    """A repository with one assignment, a shared layer with a marker, and a file of the solution alone."""
    for name, text in {
        "reference/hw9/part1/layer.py": SOURCE,
        "reference/hw9/part1/whole.py": "secret = 1\n",
        "reference/kernels/fast.py": SOURCE,
        "reference/nn.py": SOURCE,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def written(repository):
    return sorted(p.relative_to(repository).as_posix() for p in repository.glob("student/**/*") if p.is_file())


def test_only_marked_files_of_assignments_become_stubs(repository):
    assert stubs.main([], repository) == 0
    assert written(repository) == ["student/hw9/part1/layer.py"]
    assert (repository / "student/hw9/part1/layer.py").read_text() == STUB


def test_writing_again_changes_nothing(repository):
    stubs.main([], repository)
    before = (repository / "student/hw9/part1/layer.py").stat()
    assert stubs.main([], repository) == 0
    assert (repository / "student/hw9/part1/layer.py").stat().st_mtime_ns == before.st_mtime_ns


def test_check_shows_a_difference_and_writes_nothing(repository, capsys):
    stubs.main([], repository)
    assert stubs.main(["--check"], repository) == 0
    path = repository / "student/hw9/part1/layer.py"
    path.write_text(STUB.replace("width < 1", "width < 2"))
    capsys.readouterr()
    assert stubs.main(["--check"], repository) == 1
    shown = capsys.readouterr().out
    assert "-    if width < 2:" in shown
    assert "+    if width < 1:" in shown
    assert "python -m grader stubs" in shown
    assert "width < 2" in path.read_text()


def test_check_finds_a_missing_and_a_left_over_stub(repository, capsys):
    assert stubs.main(["--check"], repository) == 1
    stubs.main([], repository)
    (repository / "student/old.py").write_text(f"{HEADER}\n")
    assert stubs.main(["--check"], repository) == 1
    assert "student/old.py" in capsys.readouterr().out


def test_left_over_stubs_are_removed_and_foreign_files_kept(repository):
    (repository / "student/hw9").mkdir(parents=True)
    (repository / "student/hw9/old.py").write_text(f"{HEADER}\nx = 1\n")
    (repository / "student/hw9/mine.py").write_text("x = 1\n")
    assert stubs.main([], repository) == 0
    assert written(repository) == ["student/hw9/mine.py", "student/hw9/part1/layer.py"]


def test_a_file_that_was_not_generated_is_not_overwritten(repository, capsys):
    path = repository / "student/hw9/part1/layer.py"
    path.parent.mkdir(parents=True)
    path.write_text("my_own = 1\n")
    assert stubs.main([], repository) == 1
    assert "student/hw9/part1/layer.py" in capsys.readouterr().out
    assert path.read_text() == "my_own = 1\n"


def test_a_wrong_marker_leaves_student_as_it_was(repository, capsys):
    stubs.main([], repository)
    (repository / "reference/hw9/part1/layer.py").write_text(SOURCE.replace("    # end solution\n\n\n#", "\n\n#"))
    assert stubs.main([], repository) == 1
    assert "reference/hw9/part1/layer.py:" in capsys.readouterr().out
    assert (repository / "student/hw9/part1/layer.py").read_text() == STUB


def test_without_a_reference_the_message_says_where_stubs_are_made(tmp_path, capsys):
    assert stubs.main([], tmp_path) == 1
    assert "course's repository" in capsys.readouterr().out


def test_the_repositorys_own_stubs_are_current(capsys):
    assert stubs.main(["--check"]) == 0, capsys.readouterr().out


def test_the_repositorys_own_stubs_import_without_a_crash():
    paths = sorted((ROOT / "student").glob("**/*.py"))
    assert paths
    script = (
        "import pathlib, runpy, sys\n"
        "sys.modules['reference'] = None\n"
        "for path in sys.argv[1:]:\n"
        "    folder = str(pathlib.Path(path).parent)\n"
        "    sys.path.insert(0, folder)\n"
        "    runpy.run_path(path, run_name='stub')\n"
        "    sys.path.remove(folder)\n"
        "    siblings = [n for n, m in sys.modules.items() if str(getattr(m, '__file__', '')).startswith(folder)]\n"
        "    for name in siblings:\n"  # several folders have a `model`
        "        del sys.modules[name]\n"
    )
    done = subprocess.run([sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------- tables and texts
TABLE = """\
# The layers.
Layer,#weights
Input,-
# solution-only
Conv,2432
# end solution-only
# student: Conv,
"""
TEXT = """\
# The set-up

<!-- An ordinary comment stays. -->
<!-- student: | epochs |  | -->
<!-- solution-only -->
| epochs | 24 |
<!-- end solution-only -->
"""


def test_a_table_and_a_text_become_stubs_by_markers_in_their_own_comments(repository):
    folder = repository / "reference/hw9/part1"
    (folder / "table.csv").write_text(TABLE)
    (folder / "setup.md").write_text(TEXT)
    (folder / "README.md").write_text("# All solution\n")
    (repository / "reference/kernels/table.csv").write_text(TABLE)
    assert stubs.main([], repository) == 0
    assert written(repository) == [f"student/hw9/part1/{name}" for name in ("layer.py", "setup.md", "table.csv")]
    generated = "Generated by `python -m grader stubs`: fill in what is empty."
    student = repository / "student/hw9/part1"
    assert (student / "table.csv").read_text() == f"# {generated}\n# The layers.\nLayer,#weights\nInput,-\nConv,\n"
    assert (student / "setup.md").read_text() == (
        f"<!-- {generated} -->\n# The set-up\n\n<!-- An ordinary comment stays. -->\n| epochs |  |\n"
    )
    assert stubs.make_stubs(repository)["hw9/part1/table.csv"].withheld == ("Conv,2432",)


def test_a_table_that_was_filled_in_by_hand_is_not_overwritten(repository, capsys):
    (repository / "reference/hw9/part1/table.csv").write_text(TABLE)
    mine = repository / "student/hw9/part1/table.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("Conv,1\n")
    assert stubs.main([], repository) == 1
    assert "table.csv" in capsys.readouterr().out
    assert mine.read_text() == "Conv,1\n"


@pytest.mark.parametrize(
    ("source", "ending", "row", "message"),
    [
        ("# solution-only\na\n", ".csv", 1, "never closed"),
        ("# solution: a\na\n# end solution\n", ".csv", 1, "no marker"),
        ("a\n# studnet: b\n", ".csv", 2, "no marker"),
        ("<!-- solution only -->\na\n", ".md", 1, "no marker"),
        ("<!-- student: as the reference has it -->\n", ".md", 1, "'reference' would be left"),
    ],
)
def test_a_wrong_marker_of_a_table_or_text_is_an_error_with_file_and_line(source, ending, row, message):
    with pytest.raises(StubError, match=message) as caught:
        text_markers.make_stub(source, "wrong", ending)
    assert str(caught.value).startswith(f"wrong:{row}: ")
