"""What a run rests on, taken down so that it can be repeated and compared with another one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from grader.bench import LARGEST_WEIGHTS
from grader.declaration import Deliverable
from grader.digest import grader_parts
from grader.result import Conditions
from grader.submission import Submission, printable

if TYPE_CHECKING:
    from grader.runner import Options


def conditions(options: Options, *, files: dict[str, str], stand_ins: dict[str, str], models: str) -> Conditions:
    """The conditions of a run in this process.

    Args:
        options: how to grade.
        files: path in the submission → SHA-256.
        stand_ins: label of a swap, "deliverable1=reference" → digest of the files that stood in.
        models: digest of the models that were attacked, "" if none were.
    """
    training = options.whole_training
    return Conditions(
        deliverables=list(options.deliverables),
        swaps={str(number): folder for number, folder in options.swaps.items()},
        data=options.data,
        epochs=options.epochs,
        train=training.epochs if training else None,
        minutes=training.minutes if training else None,
        threads=torch.get_num_threads(),
        files=files,
        stand_ins=stand_ins,
        models=models,
        grader=dict(grader_parts()),
    )


def beside_code(submission: Submission, deliverables: Iterable[Deliverable]) -> dict[str, str]:
    """The trained networks and documents that were handed in: path in the submission → `file_digest`."""
    paths: list[Path] = []
    for deliverable in deliverables:
        if deliverable.weights:
            paths += submission.weights(deliverable.folder, deliverable.weights)
        documents = [submission.document(deliverable.folder, name) for name in deliverable.documents]
        paths += [path for path in documents if path is not None]
    return {printable(path.relative_to(submission.root)): file_digest(path) for path in paths}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, or why there is none: its own check refuses what is too large or cannot be read."""
    try:
        if (size := path.stat().st_size) > LARGEST_WEIGHTS:
            return f"{size} bytes, not read"
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
