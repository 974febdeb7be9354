"""Handwritten faults of deliverable 1, graded: each loses its own checks, and students see why."""

from collections.abc import Iterator

import pytest

from grader.assignments.hw3 import HW3
from grader.result import CheckResult
from grader.selfcheck.catalogue.deliverable1 import MUTANTS
from grader.selfcheck.mutant import Base, Mutant
from grader.selfcheck.runner import examine, graded
from grader.selfcheck.submissions.deliverable1 import BY_HAND
from grader.worker import Worker

pytestmark = pytest.mark.slow

EXAMPLES = 6  # cases that a check draws: a grade has 25
# Written by hand; a hint for fewer would leave students alone with numbers.
LEAST_HINTED = 0.6


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(threads=1, preload=("torch", "numpy")) as worker:
        yield worker


@pytest.fixture(autouse=True)
def few_cases(monkeypatch):
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", EXAMPLES)


def checks(files: Base | Mutant, worker: Worker) -> list[CheckResult]:
    return graded(files, worker, seed=1).checks


@pytest.mark.parametrize("mutant", [pytest.param(mutant, id=mutant.name) for mutant in MUTANTS])
def test_a_mutant_loses_its_checks_and_gets_its_hint(worker, mutant: Mutant):
    finding = examine(mutant, worker, seed=1)
    assert finding.status == "caught", finding.note
    assert finding.hinted == bool(mutant.hint)


def test_the_submission_with_backward_passes_written_out_is_right(worker):
    assert [check.id for check in checks(BY_HAND, worker) if check.verdict != "pass"] == []


def test_a_hint_stands_below_the_line_that_repeats_the_case(worker):
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == "bias left out"]
    (reason,) = [check.reason for check in checks(mutant, worker) if check.id == "conv2d.bias"]
    first, call, hint = reason.splitlines()
    assert "expected" in first and call.startswith("  in MyFConv2D(") and hint.startswith("  hint: ")


def test_most_mutants_have_a_hint_and_every_name_is_one_mutants():
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names)) >= 70
    assert sum(bool(mutant.hint) for mutant in MUTANTS) >= LEAST_HINTED * len(MUTANTS)
    known = {check.id for check in HW3.deliverable(1).checks}
    assert {id for mutant in MUTANTS for id in (*mutant.lost, *mutant.may)} <= known
    assert len({mutant.text for mutant in MUTANTS}) == len(MUTANTS)
