"""Results that a run would only repeat: kept under a digest of everything that they rest on.

A verified checkpoint takes a minute, and the same files, data, seed and versions give the same
verdicts. Whoever can write to the user's cache folder can forge what is kept there, so it is as safe
as the tier of isolation that submissions run in; `--fresh` does without it.
"""

import hashlib
import json
from pathlib import Path

import msgspec
import platformdirs

from data_scripts import atomic
from grader.digest import grader_digest
from grader.result import DeliverableResult

KEPT = 2_000  # results of some 10 KB; two classes' worth
REPEATABLE = ("pass", "fail", "invalid")  # what a busy machine or a lost worker has no part in


def key(**rests_on: object) -> str:
    """The digest of what a result rests on, with that of the grader itself."""
    text = json.dumps(rests_on | {"grader": grader_digest()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def restore(key: str) -> DeliverableResult | None:
    """What is kept under a key, or None; a damaged file counts as nothing."""
    try:
        return msgspec.json.decode((_place() / f"{key}.json").read_bytes(), type=DeliverableResult)
    except (OSError, msgspec.MsgspecError):
        return None


def keep(key: str, result: DeliverableResult) -> None:
    """Keep a result, unless it may come out otherwise the next time."""
    if not all(check.verdict in REPEATABLE for check in result.checks):
        return
    try:
        atomic.write(_place() / f"{key}.json", msgspec.json.encode(result))
        kept = sorted(_place().glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[KEPT:]:
            path.unlink(missing_ok=True)
    except OSError:
        # A full or read-only home costs the next run its time, not this run its grade.
        return


def _place() -> Path:
    return Path(platformdirs.user_cache_dir("chalkbench"), "results")
