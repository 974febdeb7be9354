"""Compiled kernels of the reference, kept between runs and out of every submission's reach.

numba compiles for seconds and keeps the machine code in a folder, from which it loads code
without checking who wrote it. So a worker only ever gets a copy, in its own scratch folder,
and only a run of nothing but the reference hands its copy back. The folder is named by the
digest of the reference's files; another version compiles anew.
"""

import os
import shutil
import tempfile
from pathlib import Path

import platformdirs

KEPT = 4  # versions of the reference; an instructor who edits it makes many


def _place() -> Path:
    return Path(platformdirs.user_cache_dir("chalkbench"), "jit")


def restore(digest: str, folder: Path) -> None:
    """Copy what is kept for `digest` into `folder`, which is made; nothing kept is no error."""
    kept = _place() / digest
    if kept.is_dir():
        shutil.copytree(kept, folder, dirs_exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def keep(digest: str, folder: Path) -> None:
    """Keep `folder` for `digest`, unless something is kept already or nothing was compiled."""
    place = _place()
    if not any(folder.rglob("*.nbi")) or _same_files(place / digest, folder):
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix="staged-", dir=place))
        shutil.copytree(folder, staged, dirs_exist_ok=True)
        old = place / digest
        if old.exists():
            # Renamed away first: a rename onto a folder that is not empty fails.
            os.replace(old, staged.with_name(staged.name + "-old"))
        os.replace(staged, old)
        versions = sorted(place.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in versions[KEPT:]:
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        # A full or read-only home costs the next run its compile time, not this run its grade.
        return


def _same_files(one: Path, other: Path) -> bool:
    def names(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*.nb*")}

    return one.is_dir() and names(one) == names(other)
