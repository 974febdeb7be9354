"""A result as JSON: the file that every later report, regrade and comparison reads."""

from __future__ import annotations

from pathlib import Path

import msgspec

from data_scripts import atomic
from grader.result import SCHEMA, Result

LARGEST = 16 << 20  # bytes; a report's pictures are a few dozen small ones


class ResultFileError(ValueError):
    """A file that holds no result of this version; the message names it and what was found."""


def write(result: Result, path: Path) -> list[Path]:
    """Write a result, whole or not at all.

    Numbers that are not finite (the loss of a training that diverged) become null in JSON.

    Args:
        result: what a grading run ended in.
        path: the file to write.

    Returns:
        The file written.

    Raises:
        OSError: it cannot be written.
    """
    content = msgspec.json.format(msgspec.json.encode(result), indent=2)
    atomic.write(Path(path), content + b"\n")
    return [Path(path)]


def read(path: Path) -> Result:
    """Read a result back, strictly: an unknown or missing field is an error.

    Args:
        path: a file that `write` made.

    Returns:
        The result; null in a training's numbers is read as NaN.

    Raises:
        ResultFileError: the file is no JSON, no result, or one of another version.
        OSError: it cannot be read.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ResultFileError(f"{path}: expected the file of a result, found something else")
    with open(path, "rb") as file:
        read = file.read(LARGEST + 1)
    if len(read) > LARGEST:
        raise ResultFileError(f"{path}: expected a result of at most {LARGEST >> 20} MB, found more")
    try:
        content = msgspec.json.decode(read)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultFileError(f"{path}: expected a result as JSON, found none: {error}") from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        found = "a file without a schema" if schema is None else f"the schema {str(schema)[:80]!r}"
        raise ResultFileError(
            f"{path}: expected the schema {SCHEMA!r}, found {found}; "
            "grade again with this version: python -m grader ASSIGNMENT SUBMISSION --json FILE"
        )
    try:
        return msgspec.convert(_with_nan(content), Result)
    except msgspec.ValidationError as error:
        raise ResultFileError(
            f"{path}: says it is {SCHEMA!r}, but is not: {error}; grade again"
        ) from error


def _with_nan(content: dict) -> dict:
    """The content with NaN where `write` had to say null."""
    # The shape is not checked yet, so a wrong one is left for the strict conversion to name.
    deliverables = content.get("deliverables")
    for deliverable in deliverables if isinstance(deliverables, list) else []:
        training = deliverable.get("training") if isinstance(deliverable, dict) else None
        epochs = training.get("epochs") if isinstance(training, dict) else None
        for epoch in epochs if isinstance(epochs, list) else []:
            if isinstance(epoch, dict):
                lost = [name for name, value in epoch.items() if value is None and name != "epoch"]
                epoch.update(dict.fromkeys(lost, float("nan")))
    return content
