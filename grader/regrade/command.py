"""`python -m grader diff OLD NEW` and `python -m grader repeat RESULT`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from data_scripts import DataError
from grader.assignments import ASSIGNMENTS
from grader.classroom.intake import unpack
from grader.classroom.members import Unreadable, is_archive
from grader.isolation_choice import check_isolation
from grader.progress import Progress
from grader.regrade.causes import Cause
from grader.regrade.difference import Difference, compare
from grader.regrade.repeat import Place, not_the_same, options_of
from grader.regrade.table import as_json, described, render
from grader.report import json_file
from grader.report.command import check_writable
from grader.report.text import clean
from grader.result import Result
from grader.runner import Options, grade, limits_for
from grader.submission import SubmissionError
from grader.worker import IsolationError, Worker
from grader.worker.isolation import TIERS

SHOWN = 20  # differences that a refusal lists

DIFF = """\
Compare two results of one assignment: which checks changed, and what may be the reason: the submission's
files, the grader's, the data, versions, the seed, options, the machine. Nothing is graded.

The exit status is 0 if all verdicts and points are the same, 1 if one is not, and 2 if a file cannot be
read as a result."""

REPEAT = """\
Grade a submission again as a result says it was graded, with the same options and the same seed, and
compare. It is refused where the submission's files, the grader, the data or a version are not those of
the result, and the refusal names them; --anyway grades all the same.

The seed of a result is no secret any more. A repetition explains a grade, or shows that it is steady; for
a new grade, grade with a fresh seed.

The exit status is 0 if all verdicts and points are the same, 1 if one is not, and 2 if nothing was graded."""


def diff(argv: list[str]) -> int:
    """Compare two results.

    Args:
        argv: the arguments after "diff".

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m grader diff", description=DIFF, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a result.json")
    parser.add_argument("new", type=Path, metavar="NEW", help="a later one")
    parser.add_argument("--json", action="store_true", help="print the difference as JSON, with all checks")
    arguments = parser.parse_args(argv)
    try:
        difference = compare(json_file.read(arguments.old), json_file.read(arguments.new))
    except (OSError, ValueError) as error:
        return _refused("nothing was compared", error)
    return _told(difference, as_text=not arguments.json)


def repeat(argv: list[str]) -> int:
    """Repeat the run that a result came from.

    Args:
        argv: the arguments after "repeat".

    Returns:
        The exit status.
    """
    arguments = _repeat_parser().parse_args(argv)
    try:
        old = json_file.read(arguments.result)
        if arguments.out:
            check_writable("--out", arguments.out)
        with _folder(arguments.submission or old.submission) as folder:
            place = Place(folder, arguments.data_root, tuple(arguments.mirrors), arguments.isolation)
            options = options_of(old, place)
            differing = not_the_same(old, options, place)
            if differing and not arguments.anyway:
                return _refused("nothing was graded", _listing(differing))
            check_isolation(arguments.isolation, required=arguments.require_isolation)
            new = _grade(old, options, folder)
    except KeyboardInterrupt:
        return _refused("interrupted", "start it again", status=130)
    except (OSError, ValueError, SubmissionError, Unreadable, DataError, IsolationError) as error:
        return _refused("nothing was graded", error)
    if arguments.out:
        json_file.write(new, arguments.out)
    return _told(compare(old, new), as_text=not arguments.json)


def _grade(old: Result, options: Options, folder: str) -> Result:
    """With as many threads as then, where the machine has them: sums are rounded in another order with others."""
    threads = max(1, min(old.conditions.threads, os.cpu_count() or 1))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with (
            Worker(threads=threads, limits=limits_for(options, threads), isolation=options.isolation) as worker,
            Progress(Console(stderr=True)) as progress,
        ):
            return grade(ASSIGNMENTS[old.assignment], folder, options, worker, progress)
    finally:
        torch.set_num_threads(before)


@contextmanager
def _folder(given: str):
    """The submission's folder; an archive is unpacked for the time being, as a class's are."""
    if not is_archive(Path(given)):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="chalkbench-repeat-", ignore_cleanup_errors=True) as place:
        folder = Path(place, "submission")
        folder.mkdir()
        unpack(Path(given), folder)
        yield str(folder)


def _listing(differing: list[Cause]) -> str:
    lines = [f"  {cause.kind}: {described(cause).plain}" for cause in differing[:SHOWN]]
    if len(differing) > SHOWN:
        lines.append(f"  … and {len(differing) - SHOWN:,} more")
    return "\n".join(["this would be no repetition, since these are not the same:", *lines, "--anyway grades it"])


def _told(difference: Difference, *, as_text: bool) -> int:
    if as_text:
        render(difference, Console())
    else:
        sys.stdout.write(as_json(difference) + "\n")
    return 1 if difference.changed else 0


def _refused(what: str, why: object, status: int = 2) -> int:
    told = Text(f"{what}: ", style="bold red").append(clean(str(why)), style="default")
    Console(stderr=True).print(told, soft_wrap=True)
    return status


def _repeat_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grader repeat", description=REPEAT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("result", type=Path, metavar="RESULT", help="a result.json")
    add("--submission", metavar="FOLDER",
        help="where the submission is, a folder or an archive (default: the folder that the result names)")  # fmt: skip
    add("--anyway", action="store_true", help="grade also where files, data or versions are not the same")
    add("--out", type=Path, metavar="FILE", help="write the new result too")
    add("--json", action="store_true", help="print the difference as JSON, with all checks")
    add("--data-root", type=Path, metavar="DIR",
        help="where the data sets lie (default: $CHALKBENCH_DATA, then ./data)")  # fmt: skip
    add("--from", dest="mirrors", type=Path, action="append", default=[], metavar="DIR",
        help="a folder with copies of the data sets, used before any download")  # fmt: skip
    add("--isolation", choices=("auto", *TIERS), default="auto",
        help="what stands around submitted code (default: auto, the strongest that holds here)")  # fmt: skip
    add("--require-isolation", action="store_true",
        help="refuse to grade where submitted code would run without a sandbox around it")  # fmt: skip
    return parser
