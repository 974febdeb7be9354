"""Time for functions that never answer: less after some timeouts, and none is taken from any other function."""

from dataclasses import replace

from rich.console import Console

from grader import patience as module
from grader.assignments.hw3 import HW3
from grader.patience import SHARE, TIMEOUTS, Patience
from grader.progress import Progress
from grader.runner import Options, grade
from grader.worker import Worker
from grader.worker.messages import Build, Call, Forward, Load
from tests.grader.submissions import UNFOLD

CONV = Call(module="mytorch", name="MyFConv2D", args=[], kwargs={}, grad_outputs=[], gradients=[])
SEED = Call(module="mytorch", name="setup_seed", args=[], kwargs={}, grad_outputs=[], gradients=[])
POOL = Build(module="mytorch", name="MyMaxPool2D", handle="layer", args=[], kwargs={})
FORWARD = Forward(handle="layer", args=[], grad_outputs=[], gradients=[])


def tried(request, times: int = TIMEOUTS) -> Patience:
    patience = Patience()
    for _ in range(times):
        patience.ran_out(request)
    return patience


def test_the_first_timeouts_are_waited_for_to_the_end():
    assert tried(CONV, TIMEOUTS - 1).allowed(CONV, 30.0) == 30.0


def test_after_them_a_function_gets_less_and_the_reason_says_so():
    patience = tried(CONV)
    assert patience.allowed(CONV, 30.0) == SHARE * 30.0
    assert "3 × MyFConv2D had run out of time" in patience.ran_out(CONV)


def test_no_other_function_pays_for_it():
    patience = tried(CONV)
    assert patience.allowed(SEED, 30.0) == patience.allowed(POOL, 30.0) == 30.0
    assert patience.allowed(Load(module="mytorch"), 30.0) == 30.0


def test_a_layer_is_known_by_its_class_and_not_by_the_name_of_its_handle():
    patience = Patience()
    patience.answered(POOL, 0.1)
    for _ in range(TIMEOUTS):
        patience.ran_out(FORWARD)
    assert patience.allowed(FORWARD, 30.0) < 30.0
    other = replace_name(POOL, "MyConv2D")
    patience.answered(other, 0.1)
    assert patience.allowed(FORWARD, 30.0) == 30.0


def replace_name(build: Build, name: str) -> Build:
    return Build(module=build.module, name=name, handle=build.handle, args=[], kwargs={})


def test_who_answers_slowly_is_not_taken_for_a_loop():
    patience = tried(CONV)
    patience.answered(CONV, 8.0)
    assert patience.allowed(CONV, 30.0) == 24.0
    patience.answered(CONV, 20.0)
    assert patience.allowed(CONV, 30.0) == 30.0


def test_a_loop_on_some_cases_costs_these_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 3)
    monkeypatch.setattr(module, "TIMEOUTS", 1)
    chosen = ("conv2d.values", "conv2d.stride", "conv2d.together", "conv2d.bias", "maxpool.values")
    (deliverable,) = [run for run in HW3.deliverables if run.number == 1]
    checks = tuple(replace(check, seconds=4.0) for check in deliverable.checks if check.id in chosen)
    assignment = replace(HW3, deliverables=(replace(deliverable, checks=checks),))
    place = tmp_path / "alice" / "deliverable1-2"
    place.mkdir(parents=True)
    first = "    n, c, h, w = input.shape\n"
    assert first in UNFOLD
    (place / "mytorch.py").write_text(UNFOLD.replace(first, f"{first}    while stride > 1:\n        pass\n", 1))
    with Worker() as worker, Progress(Console(quiet=True)) as progress:
        options = Options(deliverables=(1,), seed=1, data="synthetic")
        result = grade(assignment, str(tmp_path / "alice"), options, worker, progress)
    found = {check.id: check for check in result.deliverables[0].checks}
    assert {id: check.verdict for id, check in found.items()} == {
        "conv2d.values": "pass", "conv2d.stride": "timeout", "conv2d.bias": "pass",
        "conv2d.together": "timeout", "maxpool.values": "pass",
    }  # fmt: skip
    assert "1 × MyFConv2D" in found["conv2d.together"].reason
    assert found["conv2d.together"].seconds < found["conv2d.stride"].seconds
