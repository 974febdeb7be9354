"""What a session can import, and what it cannot."""

import importlib.util
import os
import py_compile
from pathlib import Path

import pytest

from grader.worker import Code
from grader.worker import messages as m

from .conftest import call

PROBE = """
    import importlib
    def reach(name):
        importlib.import_module(name)
        return "reached"
"""


@pytest.mark.parametrize("name", ["grader", "grader.worker", "reference", "tests", "student", "data_scripts"])
def test_nothing_of_this_project_can_be_imported(open_session, name: str):
    with open_session(PROBE) as session:
        raised = call(session, "reach", name).message
    assert raised.type == "ModuleNotFoundError"


@pytest.mark.parametrize("name", ["_chalkbench.sources", "_chalkbench.worker", "_chalkbench.session"])
def test_the_graders_side_of_the_worker_is_not_there(open_session, name: str):
    with open_session(PROBE) as session:
        assert call(session, "reach", name).message.type == "ModuleNotFoundError"


def test_an_installed_copy_of_this_project_is_withheld(write, worker, tmp_path: Path):
    (tmp_path / "site" / "reference").mkdir(parents=True)
    (tmp_path / "site" / "reference" / "__init__.py").write_text("")
    source = "import sys\ndef add(folder): sys.path.append(folder)"
    with worker.session(write(mytorch=PROBE, other=source)) as session:
        session.request(m.Call("other", "add", [m.Plain(str(tmp_path / "site"))]), wall=20)
        assert call(session, "reach", "reference").message.type == "ModuleNotFoundError"


def test_the_environment_is_empty_of_the_graders(open_session, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "labels")
    with open_session("import os\ndef f(): return ' '.join(os.environ)") as session:
        names = call(session, "f").message.outputs[0].detail
    assert "SECRET" not in names and "PYTHON" not in names and "PATH" not in names.split()


def test_the_working_folder_is_the_sessions_own_and_goes_with_it(open_session):
    source = """
    import os
    def f():
        open("x", "w").close()
        return f"{os.path.realpath('x')}|{os.environ['TMPDIR']}|{os.listdir()}"
    """
    with open_session(source) as session:
        file, temporary, listed = call(session, "f").message.outputs[0].detail.strip('"').split("|")
    assert Path(temporary) == Path(file).parent and "'x'" in listed
    assert not Path(temporary).parent.exists()


def test_modules_of_two_authors_work_together(worker, tmp_path: Path):
    for author, factor in (("one", 2), ("two", 3)):
        (tmp_path / author).mkdir()
        (tmp_path / author / "mytorch.py").write_text(f"FACTOR = {factor}")
        (tmp_path / author / "train.py").write_text("from mytorch import FACTOR\ndef f(): return FACTOR")
    files = {"mytorch": tmp_path / "two" / "mytorch.py", "train": tmp_path / "one" / "train.py"}
    with worker.session(Code(files)) as session:
        assert session.request(m.Call("train", "f"), wall=20).message.outputs[0].detail == "3"


def test_files_beside_a_module_can_be_imported(write, worker):
    submission = write(mytorch="from helper import x\ndef f(): return x", helper="x = 5")
    with worker.session(Code({"mytorch": submission.files["mytorch"]})) as session:
        assert call(session, "f").message.outputs[0].detail == "5"


def test_a_package_is_importable_for_the_submission_it_belongs_to_only(worker, tmp_path: Path):
    package = tmp_path / "reference"
    (package / "kernels").mkdir(parents=True)
    (package / "kernels" / "__init__.py").write_text("from .naive import x")
    (package / "kernels" / "naive.py").write_text("x = 7")
    (tmp_path / "mytorch.py").write_text("from reference.kernels import x\ndef f(): return x")
    files = {"mytorch": tmp_path / "mytorch.py"}
    with worker.session(Code(files, packages={"reference": package})) as session:
        assert call(session, "f").message.outputs[0].detail == "7"
    with worker.session(Code(files)) as session:
        assert call(session, "f").message.type == "ModuleNotFoundError"


def test_compiled_files_beside_the_source_are_neither_read_nor_written(write, worker, tmp_path: Path):
    submission = write(mytorch="from helper import x\ndef f(): return x", helper="x = 1  ")
    helper = submission.files["helper"]
    hidden = tmp_path / "hidden.py"
    hidden.write_text("x = 2  ")  # as long and as old as the honest source: Python would run it
    stat = helper.stat()
    os.utime(hidden, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    cached = importlib.util.cache_from_source(str(helper))
    py_compile.compile(str(hidden), cached, dfile=str(helper))
    before = sorted(path.name for path in helper.parent.rglob("*"))
    with worker.session(Code({"mytorch": submission.files["mytorch"]})) as session:
        assert call(session, "f").message.outputs[0].detail == "1"
    assert sorted(path.name for path in helper.parent.rglob("*")) == before


def test_a_file_named_like_torch_does_not_replace_it(write, worker):
    submission = write(mytorch="import torch\ndef f(): return torch.ones(2)", torch="raise SystemExit")
    with worker.session(Code({"mytorch": submission.files["mytorch"]})) as session:
        assert call(session, "f").arrays[0].tolist() == [1, 1]


@pytest.mark.parametrize("keeps", [True, False], ids=["trusted", "stranger"])
def test_sessions_share_nothing_but_the_jit_cache_of_trusted_code(worker, tmp_path: Path, keeps: bool):
    cache = tmp_path / "cache"
    cache.mkdir()
    (tmp_path / "mytorch.py").write_text(
        "import os, torch\nfrom numba import njit\n"
        "@njit(cache=True)\ndef twice(x): return 2 * x\n"
        "def f(): torch.marker = getattr(torch, 'marker', 0) + 1; return twice(torch.marker)\n"
    )
    submission = Code({"mytorch": tmp_path / "mytorch.py"}, jit_cache=cache, keeps_jit_cache=keeps)
    for _ in range(2):
        with worker.session(submission) as session:
            assert call(session, "f", wall=60).message.outputs[0].detail == "2"
    assert bool(list(cache.rglob("*.nbi"))) == keeps
    assert not (tmp_path / "__pycache__").exists()
