"""`python -m grader report RESULT`: the faces of a result that is there already; nothing is graded."""

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.text import Text

from grader.report import json_file, terminal
from grader.report.files import ALWAYS, FACES, report, write_faces
from grader.report.text import clean

DESCRIPTION = """\
Show an earlier result, and write it in other forms. Nothing is graded.

  python -m grader report results/hw3/alice/result.json
  python -m grader report result.json --report DIR
  python -m grader report result.json --face junit=alice.xml --face csv=alice.csv

Images, maps and rates are on the page only if the run that graded had --report: they are measured on
the submission itself."""


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: the arguments after "report".

    Returns:
        The exit status: 0, or 2 where there is no result, or a place that cannot be written to.
    """
    arguments = _parser().parse_args(argv)
    wanted = [("--report", *face) for face in (report(arguments.report) if arguments.report else {}).items()]
    wanted += [(f"--face {name}", name, file) for name, file in arguments.face]
    console = Console()
    try:
        result = json_file.read(arguments.result)
        for option, _, file in wanted:
            check_writable(option, file)
        if not wanted:
            terminal.render(result, console)
        written = [path for _, name, file in wanted for path in write_faces(result, {name: file})]
    except (OSError, ValueError) as error:
        told = Text("nothing was written: ", style="bold red").append(clean(str(error)), style="default")
        Console(stderr=True).print(told, soft_wrap=True)
        return 2
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
    return 0


def face(text: str) -> tuple[str, Path]:
    """`junit=result.xml` → ("junit", Path("result.xml"))."""
    name, _, file = text.partition("=")
    if name not in FACES or not file:
        raise argparse.ArgumentTypeError(
            f"expected NAME=FILE (for example html=alice.html), NAME one of {', '.join(FACES)}; found {text!r}"
        )
    return name, Path(file)


def check_writable(option: str, path: Path) -> None:
    """Refuse a path that cannot be written; its folder is made.

    Raises:
        ValueError: it names the option.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{option} {path}: its folder cannot be made: {error}") from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        kind = "is a folder" if path.is_dir() else f"{path.parent} is not writable"
        raise ValueError(f"{option} {path}: {kind}; expected the path of a file to write")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grader report", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("result", type=Path, metavar="RESULT", help="a result.json")
    add("--report", type=Path, metavar="DIR", help="write DIR/report.html and DIR/report.pdf")
    forms = ", ".join(name for name in FACES if name not in ALWAYS)
    add("--face", type=face, action="append", default=[], metavar="NAME=FILE",
        help=f"write the result in another form: {forms}")  # fmt: skip
    return parser
