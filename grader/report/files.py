"""Every face of a result that is a file: one module in this folder, one line in `FACES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from grader.report import json_file, plots
from grader.result import Result

# (result, path of the result's JSON) -> the files written, beside that one and named after it.
Face = Callable[[Result, Path], list[Path]]

FACES: dict[str, Face] = {
    "json": json_file.write,
    "plots": plots.write,
}


def write_files(result: Result, path: Path) -> list[Path]:
    """Write every face of a result.

    Args:
        result: what a grading run ended in.
        path: where its JSON goes; the other faces lie beside it.

    Returns:
        The files written, the JSON first.

    Raises:
        OSError: a file cannot be written.
    """
    return [written for write in FACES.values() for written in write(result, Path(path))]
