"""The options of `python -m grader ASSIGNMENT --submissions …`, and what it prints."""

import argparse
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from data_scripts import DataError
from grader.classroom.cluster import ClusterError
from grader.classroom.session import ClassError, Setup, grade_class
from grader.classroom.store import StoreError
from grader.declaration import Assignment, Budget
from grader.report.text import clean
from grader.runner import Options
from grader.submission import SubmissionError
from grader.worker.isolation import choose

SHOWN = 10  # names of what was passed over


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only mean something for a class."""
    add = parser.add_argument_group("a class at once").add_argument
    add("--submissions", type=Path, metavar="DIR|ZIP",
        help="grade every submission in a folder, zip or tar, as Gradescope, Canvas or Moodle export it, or "
        "with a folder or archive per student; start it again to go on where it was stopped")  # fmt: skip
    add("--out", type=Path, metavar="DIR",
        help="where a class's results are kept (default: results/ASSIGNMENT/class-NAME)")  # fmt: skip
    add("--jobs", type=_positive, metavar="N",
        help="submissions side by side (default: as many as cores and memory allow)")  # fmt: skip
    add("--scheduler", metavar="tcp://HOST:PORT", help="grade on a Dask cluster; see docs/scaling.md")
    add("--audit", type=_share, default=0.0, metavar="5%",
        help="train the networks of a random share of the verified checkpoints anew, and compare")  # fmt: skip
    add("--audit-epochs", type=_positive, metavar="N",
        help="epochs of such a training (default: as many as the assignment asks for; fewer earn less, but show in "
        "minutes that the code trains)")  # fmt: skip
    add("--no-pages", action="store_true",
        help="write no class.html and no page for each student; where networks were trained, a page with its curves "
        "takes most of a second")  # fmt: skip


def run(assignment: Assignment, options: Options, arguments: argparse.Namespace) -> int:
    """Grade a class; returns the exit status.

    0: everybody has points; 1: somebody has none, and the gradebook says why; 2: nothing could be
    graded; 130: stopped, to be started again.
    """
    given: Path = arguments.submissions
    if arguments.require_isolation:
        # What holds here is asked of every machine of a cluster; one without it grades nobody.
        options = replace(options, isolation=choose(options.isolation).tier)
    name = given.resolve().name.removesuffix("".join(given.suffixes[-2:]))
    setup = Setup(
        given=given,
        folder=arguments.out or Path("results", assignment.name, f"class-{name or given.resolve().name}"),
        at_once=arguments.jobs,
        scheduler=arguments.scheduler,
        audit=arguments.audit,
        audit_training=Budget(arguments.audit_epochs or assignment.training_epochs, arguments.minutes),
        pages=not arguments.no_pages,
    )
    console, errors = Console(), Console(stderr=True)
    try:
        if arguments.audit and arguments.train:
            raise ClassError("--audit trains some networks anew, and --train every one: leave out one of them")
        with _stopped_by_sigterm():
            graded = grade_class(assignment, options, setup, errors)
    except KeyboardInterrupt:
        errors.print("stopped: what was graded is kept; the same command goes on with the rest", style="bold red")
        return 130
    except (ClassError, ClusterError, StoreError, SubmissionError, DataError) as error:
        errors.print(Text("nothing was graded: ", "bold red").append(clean(str(error)), "default"), soft_wrap=True)
        return 2
    if graded.passed_over:
        more = f" and {len(graded.passed_over) - SHOWN} more" if len(graded.passed_over) > SHOWN else ""
        listed = clean(", ".join(graded.passed_over[:SHOWN])).replace("\n", " ")
        console.print(Text(f"nobody's, passed over: {listed}{more}"), soft_wrap=True)
    counts = graded.counts
    total = Text(f"{counts['graded']} graded, {counts['refused']} refused, {counts['failed']} not graded")
    total.stylize("bold green" if graded.everybody else "bold yellow")
    console.print(total)
    if counts["failed"]:
        console.print("not graded is no fault of the submission: start it again, and these are tried once more")
    for path in graded.written:
        console.print(f"written: {path}", highlight=False, soft_wrap=True)
    return 0 if graded.everybody else 1


@contextmanager
def _stopped_by_sigterm():
    """A batch system ends a job by SIGTERM: to be treated as Ctrl-C is."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number, at least 1, found {text!r}")
    return int(text)


def _share(text: str) -> float:
    """`5%` or `0.05` → 0.05."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share such as 5% or 0.05, found {text!r}")
    return share
