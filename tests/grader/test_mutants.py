"""Handwritten faults of deliverable 1, graded: each loses its own checks, and students see why."""

from collections.abc import Iterator

import pytest
from rich.console import Console

from grader.assignments.hw3 import HW3
from grader.progress import Progress
from grader.result import CheckResult
from grader.runner import Options, grade
from grader.worker import Worker
from tests.grader.mutants.bases import BY_HAND
from tests.grader.mutants.deliverable1 import MUTANTS, Mutant

pytestmark = pytest.mark.slow

EXAMPLES = 6  # cases that a check draws: a grade has 25
# Written by hand; a hint for fewer would leave students alone with numbers.
LEAST_HINTED = 0.6


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(threads=1, preload=("torch", "numpy")) as worker:
        yield worker


@pytest.fixture
def graded(tmp_path, monkeypatch, worker):
    """Grades a text as `mytorch.py`."""
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", EXAMPLES)

    def graded(text: str) -> list[CheckResult]:
        (tmp_path / "deliverable1_2").mkdir()
        (tmp_path / "deliverable1_2" / "mytorch.py").write_text(text)
        with Progress(Console(quiet=True)) as progress:
            result = grade(HW3, str(tmp_path), Options((1,), seed=1), worker, progress)
        return result.deliverables[0].checks

    return graded


def hinted(check: CheckResult) -> str:
    """The hint in a check's reason, "" without one."""
    return check.reason.partition("\n  hint: ")[2]


@pytest.mark.parametrize("mutant", [pytest.param(mutant, id=mutant.name) for mutant in MUTANTS])
def test_a_mutant_loses_its_checks_and_gets_its_hint(graded, mutant: Mutant):
    lost = {check.id: check for check in graded(mutant.text) if check.verdict != "pass"}
    assert set(mutant.lost) <= set(lost)
    assert set(lost) <= {*mutant.lost, *mutant.may}
    assert (mutant.hint in hinted(lost[mutant.lost[0]])) if mutant.hint else not hinted(lost[mutant.lost[0]])
    true = [part for part in (mutant.hint, *mutant.also) if part]
    for check in lost.values():
        assert not hinted(check) or any(part in hinted(check) for part in true), (check.id, hinted(check))


def test_the_submission_with_backward_passes_written_out_is_right(graded):
    assert [check.id for check in graded(BY_HAND) if check.verdict != "pass"] == []


def test_a_hint_stands_below_the_line_that_repeats_the_case(graded):
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == "bias left out"]
    (reason,) = [check.reason for check in graded(mutant.text) if check.id == "conv2d.bias"]
    first, call, hint = reason.splitlines()
    assert "expected" in first and call.startswith("  in MyFConv2D(") and hint.startswith("  hint: ")


def test_most_mutants_have_a_hint_and_every_name_is_one_mutants():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 70
    assert sum(bool(mutant.hint) for mutant in MUTANTS) >= LEAST_HINTED * len(MUTANTS)
    known = {check.id for check in HW3.deliverable(1).checks}
    assert {id for mutant in MUTANTS for id in (*mutant.lost, *mutant.may)} <= known
    assert len({mutant.text for mutant in MUTANTS}) == len(MUTANTS)
