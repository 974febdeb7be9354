"""Gather exhibits after the checks; whatever happens here, it changes no verdict."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from grader.bench import Bench, Judged
from grader.declaration import Gathering
from grader.exhibits.kinds import Exhibit, Missing
from grader.progress import Progress
from grader.worker import WorkerFailure


def gather(bench: Bench, gatherings: Sequence[Gathering], progress: Progress) -> list[Exhibit]:
    """Every exhibit of a deliverable, in the order of its declaration.

    Args:
        bench: after the checks.
        gatherings: what to gather.
        progress: shows what is going on.

    Returns:
        What each gathering gave, or a `Missing` with the reason.
    """
    found: list[Exhibit] = []
    for gathering in gatherings:
        progress.check(gathering.title)
        found += _gathered(bench, gathering)
        progress.checked()
    return found


def _gathered(bench: Bench, gathering: Gathering) -> list[Exhibit]:
    bench.grant(gathering.seconds)
    try:
        return gathering.run(bench)
    except Judged as judged:
        reason = judged.outcome.reason
    except WorkerFailure as failure:
        reason = f"{failure.verdict}: {failure.reason}"
    except Exception as error:
        # A fault of ours must not cost the grade that is already there.
        traceback.print_exc(file=sys.stderr)
        reason = f"the grader itself failed: {type(error).__name__}: {error}"
    return [Missing(gathering.title, reason)]
