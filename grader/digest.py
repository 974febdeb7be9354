"""What identifies the grader that came to a verdict: its own files, and the versions it computes with."""

import hashlib
from functools import cache
from pathlib import Path

import grader
from data_scripts import machine

# Parts of the grader that have no say in a verdict: to change them makes nobody be graded anew.
VERDICTLESS = ("classroom", "report", "handout")


def versions() -> dict[str, str]:
    """The versions that numbers depend on."""
    return machine.versions("torch", "numpy", "numba", "hypothesis")


@cache
def grader_digest() -> str:
    """SHA-256 over the grader's files that verdicts depend on, and the versions of what it computes with."""
    digest = hashlib.sha256()
    root = Path(grader.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in VERDICTLESS:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(repr(sorted(versions().items())).encode())
    return digest.hexdigest()
