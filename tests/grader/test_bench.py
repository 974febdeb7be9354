"""The bench's own care for the machine: threads only where there is something to share out."""

from dataclasses import replace

import pytest
import torch

from grader.assignments.hw3 import HW3
from grader.bench import Bench
from grader.declaration import Check, Outcome
from grader.imports import Imports
from grader.worker import Code


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("small", "expected"), [(True, 1), (False, 2)])
def test_what_is_small_is_judged_on_one_thread(two_threads, small, expected):
    used = []
    check = Check("a.check", "a check", 1, lambda bench: used.append(torch.get_num_threads()) or Outcome("pass"))
    with Bench(
        replace(HW3.deliverable(1), small=small), code=Code({}), worker=None, seed=1, epochs=1, data=None, models=None,
        imports=Imports(), report=lambda line: None,
    ) as bench:  # fmt: skip
        assert bench.judge(check).verdict == "pass"
    assert used == [expected]
    assert torch.get_num_threads() == 2
