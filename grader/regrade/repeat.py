"""A result repeated: the same submission, data, versions and seed, or a word on what is not the same any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from data_scripts import load, machine
from data_scripts.hw3_models import load_models
from grader.assignments import ASSIGNMENTS
from grader.conditions import beside_code, conditions
from grader.declaration import Assignment, Budget
from grader.digest import versions
from grader.regrade.causes import MACHINE, Cause, causes
from grader.result import Conditions, Result
from grader.runner import REFERENCE, Options, locate, swap_label
from grader.submission import Submission, SubmissionError

# A result is a file from anywhere, and must not bind a machine for a year.
MOST_EPOCHS, MOST_MINUTES = 1_000, 7 * 24 * 60
LARGEST_SEED = 1 << 64


class RepeatError(ValueError):
    """The result cannot be repeated; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where things lie on this machine; a result does not say.

    Args:
        submission: the submission's folder, as the result names it or as given anew.
        data_root: folder of the data sets, None for the usual places.
        mirrors: folders with copies of them.
        isolation: tier to grade in. It is not taken from the result: a file from anywhere could ask for none.
    """

    submission: str
    data_root: Path | None = None
    mirrors: tuple[Path, ...] = ()
    isolation: str = "auto"


def options_of(result: Result, place: Place) -> Options:
    """How a result's run was asked for, with the same seed.

    Raises:
        RepeatError: the result does not say, or says what no run can have had.
    """
    asked = result.conditions
    if asked is None:
        raise RepeatError(
            "this result does not hold its options (several runs were put together, or it is older than this); "
            f"grade the submission again with --seed {result.seed}, then: python -m grader diff"
        )
    if result.assignment not in ASSIGNMENTS:
        raise RepeatError(f"expected an assignment of {', '.join(ASSIGNMENTS)}, found {result.assignment[:80]!r}")
    if not all(number.isdigit() and number.isascii() for number in asked.swaps):
        raise RepeatError("expected numbers of deliverables in conditions.swaps, found something else")
    _check_bounds(result, asked)
    return Options(
        deliverables=tuple(asked.deliverables),
        swaps={int(number): folder for number, folder in asked.swaps.items()},
        seed=result.seed,
        epochs=asked.epochs,
        whole_training=None if asked.train is None else Budget(asked.train, asked.minutes),
        fresh=True,  # what is kept of the first run would only say the same once more
        data=asked.data,
        data_root=place.data_root,
        mirrors=place.mirrors,
        isolation=place.isolation,
    )


def not_the_same(result: Result, options: Options, place: Place) -> list[Cause]:
    """What a repetition would rest on otherwise than the result did, the machine aside; nothing is graded.

    Raises:
        SubmissionError: the submission, or one that was swapped in, is not there.
        DataError: the data cannot be had on these terms.
        ValueError: an unknown deliverable.
    """
    assignment = ASSIGNMENTS[result.assignment]
    chosen = [assignment.deliverable(number) for number in options.deliverables]
    try:
        submission = locate(assignment, place.submission)
    except SubmissionError as error:
        raise SubmissionError(f"{error}; --submission FOLDER says where it is") from None
    wanted = {"root": options.data_root, "mirrors": options.mirrors, "data": options.data}
    sets = [load(name, **wanted) for name in dict.fromkeys(d.data for d in chosen) if name]
    stand_ins = _stand_ins(assignment, result.conditions, options)
    models = load_models(**wanted).digest if result.conditions.models else ""
    files = submission.files | beside_code(submission, chosen)
    now = msgspec.structs.replace(
        result,
        digest=submission.digest,
        data_source="; ".join(dataset.source for dataset in sets),
        data_digest="; ".join(dataset.digest for dataset in sets),
        versions=versions(),
        hardware=machine.hardware(),
        conditions=conditions(options, files=files, stand_ins=stand_ins, models=models),
    )
    return [cause for cause in causes(result, now) if cause.kind not in MACHINE]


def _stand_ins(assignment: Assignment, asked: Conditions, options: Options) -> dict[str, str]:
    """What would stand in now for what stood in then, by the same labels."""
    found: dict[str, Submission] = {}
    for number, folder in options.swaps.items():
        other = locate(assignment, folder)
        found[swap_label(number, other)] = other
    if REFERENCE.is_dir():
        reference = locate(assignment, str(REFERENCE))
        # The grader swaps the reference in by itself where a foundation fails.
        labels = {swap_label(deliverable.number, reference) for deliverable in assignment.deliverables}
        found |= {label: reference for label in labels & asked.stand_ins.keys() - found.keys()}
    return {label: other.digest for label, other in found.items()}


def _check_bounds(result: Result, asked: Conditions) -> None:
    training = asked.train is not None
    bounds = {
        "seed": (result.seed, 0, LARGEST_SEED - 1),
        "epochs": (asked.epochs, 1, MOST_EPOCHS),
        "train": (asked.train if training else 1, 1, MOST_EPOCHS),
        "minutes": ((asked.minutes if asked.minutes is not None else 0.0) if training else 1.0, 0.01, MOST_MINUTES),
    }
    for name, (found, least, most) in bounds.items():
        if not least <= found <= most:
            raise RepeatError(f"expected {name} from {least:g} to {most:g}, found {str(found)[:40]}")
    if not asked.deliverables or len({*asked.deliverables}) != len(asked.deliverables):
        raise RepeatError("expected deliverables in conditions, each once, found none or one twice")
