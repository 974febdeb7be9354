"""`python -m grader export gradescope ASSIGNMENT --out FILE`."""

import argparse
import secrets
import sys
from pathlib import Path

from data_scripts import DataError, atomic
from data_scripts.root import data_root
from grader.assignments import ASSIGNMENTS
from grader.export import gradescope
from grader.export.settings import Settings, Visibility
from grader.worker.isolation import TIERS

VISIBILITIES = Visibility.__args__

DESCRIPTION = """\
Make a grader for another service, as one file to upload.

  python -m grader export gradescope hw3 --out autograder.zip
  python -m grader export gradescope hw3 --out autograder.zip --deliverables 1,2 --minutes 40 --slower 4

On Gradescope: Programming Assignment, Configure Autograder, upload the zip. docs/gradescope.md says
which container to choose, and what a submission can and cannot do in it."""


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: the arguments after "export".

    Returns:
        The exit status: 0, or 1 where nothing was made.
    """
    arguments = _parser().parse_args(argv)
    assignment = ASSIGNMENTS[arguments.assignment]
    try:
        numbers = _numbers(arguments.deliverables) or [one.number for one in assignment.deliverables]
        settings = Settings(
            assignment=assignment.name,
            deliverables=tuple(numbers),
            minutes=arguments.minutes,
            slower=arguments.slower,
            points=dict(arguments.points),
            visibility=dict(arguments.visibility),
            leaderboard=not arguments.no_leaderboard,
            data=arguments.data,
            secret=_secret(arguments.secret) if arguments.secret else "",
            isolation=arguments.isolation,
        )
        files = gradescope.collect(
            settings,
            data=data_root(arguments.data_root),
            with_data=arguments.with_data,
            pip_config=arguments.pip_config,
        )
        content = gradescope.packed(files)
        atomic.write(arguments.out, content)
    except (ValueError, DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.out}: {len(files)} files, {len(content) / 1e6:.1f} MB")
    minutes = gradescope.longest(settings)
    if minutes > settings.minutes:
        print(
            f"all checks together may take {minutes:.0f} min, the container {settings.minutes:g} (--minutes): what a "
            "slow submission does not come to is not graded, and says so"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m grader export", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("service", choices=("gradescope",))
    add("assignment", choices=sorted(ASSIGNMENTS))
    add("--out", type=Path, required=True, metavar="FILE", help="the zip to write")
    add("--deliverables", metavar="1,2", help="only these (default: all)")
    add("--minutes", type=_above_zero, default=10.0, metavar="M",
        help="the time limit that is set on Gradescope for one submission (default: 10, as there)")  # fmt: skip
    add("--slower", type=_above_zero, default=1.0, metavar="F",
        help="multiply every check's limit by this; "
        "the smallest container has half a processor (default: 1)")  # fmt: skip
    add("--points", type=_points, action="append", default=[], metavar="CHECK=N",
        help="points of a check, in place of the declared ones")  # fmt: skip
    add("--visibility", type=_visibility, action="append", default=[], metavar="[CHECK=]WHEN",
        help=f"who sees a check's result, or all others': {', '.join(VISIBILITIES)} (default: visible)")  # fmt: skip
    add("--no-leaderboard", action="store_true", help="send no scores to Gradescope's leaderboard")
    add("--secret", type=Path, metavar="FILE",
        help="file with a secret of the course, made if it is not there: the same files are then graded on the same "
        "draws at every submission, and nobody can tell which (default: fresh draws each time)")  # fmt: skip
    add("--data", choices=("real", "synthetic"), default="real",
        help="synthetic: the stand-in, to try an autograder out (default: real)")  # fmt: skip
    add("--data-root", type=Path, metavar="DIR",
        help="where the data sets lie (default: $CHALKBENCH_DATA, then ./data)")  # fmt: skip
    add("--with-data", action="store_true",
        help="pack the data sets; without this, setup.sh fetches them when the image is built")  # fmt: skip
    add("--pip-config", type=Path, metavar="FILE",
        help="a pip.conf to install by, such as one that names an index with torch for processors only")  # fmt: skip
    add("--isolation", choices=("auto", *TIERS), default="auto",
        help="tier to grade in; auto is the strongest that holds there, "
        "and never runs submitted code as root (default: auto)")  # fmt: skip
    return parser


def _secret(path: Path) -> str:
    if not path.exists():
        atomic.write(path, f"{secrets.token_hex(32)}\n".encode())
        path.chmod(0o600)
    secret = path.read_text(encoding="utf-8").strip()
    if len(secret) < 16:
        raise ValueError(f"--secret {path}: expected at least 16 characters; delete it, and one is made")
    return secret


def _numbers(text: str | None) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")}) if text else []
    except ValueError:
        raise ValueError(f"--deliverables: expected numbers such as 1,2, found {text!r}") from None


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return number


def _points(text: str) -> tuple[str, float]:
    """`conv2d.stride=2.5` → ("conv2d.stride", 2.5)."""
    check, _, points = text.partition("=")
    try:
        number = float(points)
    except ValueError:
        number = -1.0
    if not check or not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected CHECK=POINTS such as conv2d.stride=2, found {text!r}")
    return check, number


def _visibility(text: str) -> tuple[str, str]:
    """`conv2d.stride=hidden` → ("conv2d.stride", "hidden"); `hidden` → ("", "hidden")."""
    check, _, when = text.rpartition("=")
    if when not in VISIBILITIES:
        known = ", ".join(VISIBILITIES)
        raise argparse.ArgumentTypeError(f"expected [CHECK=]WHEN, WHEN one of {known}; found {text!r}")
    return check, when
