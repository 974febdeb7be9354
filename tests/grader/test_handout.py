"""The hand-out: everything that students need, nothing of the solution, and never over somebody's work."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from grader import handout
from grader.handout import HandoutError
from grader.stubs import ROOT, make_stubs

LAYER = '''\
"""The layer."""

# solution-only
from reference.kernels import conv2d
# end solution-only


def layer(x, width):
    """Widen x."""
    # solution: hw3 deliverable 1: layer
    widened_by_the_kernel = conv2d(x, width)
    total = x + width
    z = total * 2 - widened
    return total
    # end solution
'''


TABLE = "Layer,#weights\n# solution-only\nConv,2432\n# end solution-only\n# student: Conv,\n"


@pytest.fixture
def repository(tmp_path):
    """The smallest repository that the assignments can be handed out from."""
    root = tmp_path / "repository"
    for name, text in {
        ".gitignore": ".venv/\n",
        "constraints.txt": "torch==2.10.0\n",
        "pyproject.toml": (ROOT / "pyproject.toml").read_text(),
        "data_scripts/__init__.py": "",
        "data_scripts/__pycache__/x.pyc": "",
        "data_scripts/measure_standin.py": "import reference.training\n",
        "grader/__init__.py": "",
        "grader/.hidden": "",
        "reference/hw3/deliverable1_2/mytorch.py": LAYER,
        "reference/eee7331/assignment1/question1/model.py": LAYER,
        "reference/eee7331/assignment1/question1/part_a.csv": TABLE,
        "reference/kernels/__init__.py": "def conv2d(x, width): ...\n",
        "tests/__init__.py": "",
        "tests/candidate.py": "",
        "tests/conftest.py": "",
        "tests/deliverable1/test_layer.py": "from grader import oracles\n",
        "tests/deliverable2/test_net.py": "",
        "tests/deliverable3/test_net.py": "",
        "tests/deliverable4/test_training.py": "",
        "tests/deliverable5/test_cam.py": "",
        "tests/deliverable6/test_net.py": "",
        "tests/eee7331/test_model.py": "",
        "tests/kernels/test_conv.py": "import reference.kernels\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_closed_list_is_handed_out_and_nothing_else(repository):
    assert list(handout.collect("hw3", repository)) == [
        ".gitignore",
        "Makefile",
        "README.md",
        "constraints.txt",
        "data_scripts/__init__.py",
        "deliverable1_2/mytorch.py",
        "grader/__init__.py",
        "pyproject.toml",
        "tests/__init__.py",
        "tests/candidate.py",
        "tests/conftest.py",
        "tests/deliverable1/test_layer.py",
        "tests/deliverable2/test_net.py",
        "tests/deliverable3/test_net.py",
        "tests/deliverable4/test_training.py",
        "tests/deliverable5/test_cam.py",
        "tests/deliverable6/test_net.py",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "import reference.kernels",
        "from reference.kernels import conv2d",
        "from reference import kernels",
        "def f():\n    import math, reference as r",
    ],
)
def test_a_file_that_imports_the_reference_is_not_handed_out(repository, line):
    (repository / "tests/deliverable1/test_layer.py").write_text(f"{line}\n")
    with pytest.raises(HandoutError, match=r"tests/deliverable1/test_layer\.py:\d: imports the reference"):
        handout.collect("hw3", repository)


@pytest.mark.parametrize(
    "leak",
    [
        "widened_by_the_kernel = conv2d(x, width)",
        "def f(x):\n        widened_by_the_kernel=conv2d(x,  width)  # as if it were another line",
        "total = x + width\nz = total * 2 - widened",
        "if x:\n    total = x + width\n\n    z = total * 2 - widened",
    ],
)
def test_a_file_that_holds_a_piece_of_the_solution_is_not_handed_out(repository, leak):
    (repository / "data_scripts/__init__.py").write_text(f"{leak}\n")
    with pytest.raises(HandoutError, match=r"data_scripts/__init__\.py:\d: has this of the solution in reference/hw3"):
        handout.collect("hw3", repository)


def test_a_short_line_that_any_program_has_is_no_leak(repository):
    (repository / "data_scripts/__init__.py").write_text("total = x + width\n")
    handout.collect("hw3", repository)


def test_a_file_that_cannot_be_parsed_is_not_handed_out(repository):
    (repository / "tests/deliverable1/test_layer.py").write_text("import reference.kernels as\n")
    with pytest.raises(HandoutError, match=r"test_layer\.py:1: cannot be checked"):
        handout.collect("hw3", repository)


@pytest.mark.parametrize("missing", ["constraints.txt", "tests/conftest.py", "tests/deliverable2/test_net.py"])
def test_a_missing_piece_is_an_error_that_names_it(repository, missing):
    (repository / missing).unlink()
    with pytest.raises(HandoutError, match=str(Path(missing).parts[-2] if "/" in missing else missing)):
        handout.collect("hw3", repository)


def test_an_assignment_without_markers_is_not_handed_out(repository):
    (repository / "reference/hw3/deliverable1_2/mytorch.py").write_text("x = 1\n")
    with pytest.raises(HandoutError, match="reference/hw3/: expected files with markers"):
        handout.collect("hw3", repository)


def test_the_handouts_project_file_is_the_repositorys_without_the_reference(repository):
    project = tomllib.loads(handout.collect("hw3", repository)["pyproject.toml"].decode())
    assert "reference" not in str(project["tool"]["setuptools"])
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dependencies"] == ours["project"]["dependencies"]
    assert project["tool"]["pytest"] == ours["tool"]["pytest"]


def test_a_project_file_that_changed_its_shape_is_noticed(repository):
    path = repository / "pyproject.toml"
    path.write_text(path.read_text().replace('"reference*", "grader*"', '"grader*", "reference*"'))
    with pytest.raises(HandoutError, match="include"):
        handout.collect("hw3", repository)


@pytest.mark.parametrize("assignment", handout.ASSIGNMENTS)
def test_no_placeholder_is_left_in_the_templates(repository, assignment):
    files = handout.collect(assignment, repository)
    for name in ("Makefile", "README.md"):
        assert assignment.encode() in files[name]
        assert not re.search(rb"@[a-z]+@", files[name])


def test_another_courses_handout_has_its_own_folder_tables_and_tests_only(repository):
    files = handout.collect("eee7331-a1", repository)
    assert [name for name in files if name.split("/")[0] in ("question1", "tests", "deliverable1_2")] == [
        "question1/model.py",
        "question1/part_a.csv",
        "tests/__init__.py",
        "tests/candidate.py",
        "tests/conftest.py",
        "tests/eee7331/test_model.py",
    ]
    assert files["question1/part_a.csv"].decode().endswith("Layer,#weights\nConv,\n")
    assert b"deliverable1" not in files["README.md"]


def test_a_cell_of_a_solutions_table_is_not_handed_out(repository):
    (repository / "tests/eee7331/test_model.py").write_text('"Conv,64/3x3/1/1,15x15x64,18496"\n')
    (repository / "reference/eee7331/assignment1/question1/part_a.csv").write_text(
        "# solution-only\n\"Conv,64/3x3/1/1,15x15x64,18496\"\n# end solution-only\n"
    )
    with pytest.raises(HandoutError, match=r"test_model\.py:1: has this of the solution in reference/eee7331/"):
        handout.collect("eee7331-a1", repository)


@pytest.mark.parametrize("target", ["test", "check"])
def test_the_makefile_does_its_own_set_up_first(repository, tmp_path, target):
    out = tmp_path / "out"
    assert handout.main(["hw3", "--out", str(out)], repository) == 0
    done = subprocess.run(["make", "--dry-run", target], cwd=out, capture_output=True, text=True, check=True)
    last = "-m pytest" if target == "test" else "grader hw3 ."
    steps = [done.stdout.index(step) for step in ("-m venv", "-m pip install", last)]
    assert steps == sorted(steps)


def test_an_empty_folder_is_filled(repository, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    assert handout.main(["hw3", "--out", str(out)], repository) == 0
    assert (out / "deliverable1_2/mytorch.py").read_text().count("raise NotImplementedError") == 1
    assert str(out) in capsys.readouterr().out


def test_somebodys_work_is_never_overwritten(repository, tmp_path, capsys):
    out = tmp_path / "out"
    handout.main(["hw3", "--out", str(out)], repository)
    (out / "deliverable1_2/mytorch.py").write_text("my work\n")
    assert handout.main(["hw3", "--out", str(out)], repository) == 1
    assert "new or empty folder" in capsys.readouterr().out
    assert (out / "deliverable1_2/mytorch.py").read_text() == "my work\n"


def test_a_refused_handout_leaves_nothing_behind(repository, tmp_path):
    (repository / "tests/deliverable1/test_layer.py").write_text("import reference\n")
    assert handout.main(["hw3", "--out", str(tmp_path / "out")], repository) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


def test_a_handout_that_fails_midway_leaves_nothing_behind(tmp_path):
    with pytest.raises(OSError):
        handout.write({"a": b"", "a/b": b""}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The hand-out of this repository."""
    out = tmp_path_factory.mktemp("handout") / "hw3"
    handout.write(handout.collect("hw3"), out)
    return out


def test_the_real_handout_holds_no_solution(real):
    """Found again by plain search, not by the check that made the hand-out."""
    texts = {path: path.read_text(errors="replace") for path in real.rglob("*") if path.is_file()}
    squeezed = {path: "".join(text.split()) for path, text in texts.items()}
    assert not [path for path in real.rglob("*") if path.name == "reference"]
    assert not [path for path, text in texts.items() if path.parent.name == "deliverable1_2" and "solution" in text]
    searched = 0
    for stub in make_stubs().values():
        for line in stub.withheld:
            needle = "".join(line.split("#")[0].split())
            # "torch.manual_seed(seed)" is in many programs; what a stub gives anyway is no secret.
            if len(needle) > 23 and needle not in "".join(stub.text.split()):
                searched += 1
                assert not [path for path, text in squeezed.items() if needle in text], line
    assert searched > 10


def test_the_real_handout_has_what_students_need(real):
    for name in ("deliverable1_2/mytorch.py", "deliverable1_2/train.py", "tests/deliverable1", "tests/deliverable2",
                 "data_scripts/fetch.py", "grader/__main__.py", "Makefile", "README.md", "constraints.txt"):
        assert (real / name).exists(), name
    assert "NotImplementedError" in (real / "deliverable1_2/mytorch.py").read_text()


def run_without_the_repository(folder: Path, script: str):
    """Run Python in the hand-out, where nobody has the reference."""
    script = f"import sys; sys.path.insert(0, ''); sys.modules['reference'] = None; {script}"
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120)


def test_the_grader_starts_in_the_real_handout(real):
    done = run_without_the_repository(real, "from grader.command_line import main; sys.exit(main(['hw3', '--list']))")
    assert done.returncode == 0, done.stderr
    assert "deliverable 1" in done.stdout


@pytest.mark.slow
def test_the_tests_of_the_real_handout_judge_its_own_stubs(real):
    arguments = "['tests/deliverable1', '-q', '-x', '-p', 'no:cacheprovider']"
    done = run_without_the_repository(real, f"import pytest; sys.exit(pytest.main({arguments}))")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "NotImplementedError: hw3 deliverable 1" in done.stdout
