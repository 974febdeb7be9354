"""`python -m grader selfcheck ASSIGNMENT`: the grader is graded."""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from data_scripts import DataError, machine
from grader.assignments import ASSIGNMENTS
from grader.declaration import Assignment
from grader.digest import versions
from grader.progress import Progress
from grader.report.command import check_writable
from grader.runner import Options
from grader.selfcheck.catalogue import CATALOGUES
from grader.selfcheck.findings import RIGHT, Finding
from grader.selfcheck.mechanical import DETERMINED, MissingLibrary, sample
from grader.selfcheck.mutant import Base, Mutant
from grader.selfcheck.report import Report, render, write
from grader.selfcheck.runner import examine_all
from grader.selfcheck.whole import reference, runs, stubs, unsteady
from grader.submission import SubmissionError
from grader.worker import IsolationError
from grader.worker.isolation import TIERS

DESCRIPTION = """\
Grade the grader. The reference must earn every point and the stubs none; of a catalogue of correct
submissions with a single fault each, every one must lose the checks that name its fault, and no other.
Mechanical faults, a sample of what operators make of a correct submission, must lose one at least.

  missed        it keeps all points
  wrong check   it keeps a check that it must lose, or loses another one
  wrong hint    a hint names another fault, or the one that is known is not given
  equivalent    a mechanical change that is no fault; grader/selfcheck/equivalent.py says why

With --seeds N the reference alone is graded N times, each time with another secret seed, and every check
whose verdict is not always the same is reported.

The exit status is 0 if nothing is missed or wrong and no verdict differs, 1 if something is, and 2 if
nothing could be graded."""


def main(argv: list[str]) -> int:
    """Grade the grader.

    Args:
        argv: the arguments after "selfcheck".

    Returns:
        The exit status.
    """
    arguments = _parser().parse_args(argv)
    console = Console(stderr=True)
    try:
        if arguments.json:
            check_writable("--json", arguments.json)
        report = _checked(arguments, console)
    except KeyboardInterrupt:
        return _refused(console, "interrupted", "nothing was written; start it again", status=130)
    except (OSError, ValueError, SubmissionError, DataError, IsolationError) as error:
        return _refused(console, "nothing was checked", str(error))
    render(report, Console())
    if arguments.json:
        write(report, arguments.json)
        Console().print(f"written: {arguments.json}", highlight=False, soft_wrap=True)
    return 0 if report.right else 1


def _checked(arguments: argparse.Namespace, console: Console) -> Report:
    assignment = ASSIGNMENTS[arguments.assignment]
    numbers = _numbers(arguments.deliverables, assignment)
    options = Options(
        numbers,
        fresh=True,
        data=arguments.data,
        data_root=arguments.data_root,
        mirrors=tuple(arguments.mirrors),
        isolation=arguments.isolation,
    )
    began, started = time.monotonic(), datetime.now(UTC)
    parts = {}
    with Progress(console) as progress:
        if arguments.seeds:
            results = list(runs(assignment, options, arguments.seeds, progress))
            parts = {"seeds": [result.seed for result in results], "unsteady": unsteady(results)}
        else:
            if not arguments.mutants_only:
                parts["reference"] = reference(assignment, options, progress)
                parts["stubs"] = stubs(assignment, options, progress)
            mutants, parts["left_out"] = _mutants(assignment, numbers, arguments)
            parts["findings"] = list(_examined(mutants, arguments, progress))
    return Report(
        assignment=assignment.name,
        deliverables=list(numbers),
        seed=arguments.seed,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        versions=versions(),
        hardware=machine.hardware(),
        **parts,
    )


def _mutants(
    assignment: Assignment, numbers: tuple[int, ...], arguments: argparse.Namespace
) -> tuple[list[Mutant], str]:
    """Those of these deliverables whose name has `--only` in it; and why mechanical ones are left out, if they are."""
    catalogues, determined = CATALOGUES[assignment.name], DETERMINED.get(assignment.name, ())
    mutants = [mutant for number in numbers for mutant in catalogues[number]]
    bases: dict[str, Base] = {
        mutant.base.text: mutant.base for mutant in mutants if mutant.deliverable in determined
    }
    left_out = ""
    try:
        for base in bases.values() if arguments.mechanical else ():
            mutants += sample(base, arguments.mechanical, arguments.seed)
    except MissingLibrary as error:
        left_out = str(error)
    return [mutant for mutant in mutants if arguments.only.lower() in mutant.name.lower()], left_out


def _examined(mutants: list[Mutant], arguments: argparse.Namespace, progress: Progress) -> Iterator[Finding]:
    progress.deliverable(f"{len(mutants)} faults", len(mutants))
    for finding in examine_all(mutants, seed=arguments.seed, jobs=arguments.jobs, isolation=arguments.isolation):
        progress.check(finding.name)
        progress.checked()
        if finding.status not in RIGHT:
            progress.line(f"{finding.status}: {finding.name}: {finding.note}")
        yield finding


def _numbers(text: str | None, assignment: Assignment) -> tuple[int, ...]:
    if text is None:
        return tuple(deliverable.number for deliverable in assignment.deliverables)
    try:
        wanted = sorted({int(part) for part in text.split(",")})
        return tuple(assignment.deliverable(number).number for number in wanted)
    except ValueError as error:
        raise ValueError(f"--deliverables: expected numbers such as 1,2, found {text!r} ({error})") from None


def _refused(console: Console, what: str, why: str, status: int = 2) -> int:
    console.print(Text(f"{what}: ", style="bold red").append(why, style="default"), soft_wrap=True)
    return status


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 on, found {text!r}")
    return int(text)


def _positive(text: str) -> int:
    if not _count(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, found {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grader selfcheck",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("assignment", choices=sorted(ASSIGNMENTS))
    add("--deliverables", metavar="1,2", help="only these (default: all)")
    add("--only", default="", metavar="TEXT", help="only faults with this in their name")
    add("--mechanical", type=_count, default=8, metavar="N",
        help="mechanical faults of each correct submission to HW3's deliverables 1, 3 and 5 (default: 8)")  # fmt: skip
    add("--mutants-only", action="store_true", help="leave out the reference and the stubs")
    add("--seeds", type=_positive, metavar="N",
        help="grade the reference N times with N secret seeds, and nothing else")  # fmt: skip
    add("--seed", type=_count, default=1, metavar="N",
        help="of the faults' draws and of the sample of mechanical ones (default: 1)")  # fmt: skip
    add("--jobs", type=_positive, default=1, metavar="N", help="faults side by side (default: 1)")
    add("--json", type=Path, metavar="FILE", help="write the report too")
    add("--data", choices=("auto", "real", "synthetic"), default="auto",
        help="what the reference is graded on (default: auto, real data if it can be had)")  # fmt: skip
    add("--data-root", type=Path, metavar="DIR",
        help="where the data sets lie (default: $CHALKBENCH_DATA, then ./data)")  # fmt: skip
    add("--from", dest="mirrors", type=Path, action="append", default=[], metavar="DIR",
        help="a folder with copies of the data sets, used before any download")  # fmt: skip
    add("--isolation", choices=("auto", *TIERS), default="auto",
        help="what stands around submitted code (default: auto, the strongest that holds here)")  # fmt: skip
    return parser
