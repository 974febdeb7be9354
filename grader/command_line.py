"""The command line: `python -m grader ASSIGNMENT [SUBMISSION]`, `stubs`, `handout`."""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

import grader.classroom.command
import grader.classroom.similarity
import grader.export.command
import grader.handout
import grader.regrade.command
import grader.report.command
import grader.stubs
from data_scripts import DataError
from grader.assignments import ASSIGNMENTS
from grader.declaration import Assignment, Budget
from grader.isolation_choice import check_isolation
from grader.progress import Progress
from grader.report import terminal
from grader.report.command import check_writable, face
from grader.report.files import ALWAYS, FACES, report, write_faces, write_files
from grader.report.hidden import for_students
from grader.runner import REFERENCE, Options, grade, limits_for
from grader.submission import SubmissionError
from grader.worker import IsolationError, Worker
from grader.worker.isolation import TIERS

DESCRIPTION = """\
Grade a submission, or make what students get.

  python -m grader hw3                     grade the reference itself; the same for eee7331-a1
  python -m grader hw3 path/to/alice       grade a submission: a folder with the files of student/
  python -m grader hw3 --report DIR        the reference, with a report as HTML and PDF
  python -m grader report RESULT           show an earlier result, write it in other forms
  python -m grader diff OLD NEW            what changed between two results, and why
  python -m grader repeat RESULT           grade again as a result was graded, and compare
  python -m grader hw3 . --watch           grade again whenever a file is saved
  python -m grader hw3 --list              what is checked, and for how many points
  python -m grader selfcheck hw3           grade the grader: the reference, the stubs, and known faults
  python -m grader stubs                   write student/ from the reference's markers
  python -m grader handout hw3 --out DIR   make the folder that students get
  python -m grader hw3 --submissions DIR   grade a class; again, to go on where it was stopped
  python -m grader similarity DIR          compare the submissions of a class
  python -m grader export gradescope hw3 --out autograder.zip   the grader for Gradescope

The exit status is 0 only if every declared check passed, 1 if one did not, and 2 if there was
nothing to grade (wrong path, no data with --data real). Ctrl-C ends it with 130."""

GRADE = """\
Grade one submission. Its code runs in a worker process of its own, never in the grader: the
grader draws the inputs from a seed that is secret until the run ends, computes the expected
values itself, and judges what comes back."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    # These have command lines of their own.
    if argv[:1] == ["stubs"]:
        return grader.stubs.main(argv[1:])
    if argv[:1] == ["handout"]:
        return grader.handout.main(argv[1:])
    if argv[:1] == ["similarity"]:
        return grader.classroom.similarity.main(argv[1:])
    if argv[:1] == ["export"]:
        return grader.export.command.main(argv[1:])
    if argv[:1] == ["report"]:
        return grader.report.command.main(argv[1:])
    if argv[:1] == ["diff"]:
        return grader.regrade.command.diff(argv[1:])
    if argv[:1] == ["repeat"]:
        return grader.regrade.command.repeat(argv[1:])
    if argv[:1] == ["selfcheck"]:
        return _selfcheck(argv[1:])
    arguments = _parser().parse_args(argv)
    assignment = ASSIGNMENTS[arguments.command]
    console = Console()
    if arguments.list:
        console.print(_listing(assignment))
        return 0
    path = arguments.json or Path("results", assignment.name, _name(arguments.submission), "result.json")
    pages = report(arguments.report) if arguments.report else {}
    try:
        if not arguments.submissions:
            # Now, and not after minutes of grading.
            for option, file in (("--json", path), *(("--report", file) for file in pages.values())):
                check_writable(option, file)
            for name, file in arguments.face:
                check_writable(f"--face {name}", file)
        elif arguments.report or arguments.face:
            raise ValueError("--report and --face are for one submission; with --submissions, leave them out")
        options = Options(
            deliverables=_numbers(arguments.deliverables, assignment),
            swaps=dict(arguments.swap),
            seed=arguments.seed,
            epochs=getattr(arguments, "epochs", Options.epochs),  # not every assignment has that option
            whole_training=Budget(arguments.train, arguments.minutes) if arguments.train else None,
            fresh=arguments.fresh,
            exhibits=arguments.report is not None,
            data=arguments.data,
            data_root=arguments.data_root,
            mirrors=tuple(arguments.mirrors),
            isolation=arguments.isolation,
        )
        check_isolation(arguments.isolation, required=arguments.require_isolation)
        if arguments.watch:
            _only_watching(arguments)
            from grader.watch.loop import watch  # with a library that only this needs

            return watch(assignment, arguments.submission, options, console)
        if arguments.submissions and arguments.submission != "reference":
            raise ValueError(f"expected one submission ({arguments.submission}) or --submissions, found both")
        if not arguments.submissions:
            threads = torch.get_num_threads()
            with (
                Worker(
                    threads=threads, limits=limits_for(options, threads), isolation=options.isolation
                ) as worker,
                Progress(Console(stderr=True)) as progress,
            ):
                graded = grade(assignment, arguments.submission, options, worker, progress)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted: no result was written; start it again", style="bold red")
        return 130
    except (SubmissionError, DataError, IsolationError, ValueError) as error:
        Console(stderr=True).print(
            Text("nothing was graded: ", style="bold red").append(str(error), style="default"),
            soft_wrap=True,
        )
        return 2
    if arguments.submissions:
        return grader.classroom.command.run(assignment, options, arguments)
    if not REFERENCE.is_dir():  # a hand-out: whoever reads this is the student
        graded = for_students(graded)
    terminal.render(graded, console)
    for written in [*write_files(graded, path), *write_faces(graded, pages | dict(arguments.face))]:
        console.print(f"written: {written}", highlight=False, soft_wrap=True)
    return 0 if graded.passed else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grader",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for assignment in ASSIGNMENTS.values():
        _add_grade(commands, assignment)
    commands.add_parser("stubs", help="write student/ from the reference's markers", add_help=False)
    commands.add_parser("handout", help="make the folder that students get", add_help=False)
    commands.add_parser("similarity", help="compare the submissions of a class", add_help=False)
    commands.add_parser("export", help="make a grader for another service", add_help=False)
    commands.add_parser("report", help="show an earlier result, write it in other forms", add_help=False)
    commands.add_parser("diff", help="what changed between two results, and why", add_help=False)
    commands.add_parser("repeat", help="grade again as a result was graded, and compare", add_help=False)
    commands.add_parser("selfcheck", help="grade the grader", add_help=False)
    return parser


def _add_grade(commands, assignment: Assignment) -> None:
    grade_parser = commands.add_parser(
        assignment.name,
        help=f"grade {assignment.title}",
        description=f"{assignment.title}.\n\n{GRADE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = grade_parser.add_argument
    add("submission", nargs="?", default="reference", metavar="SUBMISSION",
        help="folder of the submission (default: reference)")  # fmt: skip
    add("--deliverables", metavar="1,2", help="only these (default: all)")
    add("--watch", action="store_true",
        help="go on until Ctrl-C: whenever a file is saved, grade the deliverables that it has a part in, and show "
        "each verdict as soon as it is there")  # fmt: skip
    add("--list", action="store_true", help="show the checks and their points, grade nothing")
    add("--json", type=Path, metavar="FILE",
        help="where the result goes, plots beside it "
        "(default: results/ASSIGNMENT/SUBMISSION/result.json)")  # fmt: skip
    add("--report", type=Path, metavar="DIR",
        help="write DIR/report.html and DIR/report.pdf too, with all figures that the assignment asks for; "
        "takes minutes more")  # fmt: skip
    add("--face", type=face, action="append", default=[], metavar="NAME=FILE",
        help="write the result in another form too: "
        f"{', '.join(name for name in FACES if name not in ALWAYS)}")  # fmt: skip
    foundations = sorted({one.rests_on for one in assignment.deliverables if one.rests_on is not None})
    add("--swap", type=_swap, action="append", default=[],
        metavar=" or ".join(f"deliverable{number}=FOLDER" for number in foundations) or "deliverableN=FOLDER",
        help="grade what rests on a deliverable with FOLDER's files for it; without this, a "
        "deliverable whose foundation fails is graded once more on the reference's, and both "
        "are shown")  # fmt: skip
    add("--seed", type=int, metavar="N", help="repeat an earlier run (default: a fresh secret one)")
    for one in assignment.deliverables:
        if one.epochs:
            add("--epochs", type=int, default=one.epochs, metavar="N",
                help=f"epochs of deliverable {one.number}'s training, at least {one.epochs} for a grade "
                f"(default: {one.epochs})")  # fmt: skip
    kept = [one.number for one in assignment.deliverables if one.weights]
    add("--train", type=_positive, nargs="?", const=assignment.training_epochs, metavar="EPOCHS",
        help=f"train the network of deliverable {' and of '.join(map(str, kept))} from scratch, for "
        f"{assignment.training_epochs} epochs or this number, and not verify the checkpoint that is handed in; "
        "on two cores this takes hours")  # fmt: skip
    add("--minutes", type=float, default=360, metavar="M",
        help="what --train may take for each network (default: 360)")  # fmt: skip
    add("--fresh", action="store_true",
        help="grade anew what was kept of a run with the same files, data, seed and versions")
    add("--data", choices=("auto", "real", "synthetic"), default="auto",
        help="auto: real data if it can be had, else the stand-in; real: refuse the stand-in; "
        "synthetic: the stand-in (default: auto)")  # fmt: skip
    add("--data-root", type=Path, metavar="DIR",
        help="where the data sets lie (default: $CHALKBENCH_DATA, then ./data)")  # fmt: skip
    add("--from", dest="mirrors", type=Path, action="append", default=[], metavar="DIR",
        help="a folder with copies of the data sets, used before any download")  # fmt: skip
    add("--isolation", choices=("auto", *TIERS), default="auto",
        help="what stands around submitted code; auto is the strongest tier that holds here, see "
        "docs/security.md (default: auto)")  # fmt: skip
    add("--require-isolation", action="store_true",
        help="refuse to grade where submitted code would run without a sandbox around it")  # fmt: skip
    grader.classroom.command.add_options(grade_parser)


def _selfcheck(argv: list[str]) -> int:
    """`python -m grader selfcheck`, which a hand-out does not have: its faults are made in solutions."""
    if not Path(__file__).with_name("selfcheck").is_dir():
        said = "the grader is graded where the reference is; this hand-out has neither it nor the catalogue of faults"
        Console(stderr=True).print(f"nothing was checked: {said}", soft_wrap=True)
        return 2
    from grader.selfcheck import command  # which a hand-out does not have

    return command.main(argv)


def _only_watching(arguments: argparse.Namespace) -> None:
    """Refuse what `--watch` would make something else of than a grade does, or would not do at all."""
    given = vars(arguments)
    beside = [name for name in ("seed", "json", "report", "face", "submissions", "train") if given[name]]
    if beside:
        raise ValueError(
            f"--watch grades again and again, each time with inputs of its own, and writes nothing; "
            f"leave out {', '.join(f'--{name}' for name in beside)}"
        )


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of epochs, at least 1, found {text!r}")
    return int(text)


def _swap(text: str) -> tuple[int, str]:
    """`deliverable1=reference` → (1, "reference")."""
    name, _, folder = text.partition("=")
    number = name.removeprefix("deliverable")
    if not (name.startswith("deliverable") and number.isdigit() and folder):
        raise argparse.ArgumentTypeError(
            f"expected deliverable1=FOLDER (for example deliverable1=reference), found {text!r}"
        )
    return int(number), folder


def _numbers(text: str | None, assignment: Assignment) -> tuple[int, ...]:
    """`1,2` → (1, 2), each one of the assignment's; None → all."""
    if text is None:
        return tuple(deliverable.number for deliverable in assignment.deliverables)
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise ValueError(f"--deliverables: expected numbers such as 1,2, found {text!r}") from None
    return tuple(assignment.deliverable(number).number for number in numbers)


def _listing(assignment: Assignment) -> Table:
    table = Table(title=assignment.title, title_justify="left")
    table.add_column("check")
    table.add_column("what it asks")
    table.add_column("points", justify="right")
    table.add_column("limit", justify="right")
    for deliverable in assignment.deliverables:
        points = sum(check.points for check in deliverable.checks)
        table.add_section()
        table.add_row(
            f"[bold]deliverable {deliverable.number}", f"[bold]{deliverable.title}", f"[bold]{points:g}", ""
        )
        for check in deliverable.checks:
            table.add_row(check.id, check.title, f"{check.points:g}", f"{check.seconds:g} s")
    return table


def _name(submission: str) -> str:
    """A folder name for the results of a submission."""
    return Path(submission).resolve().name or "submission"
