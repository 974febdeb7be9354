"""Imports that run out of time: a second try where the machine may be to blame, and no third wait for the same files."""

from dataclasses import replace
from pathlib import Path

import pytest

from grader.assignments.hw3 import HW3
from grader.bench import IMPORT_SECONDS, Bench
from grader.declaration import Check, Outcome
from grader.imports import Imports, may_be_the_machines
from grader.worker import Code, Reply, WorkerFailure
from grader.worker.messages import Loaded

CODE = Code({"model": Path("alice/model.py"), "train": Path("alice/train.py")})
FOURTH, FIFTH = (HW3.deliverable(number) for number in (4, 5))
CHECK = Check("train.imports", "train.py can be imported", 1, lambda bench: bench.load("train") and Outcome("pass"))
LOADED = Reply(Loaded([]), [], [])


def late(computed: float) -> WorkerFailure:
    return WorkerFailure("timeout", "no answer within 30 s", computed)


WAITED, LOOPED = late(computed=3.0), late(computed=29.4)


class Sessions:
    """A worker whose sessions give these answers to imports, one after the other."""

    def __init__(self, *answers: Reply | WorkerFailure):
        self.answers, self.asked = list(answers), 0

    def session(self, code: Code, **options: object) -> "Sessions":
        return self

    def request(self, *args: object, **options: object) -> Reply:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, WorkerFailure):
            raise answer
        return answer

    def close(self) -> None:
        pass


def judge(worker: Sessions, imports: Imports | None = None, deliverable=FOURTH, code: Code = CODE, times: int = 1):
    with Bench(
        deliverable, code=code, worker=worker, seed=1, epochs=1, data=None, models=None,
        imports=imports or Imports(), report=lambda line: None,
    ) as bench:  # fmt: skip
        return [bench.judge(CHECK) for _ in range(times)][-1]


def test_an_import_that_was_late_once_loses_nothing():
    worker = Sessions(WAITED, LOADED)
    assert judge(worker).verdict == "pass"
    assert worker.asked == 2


def test_an_import_that_was_late_twice_is_not_tried_a_third_time():
    worker = Sessions(WAITED, WAITED)
    outcome = judge(worker, times=3)
    assert outcome.verdict == "timeout" and "could not be imported: no answer" in outcome.reason
    assert worker.asked == 2


def test_an_import_that_had_a_core_all_the_time_is_not_tried_again():
    worker = Sessions(LOOPED)
    assert judge(worker, times=3).verdict == "timeout"
    assert worker.asked == 1


@pytest.mark.parametrize("verdict", ["error", "killed", "invalid"])
def test_only_a_timeout_may_be_the_machines(verdict: str):
    assert may_be_the_machines(WAITED, IMPORT_SECONDS)
    assert not may_be_the_machines(WorkerFailure(verdict, "it ended"), IMPORT_SECONDS)


def test_a_later_deliverable_does_not_wait_for_the_same_files_and_says_so():
    imports = Imports()
    judge(Sessions(LOOPED), imports)
    worker = Sessions()
    outcome = judge(worker, imports, FIFTH)
    assert outcome.verdict == "timeout" and "(in deliverable 4; it was not waited for again)" in outcome.reason
    assert worker.asked == 0


def test_a_deliverable_that_names_more_files_of_the_same_folder_does_not_wait_either():
    imports, worker = Imports(), Sessions()
    judge(Sessions(LOOPED), imports, HW3.deliverable(3), Code({"train": CODE.files["train"]}))
    assert judge(worker, imports, FIFTH).verdict == "timeout" and worker.asked == 0


def test_with_another_file_or_under_other_rules_it_is_imported_anew():
    imports = Imports()
    judge(Sessions(LOOPED), imports)
    swapped = Code({**CODE.files, "model": Path("reference/model.py")})
    assert judge(Sessions(LOADED), imports, code=swapped).verdict == "pass"
    others = replace(FIFTH, rules=HW3.deliverable(1).rules)
    assert judge(Sessions(LOADED), imports, others).verdict == "pass"


def test_an_import_that_failed_otherwise_is_not_remembered():
    imports = Imports()
    judge(Sessions(WorkerFailure("killed", "out of memory")), imports)
    assert judge(Sessions(LOADED), imports, FIFTH).verdict == "pass"
