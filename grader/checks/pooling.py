"""Checks of `MyMaxPool2D`: values and gradient."""

from hypothesis.strategies import SearchStrategy

from grader.bench import Bench
from grader.checks import replies
from grader.checks.cases import all_cases
from grader.hints.pooling import SUBJECT
from grader.oracles.convolution import Answer
from grader.oracles.pooling import PoolingCase, judge
from grader.worker.messages import Build, Built, Forward, Plain, Tensor

MODULE = "mytorch"


def layer(strategy: SearchStrategy, *, parts: tuple[str, ...] = ("output",), first=()):
    """A check of `MyMaxPool2D` on drawn cases.

    Args:
        strategy: of `PoolingCase`.
        parts: what is judged: "output", or "input_grad".
        first: cases that are always tried.
    """

    def answer(bench: Bench, case: PoolingCase, parts: tuple[str, ...]) -> Answer:
        differentiate = "input_grad" in parts
        tensors = case.tensors()
        built = bench.ask(
            MODULE,
            Build(
                module=MODULE,
                name="MyMaxPool2D",
                handle="pool",
                args=[Plain(case.kernel_size)],
                kwargs={} if case.stride is None else {"stride": Plain(case.stride)},
            ),
        )
        replies.expect(built, Built)
        reply = bench.ask(
            MODULE,
            Forward(
                handle="pool",
                args=[Tensor(index=0, requires_grad=differentiate, layout=case.layout)],
                grad_outputs=[1] if differentiate else [],
                gradients=[0] if differentiate else [],
            ),
            [tensors["input"]] + [tensors["grad_output"]] * differentiate,
        )
        return Answer(
            replies.output(reply),
            replies.gradient(reply, 0) if differentiate else None,
            changed=("input",) if replies.result(reply).changed_inputs else (),
        )

    return all_cases(
        strategy,
        answer,
        judge,
        PoolingCase.module,
        parts=parts,
        subject=SUBJECT,
        first=first,
    )
