"""The search for a hint that a convolution and a pooling share: ask again, and compare with known faults."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from grader.bench import Judged
from grader.hints.matching import Fault, Observation, explanation
from grader.oracles.compare import Expected, mismatch
from grader.oracles.convolution import Answer

WRITES = (
    "something writes into the argument (an operation whose name ends in _, one like +=, or x[…] = …): "
    "compute a new tensor instead"
)
MISSING = (
    "no gradient reaches the {}: between it and the output something leaves autograd (.data, .detach(), .item(), "
    ".numpy(), torch.tensor), or your backward returns None for it"
)
SINGLE = "your {} has the precision of float32: something on its way is not float64"
CAST = "the values are right to the precision of float32: create tensors with dtype=input.dtype"
FIRST = "the output of this call is wrong already: "
ELSEWHERE = "where this does not raise, "

NAMES = {"output": "output", "input_grad": "gradient of the input"} | {
    f"{name}_grad": f"gradient of the {name}" for name in ("weight", "bias")
}


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Args:
        operands: case → what the faults compute with.
        expected: case → part → the truth.
        faults: part → what may be wrong with it.
        wider: case → cases of the same kind that tell faults apart, which any submission may be asked.
        other: case → cases of other kinds, asked where those leave a choice.
    """

    operands: Callable[[Any], Any]
    expected: Callable[[Any], Mapping[str, Expected]]
    faults: Mapping[str, Sequence[Fault]]
    wider: Callable[[Any], Sequence[Any]]
    other: Callable[[Any], Sequence[Any]]


def hint(subject: Subject, case: Any, parts: tuple[str, ...], ask: Callable[[Any, tuple[str, ...]], Answer]) -> str:
    """Why an answer to `case` is wrong, in one sentence; "" where that is not known.

    Args:
        subject: what is examined.
        case: one that was answered wrongly in one of `parts`.
        parts: what the check judges, such as ("output",).
        ask: has the submission answer a case in these parts; what it raises is passed on.
    """
    try:
        given = ask(case, ("output",))
    except Judged as judged:
        if judged.outcome.verdict != "error":
            raise
        said = _named(subject, case, "output", None, ask)
        return ELSEWHERE + said if said else ""
    if given.changed:
        return WRITES
    truth = subject.expected(case)
    if mismatch("", given.output, truth["output"]):
        said = _named(subject, case, "output", given, ask)
        return FIRST + said if said and parts != ("output",) else said
    for part in parts:
        if part == "output" or part not in truth:
            continue
        given = ask(case, (part,))
        if mismatch("", getattr(given, part), truth[part]):
            return _named(subject, case, part, given, ask)
    return ""


def _named(subject: Subject, case: Any, part: str, given: Answer | None, ask: Callable) -> str:
    """The hint about one part of an answer that is wrong; None stands for one that was raised instead."""
    answer = None if given is None else getattr(given, part)
    if given is not None and answer is None:
        return MISSING.format(part.removesuffix("_grad")) if part != "output" else ""

    def correct(operands: Any) -> torch.Tensor:
        return subject.expected(operands.case)[part].value

    wider = subject.wider(case)

    def seen() -> Iterator[Observation]:
        yield Observation(subject.operands(case), answer, raised=given is None)
        for one in [*wider, *subject.other(case)]:
            yield Observation(subject.operands(one), getattr(ask(one, (part,)), part))

    if answer is not None and answer.dtype != case.dtype:
        faults = [Fault(CAST, correct)] if answer.dtype is torch.float32 else []
    else:
        faults = list(subject.faults[part])
        if case.dtype is torch.float64:
            faults.append(Fault(SINGLE.format(NAMES[part]), correct, torch.float32))
    return explanation(faults, seen(), least=1 + len(wider))
