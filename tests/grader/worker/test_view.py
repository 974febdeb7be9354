"""What of a submission's folder gets to a session, and what is left behind by one."""

import os
from pathlib import Path

import pytest

from grader.worker import Code, residue, view
from grader.worker.view import lay_out


@pytest.fixture
def student(tmp_path: Path) -> Path:
    folder = tmp_path / "alice" / "deliverable1_2"
    folder.mkdir(parents=True)
    (folder / "mytorch.py").write_text("x = 1")
    return folder


@pytest.fixture
def copied(tmp_path: Path):
    """Lays code out, and gives the names in the copy."""

    def copied(code: Code) -> tuple[dict[str, str], dict[str, str], set[str]]:
        place = tmp_path / "copy"
        place.mkdir()
        files, packages = lay_out(code, place)
        return files, packages, {str(path.relative_to(place / "0")) for path in place.rglob("*") if path.is_file()}

    return copied


def test_python_files_are_copied_and_nothing_else(student: Path, copied):
    for name in ("answers.npz", "weights.pt", ".hidden.txt", "x.so", "x.pyc"):
        (student / name).write_text("x")
    (student / "parts").mkdir()
    (student / "parts" / "layers.py").write_text("")
    for hidden in ("__pycache__", ".venv", "node_modules"):
        (student / hidden).mkdir()
        (student / hidden / "y.py").write_text("")
    files, _, names = copied(Code({"mytorch": student / "mytorch.py"}))
    assert names == {"mytorch.py", "parts/layers.py"}
    assert Path(files["mytorch"]).read_text() == "x = 1"


def test_links_and_pipes_stay_outside(student: Path, copied, tmp_path: Path):
    (tmp_path / "secret.py").write_text("secret")
    (student / "link.py").symlink_to(tmp_path / "secret.py")
    (student / "folder").symlink_to(tmp_path)
    os.mkfifo(student / "pipe.py")
    _, _, names = copied(Code({"mytorch": student / "mytorch.py"}))
    assert names == {"mytorch.py"}


def test_a_file_larger_than_a_source_stays_outside(student: Path, copied):
    (student / "large.py").write_bytes(b"#" * (view.LARGEST_SOURCE + 1))
    assert copied(Code({"mytorch": student / "mytorch.py"}))[2] == {"mytorch.py"}


def test_a_file_of_a_package_is_found_in_the_packages_copy(student: Path, copied):
    code = Code({"mytorch": student / "mytorch.py"}, packages={"alice": student.parent})
    files, packages, names = copied(code)
    assert names == {"deliverable1_2/mytorch.py"}
    assert files["mytorch"] == f"{packages['alice']}/deliverable1_2/mytorch.py"


def test_the_copy_is_as_old_as_the_original(student: Path, copied):
    # numba before 0.68 tells versions of a source by its time.
    os.utime(student / "mytorch.py", ns=(10**18, 10**18))
    files, _, _ = copied(Code({"mytorch": student / "mytorch.py"}))
    assert os.stat(files["mytorch"]).st_mtime_ns == 10**18


def test_more_files_than_anybody_writes_are_not_copied(student: Path, copied, monkeypatch):
    monkeypatch.setattr(view, "MOST_FILES", 5)
    for number in range(20):
        (student / f"n{number}.py").write_text("")
    assert len(copied(Code({"mytorch": student / "mytorch.py"}))[2]) <= 6


def test_files_are_counted_up_to_a_limit(tmp_path: Path):
    for number in range(30):
        (tmp_path / str(number)).write_bytes(bytes(5000))
    assert residue.count(tmp_path, most=1000)[0] == 30
    assert residue.count(tmp_path, most=1000)[1] >= 30 * 5000
    assert residue.count(tmp_path, most=10)[0] == 11


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_what_a_user_has_left_where_all_may_write_is_removed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(residue, "OPEN_TO_ALL", (str(tmp_path),))
    (tmp_path / "folder").mkdir()
    for name in ("file", "folder/inside", "mine"):
        (tmp_path / name).write_text("")
    for name in ("file", "folder", "folder/inside"):
        os.chown(tmp_path / name, 62_123, 62_123)
    residue.remove_all_of(62_123)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
