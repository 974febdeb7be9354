"""What identifies the grader that came to a verdict: its own files, and the versions it computes with."""

import hashlib
from functools import cache
from pathlib import Path

import grader
from data_scripts import machine

# Parts of the grader that have no say in a verdict: to change them makes nobody be graded anew.
VERDICTLESS = ("classroom", "export", "report", "regrade", "handout", "selfcheck", "watch")


def versions() -> dict[str, str]:
    """The versions that numbers depend on."""
    return machine.versions("torch", "numpy", "numba", "hypothesis")


@cache
def grader_parts() -> dict[str, str]:
    """SHA-256 over the grader's files that verdicts depend on: folder or file below grader/ → digest."""
    root = Path(grader.__file__).parent
    digests = {}
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if inside.parts[0] not in VERDICTLESS:
            digest = digests.setdefault(inside.parts[0], hashlib.sha256())
            digest.update(inside.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {part: digest.hexdigest() for part, digest in digests.items()}


@cache
def grader_digest() -> str:
    """SHA-256 over all of these files, and the versions of what the grader computes with."""
    rests_on = repr([sorted(grader_parts().items()), sorted(versions().items())])
    return hashlib.sha256(rests_on.encode()).hexdigest()
