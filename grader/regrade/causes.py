"""What may explain that two results differ: everything that a verdict rests on, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from grader.result import Result

Kind = Literal[
    "submission", "swap", "options", "grader", "data", "models", "versions", "seed", "isolation", "hardware", "threads"
]
# Nothing of these is a part of the grade: the same verdicts are promised on another machine.
MACHINE = frozenset({"isolation", "hardware", "threads"})
SHORT = 12  # characters of a digest that are shown


class Cause(msgspec.Struct, frozen=True):
    """One thing that the results rest on and that is not the same."""

    kind: Kind
    name: str  # which one: the path of a file, a package, an option
    before: str  # "" where there was none
    after: str


def causes(old: Result, new: Result) -> list[Cause]:
    """What is known to differ, the submission first, the machine last."""
    found = [*_submission(old, new), *_swaps(old, new), *_options(old, new), *_grader(old, new), *_data(old, new)]
    found += _of_each("versions", old.versions, new.versions)
    found += _pair("seed", "seed", str(old.seed), str(new.seed))
    found += _pair("isolation", "isolation", old.isolation, new.isolation)
    found += _pair("hardware", "hardware", old.hardware, new.hardware)
    if old.conditions and new.conditions:
        found += _pair("threads", "threads", str(old.conditions.threads), str(new.conditions.threads))
    return found


def unknown(old: Result, new: Result) -> list[str]:
    """What may differ too, since a result does not say it."""
    if old.conditions and new.conditions:
        return []
    which = "neither result holds" if old.conditions is new.conditions else "one result does not hold"
    return [f"{which} its options, and the digests of the grader, of checkpoints and of swapped-in files"]


def _submission(old: Result, new: Result) -> Iterator[Cause]:
    listed = []
    if old.conditions and new.conditions:
        listed = [_shortened(cause) for cause in _of_each("submission", old.conditions.files, new.conditions.files)]
    yield from listed
    # One digest over all Python files is in every result; checkpoints, and files beyond the list, are not in both.
    if old.digest != new.digest and not any(cause.name.endswith(".py") for cause in listed):
        yield Cause("submission", "Python files", old.digest[:SHORT], new.digest[:SHORT])


def _swaps(old: Result, new: Result) -> Iterator[Cause]:
    if old.conditions and new.conditions:
        before, after = old.conditions.stand_ins, new.conditions.stand_ins
        for label in before.keys() & after.keys():  # what only one has, follows from a verdict or an option
            yield from map(_shortened, _pair("swap", label, before[label], after[label]))


def _options(old: Result, new: Result) -> Iterator[Cause]:
    if not (old.conditions and new.conditions):
        yield from _pair("options", "deliverables", _numbers(old), _numbers(new))
        return
    for name in ("deliverables", "epochs", "train", "minutes"):
        before, after = (getattr(result.conditions, name) for result in (old, new))
        yield from _pair("options", name, _words(before), _words(after))
    # Where the folder lay makes no difference; what was in it is compared by its digest.
    swapped = [", ".join(sorted(result.conditions.swaps)) for result in (old, new)]
    yield from _pair("options", "swapped deliverables", *swapped)


def _grader(old: Result, new: Result) -> Iterator[Cause]:
    if old.conditions and new.conditions:
        for cause in _of_each("grader", old.conditions.grader, new.conditions.grader):
            yield _shortened(msgspec.structs.replace(cause, name=f"grader/{cause.name}"))


def _data(old: Result, new: Result) -> Iterator[Cause]:
    before, after = ({*result.data_digest.split("; ")} - {""} for result in (old, new))
    # A deliverable less needs a data set less: that is the option's doing.
    fewer = _numbers(old) != _numbers(new) and (before <= after or after <= before)
    if before != after and not fewer:
        yield Cause("data", "data sets", _source(old), _source(new))
    if old.conditions and new.conditions and old.conditions.models and new.conditions.models:
        yield from map(_shortened, _pair("models", "attacked models", old.conditions.models, new.conditions.models))


def _source(result: Result) -> str:
    digests = ", ".join(digest.removeprefix("sha256:")[:SHORT] for digest in result.data_digest.split("; "))
    return f"{result.data}: {result.data_source} ({digests})" if result.data_digest else "none"


def _numbers(result: Result) -> str:
    return _words(sorted({deliverable.number for deliverable in result.deliverables}))


def _words(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _of_each(kind: Kind, before: dict[str, str], after: dict[str, str]) -> Iterator[Cause]:
    for name in sorted(before.keys() | after.keys()):
        yield from _pair(kind, name, before.get(name, ""), after.get(name, ""))


def _pair(kind: Kind, name: str, before: str, after: str) -> list[Cause]:
    return [] if before == after else [Cause(kind, name, before, after)]


def _shortened(cause: Cause) -> Cause:
    before, after = (text.removeprefix("sha256:")[:SHORT] for text in (cause.before, cause.after))
    return msgspec.structs.replace(cause, before=before, after=after)
