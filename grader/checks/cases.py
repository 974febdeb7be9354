"""A check that is a search: draw cases, ask the worker, judge, shrink what is wrong."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hypothesis.strategies import SearchStrategy

from grader.declaration import Outcome
from grader.bench import Bench, Judged
from grader.hints.asking import Subject, hint
from grader.search import search
from grader.worker import WorkerFailure

EXAMPLES = 25  # cases that a check draws
HINT_SECONDS = 3.0  # a dozen more calls at most; whoever needs longer gets no hint


def all_cases(
    strategy: SearchStrategy,
    answer: Callable[[Bench, Any, tuple[str, ...]], Any],
    judge: Callable[[Any, Any, tuple[str, ...]], str | None],
    describe: Callable[[Any], str],
    *,
    parts: tuple[str, ...],
    subject: Subject,
    first: Sequence[Any] = (),
) -> Callable[[Bench], Outcome]:
    """A check that passes if every case is answered rightly.

    Args:
        strategy: where the cases come from.
        answer: what the submission makes of a case, for some parts of it; may raise `Judged`.
        judge: why some parts of an answer to a case are wrong; None if they are right.
        describe: the case as a line of Python.
        parts: what is judged, ("output",) or gradients.
        subject: what a hint is found by.
        first: cases that are always tried, before any drawn one.
    """

    def explained(bench: Bench, case: Any) -> str:
        if bench.seconds_left < HINT_SECONDS:
            return ""
        bench.grant(HINT_SECONDS)
        try:
            return hint(subject, case, parts, partial(answer, bench))
        except (Judged, WorkerFailure):
            return ""  # wrong it is in any case

    def run(bench: Bench) -> Outcome:
        def attempt(case: Any) -> Outcome | None:
            try:
                reason = judge(case, answer(bench, case, parts), parts)
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
            reason = f"{outcome.reason}\n  in {describe(found.case)}"
            if outcome.verdict in ("fail", "error") and (said := explained(bench, found.case)):
                reason += f"\n  hint: {said}"
            return Outcome(outcome.verdict, reason)
        if found.exhausted:
            return Outcome(
                "timeout",
                f"{found.tried} cases were right, but the time ran out before all {EXAMPLES} "
                "were tried; make it faster (these images have at most 8×8 pixels)",
            )
        return Outcome("pass")

    return run
