"""A check that is a search: draw cases, ask the worker, judge, shrink what is wrong."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis.strategies import SearchStrategy

from grader.declaration import Outcome
from grader.bench import Bench, Judged
from grader.search import search

EXAMPLES = 25  # cases that a check draws


def all_cases(
    strategy: SearchStrategy,
    answer: Callable[[Bench, Any], Any],
    judge: Callable[[Any, Any], str | None],
    describe: Callable[[Any], str],
    *,
    first: Sequence[Any] = (),
) -> Callable[[Bench], Outcome]:
    """A check that passes if every case is answered rightly.

    Args:
        strategy: where the cases come from.
        answer: what the submission makes of a case; may raise `Judged`.
        judge: why an answer to a case is wrong; None if it is right.
        describe: the case as a line of Python.
        first: cases that are always tried, before any drawn one.
    """

    def run(bench: Bench) -> Outcome:
        def attempt(case: Any) -> Outcome | None:
            try:
                reason = judge(case, answer(bench, case))
            except Judged as judged:
                if judged.outcome.verdict == "invalid":
                    raise  # the reason names the line; each further try would take a fresh session
                return judged.outcome
            return Outcome("fail", reason) if reason else None

        found = search(
            strategy,
            attempt,
            seed=bench.check_seed(describe.__qualname__),
            examples=EXAMPLES,
            until=bench.until,
            first=first,
        )
        if found.case is not None:
            outcome = found.reason
            return Outcome(outcome.verdict, f"{outcome.reason}\n  in {describe(found.case)}")
        if found.exhausted:
            return Outcome(
                "timeout",
                f"{found.tried} cases were right, but the time ran out before all {EXAMPLES} "
                "were tried; make it faster (these images have at most 8×8 pixels)",
            )
        return Outcome("pass")

    return run
