"""Hints: each known fault is told from every other, and an unknown one gets none."""

from collections.abc import Callable

import pytest
import torch

from grader.hints import asking, convolution, pooling
from grader.hints.asking import Subject, hint
from grader.hints.matching import Fault, Observation, explanation, explains
from grader.oracles.compare import mismatch
from grader.oracles.convolution import Answer, ConvolutionCase
from grader.oracles.pooling import PoolingCase

# As small as a search leaves them, one for each thing that a check is about.
CONVOLUTIONS = (
    ConvolutionCase(1, 1, 1, 1, 1, 1, 1, bias=False),
    ConvolutionCase(1, 1, 2, 2, 1, 1, 1, bias=False, seed=1),
    ConvolutionCase(1, 1, 2, 2, 1, 2, 2, bias=False, seed=2),
    ConvolutionCase(1, 1, 3, 3, 1, 1, 1, stride=2, bias=False),
    ConvolutionCase(1, 1, 2, 2, 1, 2, 2, padding=1, bias=False, seed=3),
    ConvolutionCase(1, 1, 4, 4, 1, 2, 2, stride=2, padding=1, bias=False, seed=4),
    ConvolutionCase(1, 1, 1, 1, 1, 1, 1, seed=4),
    ConvolutionCase(1, 2, 2, 2, 2, 2, 2, seed=5),
    ConvolutionCase(2, 2, 3, 3, 2, 2, 2, seed=5),
    ConvolutionCase(1, 1, 2, 2, 1, 1, 2, bias=False, seed=6),
    ConvolutionCase(1, 2, 3, 3, 2, 2, 1, bias=False, seed=6),
    ConvolutionCase(1, 2, 3, 3, 1, 2, 2, bias=False, layout="channels_last", seed=7),
    ConvolutionCase(1, 2, 3, 3, 1, 2, 2, bias=False, layout="transposed", seed=7),
    ConvolutionCase(2, 2, 8, 5, 3, 3, 2, stride=2, padding=1, seed=7),
)
POOLINGS = (
    PoolingCase(1, 1, 2, 2, 2),
    PoolingCase(1, 1, 4, 4, 2, seed=1),
    PoolingCase(1, 1, 3, 3, 2, 1, seed=2),
    PoolingCase(1, 1, 4, 4, 1, 3, seed=2),
    PoolingCase(2, 2, 7, 6, 3, 2, seed=14),
    PoolingCase(1, 1, 5, 5, 2, seed=4),
    PoolingCase(1, 1, 2, 2, 2, negative=True, seed=5),
    PoolingCase(1, 1, 3, 3, 2, 1, negative=True, seed=5),
    PoolingCase(2, 2, 4, 4, 2, layout="transposed", seed=6),
)
PARTS = [(convolution.SUBJECT, CONVOLUTIONS, part) for part in ("output", "input_grad", "weight_grad", "bias_grad")] + [
    (pooling.SUBJECT, POOLINGS, part) for part in ("output", "input_grad")
]
FAULTS = [
    pytest.param(subject, cases, part, fault, id=f"{'pool' if cases is POOLINGS else 'conv'}-{part}-{place}")
    for subject, cases, part in PARTS
    for place, fault in enumerate(subject.faults[part])
]


def right(subject: Subject, case, parts: tuple[str, ...]) -> Answer:
    """All parts as the truth has them, in the case's dtype."""
    truth = subject.expected(case)
    return Answer(**{part: truth[part].value.to(case.dtype) for part in ("output", *parts) if part in truth})


def with_fault(subject: Subject, part: str, answer: Callable) -> Callable:
    """Asks a submission whose one part is what `answer` makes of the operands, and everything else right."""

    def ask(case, parts: tuple[str, ...]) -> Answer:
        found = {"output": None} | {name: getattr(right(subject, case, parts), name) for name in ("output", *parts)}
        if part in parts:
            try:
                wrong = answer(subject.operands(case))
            except RuntimeError:
                wrong = None
            found[part] = None if wrong is None else wrong.to(case.dtype)
        return Answer(**found)

    return ask


def wrong(subject: Subject, case, part: str, ask: Callable) -> bool:
    truth = subject.expected(case)
    return part in truth and bool(mismatch("", getattr(ask(case, (part,)), part), truth[part]))


@pytest.mark.parametrize(("subject", "cases", "part", "fault"), FAULTS)
def test_a_known_fault_gets_its_own_hint_or_none(subject, cases, part, fault):
    ask = with_fault(subject, part, fault.answer)
    applies = [case for case in cases if part in subject.expected(case)]
    applies = [case for case in applies if getattr(ask(case, (part,)), part) is not None]
    said = [hint(subject, case, (part,), ask) for case in applies if wrong(subject, case, part, ask)]
    assert fault.text in said
    assert set(said) <= {fault.text, ""}


@pytest.mark.parametrize(("subject", "cases", "part"), PARTS)
def test_a_right_answer_gets_no_hint(subject, cases, part):
    for case in cases:
        assert hint(subject, case, (part,), lambda case, parts: right(subject, case, parts)) == ""


@pytest.mark.parametrize(("subject", "cases", "part"), PARTS)
def test_a_fault_that_nobody_knows_gets_no_hint(subject, cases, part):
    def unknown(operands):
        return subject.expected(operands.case)[part].value + 1.25

    ask = with_fault(subject, part, unknown)
    for case in cases:
        if part in subject.expected(case):
            assert hint(subject, case, (part,), ask) == ""


def test_a_fault_of_some_calls_only_is_not_taken_for_one_of_all():
    """What is answered once is what a bias left out gives, and nothing else; other calls are right."""
    case = CONVOLUTIONS[-1]
    once = with_fault(convolution.SUBJECT, "output", lambda c: c.products)

    def ask(asked, parts):
        return once(asked, parts) if asked == case else right(convolution.SUBJECT, asked, parts)

    assert wrong(convolution.SUBJECT, case, "output", ask)
    assert hint(convolution.SUBJECT, case, ("output",), once) != ""
    assert hint(convolution.SUBJECT, case, ("output",), ask) == ""


def test_two_faults_that_explain_everything_alike_are_neither_told():
    case = ConvolutionCase(1, 1, 1, 1, 1, 1, 1)
    operands = convolution.SUBJECT.operands(case)
    faults = [Fault("one", lambda c: c.output), Fault("another", lambda c: c.output)]
    seen = [Observation(operands, operands.output.float())]
    assert all(explains(fault, seen[0]) for fault in faults)
    assert explanation(faults, seen, least=1) == ""
    assert explanation(faults[:1], seen, least=1) == "one"
    assert explanation(faults[:1], seen, least=1) and not explains(faults[0], Observation(operands, None))


def test_a_gradient_of_a_wrong_output_is_told_with_the_fault_of_the_output():
    ask = with_fault(convolution.SUBJECT, "output", lambda c: c.products)
    case = ConvolutionCase(1, 2, 3, 3, 2, 2, 2)
    said = hint(
        convolution.SUBJECT,
        case,
        ("bias_grad",),
        lambda case, parts: ask(case, ("output", *parts)),
    )
    assert said == asking.FIRST + "your output is what the convolution gives without its bias"


def test_the_precision_of_float32_is_told_from_a_wrong_value():
    case = ConvolutionCase(1, 2, 6, 6, 3, 3, 3, dtype=torch.float64)

    def single(c):
        return c.but(x=c.x.float(), w=c.w.float(), b=c.b.float()).output.double()

    ask = with_fault(convolution.SUBJECT, "output", single)
    assert hint(convolution.SUBJECT, case, ("output",), ask) == asking.SINGLE.format("output")
