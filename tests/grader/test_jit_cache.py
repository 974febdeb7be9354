"""Compiled kernels of the reference: kept by digest, handed out as copies."""

import pytest

from grader import jit_cache


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "jit"
    monkeypatch.setattr(jit_cache, "_place", lambda: folder)
    return folder


def compiled(folder, **files: str):
    """A folder as numba leaves it: an index and machine code per function."""
    (folder / "kernels_ab12").mkdir(parents=True)
    for name, text in files.items():
        (folder / "kernels_ab12" / f"{name}.nbi").write_text(text)
    return folder


def names(folder) -> set[str]:
    return {path.name for path in folder.rglob("*.nbi")}


def test_what_one_run_compiled_the_next_one_gets(tmp_path):
    jit_cache.keep("d1", compiled(tmp_path / "run", forward="x"))
    jit_cache.restore("d1", tmp_path / "next")
    assert names(tmp_path / "next") == {"forward.nbi"}


def test_another_digest_gets_nothing_but_a_folder(tmp_path):
    jit_cache.keep("d1", compiled(tmp_path / "run", forward="x"))
    jit_cache.restore("d2", tmp_path / "next")
    assert (tmp_path / "next").is_dir()
    assert names(tmp_path / "next") == set()


def test_a_copy_that_a_session_spoils_is_not_the_kept_one(tmp_path):
    jit_cache.keep("d1", compiled(tmp_path / "run", forward="good"))
    jit_cache.restore("d1", tmp_path / "session")
    (tmp_path / "session/kernels_ab12/forward.nbi").write_text("poisoned")
    jit_cache.restore("d1", tmp_path / "next")
    assert (tmp_path / "next/kernels_ab12/forward.nbi").read_text() == "good"


def test_a_run_that_compiled_more_replaces_what_was_kept(tmp_path):
    jit_cache.keep("d1", compiled(tmp_path / "run", forward="x"))
    jit_cache.keep("d1", compiled(tmp_path / "more", forward="x", backward="y"))
    jit_cache.restore("d1", tmp_path / "next")
    assert names(tmp_path / "next") == {"forward.nbi", "backward.nbi"}


def test_a_run_that_compiled_nothing_keeps_nothing(tmp_path, place):
    (tmp_path / "run").mkdir()
    jit_cache.keep("d1", tmp_path / "run")
    assert not place.exists()


def test_only_the_newest_versions_stay(tmp_path, place):
    for number in range(jit_cache.KEPT + 3):
        jit_cache.keep(f"d{number}", compiled(tmp_path / f"run{number}", forward="x"))
    assert len(list(place.iterdir())) <= jit_cache.KEPT
    assert (place / f"d{jit_cache.KEPT + 2}").is_dir()


def test_a_place_that_cannot_be_written_costs_no_grade(tmp_path, place):
    place.parent.write_text("a file where a folder is wanted")
    jit_cache.keep("d1", compiled(tmp_path / "run", forward="x"))
