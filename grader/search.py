"""Look for a case that a submission gets wrong, and shrink it to the simplest one.

Hypothesis draws and shrinks; the seed is the run's secret, and the clock is the check's.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.strategies import SearchStrategy

# Hypothesis mixes the numbers that it finds in the modules of this project into its draws, in those that
# happen to be imported. Then a seed would draw one thing here and another on a cluster's machine, in the next
# job of a process, or in the command that repeats a result. There is no setting for it.
try:
    from hypothesis.internal.conjecture.providers import HypothesisProvider
    from hypothesis.internal.constants_ast import Constants
except ImportError:
    # An older release mixes in nothing; a later one may, and then a seed repeats itself less surely. What is drawn
    # is judged by the truth all the same, so no verdict is wrong for it, and a result names its hypothesis.
    pass
else:
    HypothesisProvider._local_constants = Constants()


@dataclass(frozen=True)
class Search:
    """What a search ended in.

    Args:
        tried: cases that were judged.
        case: the simplest wrong case; None if all were right.
        reason: why it is wrong.
        exhausted: the time was up before all cases were tried, with none of them wrong.
    """

    tried: int
    case: Any = None
    reason: str = ""
    exhausted: bool = False


class _TimeIsUp(BaseException):
    """Ends a search from inside; not an Exception, so that hypothesis does not shrink it."""


class _Ended(BaseException):
    """Ends a search with what the judge raised: tried again, a dead worker may live, or die of something else."""


class _Wrong(Exception):
    """A case that is wrong: what hypothesis shrinks."""


def search(
    strategy: SearchStrategy,
    judge: Callable[[Any], str | None],
    *,
    seed: int,
    examples: int,
    until: float,
    first: Sequence[Any] = (),
) -> Search:
    """Judge cases until one is wrong, then shrink it.

    Args:
        strategy: where the cases come from.
        judge: why a case is wrong; None if it is right. What it raises ends the search and
            is passed on, if no wrong case was found before.
        seed: of the drawing; the same seed draws the same cases.
        examples: cases to draw.
        until: `time.monotonic()` at which the search stops.
        first: cases that are judged before any is drawn. One that is wrong is still drawn
            after, for a simpler one.
    """
    tried, wrong = 0, None

    def attempt(case: Any) -> None:
        nonlocal tried, wrong
        if time.monotonic() > until:
            raise _TimeIsUp
        tried += 1
        try:
            reason = judge(case)
        except Exception as error:
            raise _Ended from error
        if reason:
            wrong = (case, reason)
            raise _Wrong(reason)

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        phases=[Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        derandomize=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @hypothesis.given(strategy)
    def drawn(case: Any) -> None:
        attempt(case)

    try:
        for case in first:
            try:
                attempt(case)
            except _Wrong:
                break
        with hypothesis.reporting.with_reporter(lambda text: None):
            drawn()
    except _TimeIsUp:
        if wrong is None:
            return Search(tried, exhausted=True)
    except _Ended as end:
        # A worker that dies while a wrong case is being shrunk takes nothing from that case.
        if wrong is None:
            raise end.__cause__ from None
    except (_Wrong, hypothesis.errors.Flaky):
        pass  # flaky: wrong once, and right when it was asked again
    return Search(tried, *wrong) if wrong else Search(tried)
