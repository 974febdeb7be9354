"""Every face of a result that is a file: one module in this folder, one line in `FACES`.

The modules are imported when a face is written: most runs write two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from grader.result import Result

# Name → module, whose `write(result, path)` writes the face and returns the files written.
FACES = {
    "json": "json_file",
    "plots": "plots",
    "html": "html",
    "pdf": "pdf",
    "junit": "junit",
    "gradescope": "gradescope",
    "csv": "table",
    "autolab": "autolab",
}
# Written by every run, named after the result's JSON.
ALWAYS = ("json", "plots")


def write_files(result: Result, path: Path) -> list[Path]:
    """Write the faces that every run has.

    Args:
        result: what a grading run ended in.
        path: where its JSON goes; the other faces lie beside it.

    Returns:
        The files written, the JSON first.

    Raises:
        OSError: a file cannot be written.
    """
    return [written for name in ALWAYS for written in _write(name, result, path)]


def write_faces(result: Result, paths: Mapping[str, Path]) -> list[Path]:
    """Write the faces that were asked for.

    Args:
        result: what a grading run ended in.
        paths: name of the face, one of `FACES` → the file to write.

    Returns:
        The files written.

    Raises:
        OSError: a file cannot be written.
    """
    return [written for name, path in paths.items() for written in _write(name, result, path)]


def report(folder: Path) -> dict[str, Path]:
    """The faces of a report, and their places in a folder."""
    return {name: Path(folder, f"report.{name}") for name in ("html", "pdf")}


def _write(name: str, result: Result, path: Path) -> list[Path]:
    return import_module(f"grader.report.{FACES[name]}").write(result, Path(path))
