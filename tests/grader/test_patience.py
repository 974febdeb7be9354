"""Time for functions that never answer: less after some timeouts, and none is taken from any other function."""

from dataclasses import replace

from rich.console import Console

from grader import patience as module
from grader.assignments.hw3 import HW3
from grader.patience import SHARE, SILENT, TIMEOUTS, Patience
from grader.progress import Progress
from grader.runner import Options, grade
from grader.worker import Worker
from grader.worker.messages import Build, Call, Forward, Load, SetParameters
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


def silent(request, times: int = 1, *, small: bool = True, computed: float = 29.0) -> Patience:
    """After as many timeouts of 30 s."""
    patience = Patience(small=small)
    for _ in range(times):
        patience.ran_out(request, 30.0, computed)
    return patience


def test_who_computes_for_a_whole_check_and_never_answers_soon_gets_less():
    assert silent(CONV).allowed(CONV, 30.0) == SILENT[0] * 30.0
    assert silent(CONV, 2).allowed(CONV, 30.0) == silent(CONV, 9).allowed(CONV, 30.0) == SILENT[1] * 30.0
    assert "1 × MyFConv2D had run out of time" in silent(CONV).ran_out(CONV, 10.0, 9.0)


def test_who_was_kept_from_computing_is_not_taken_for_a_loop():
    assert silent(CONV, computed=14.0).allowed(CONV, 30.0) == 30.0


def test_where_much_is_asked_a_first_answer_may_take_long():
    assert silent(CONV, small=False).allowed(CONV, 30.0) == 30.0


def test_one_answer_is_enough_to_be_waited_for_again():
    patience = silent(CONV, 2)
    patience.answered(CONV, 0.1)
    assert patience.allowed(CONV, 30.0) == 30.0


def test_a_layer_that_was_built_and_given_weights_has_not_answered_yet():
    patience = Patience(small=True)
    for _ in range(2):
        patience.answered(POOL, 0.1)
        patience.answered(SetParameters(handle="layer", names=[]), 0.1)
        patience.ran_out(FORWARD, 30.0, 29.0)
    assert patience.allowed(FORWARD, 30.0) == SILENT[1] * 30.0


def graded(folder, loops: str, seconds: float, *chosen: str):
    """Some checks of a correct convolution that loops where `loops` is true, by their names."""
    (deliverable,) = [run for run in HW3.deliverables if run.number == 1]
    checks = tuple(replace(check, seconds=seconds) for check in deliverable.checks if check.id in chosen)
    assignment = replace(HW3, deliverables=(replace(deliverable, checks=checks),))
    place = folder / "alice" / "deliverable1-2"
    place.mkdir(parents=True)
    first = "    n, c, h, w = input.shape\n"
    assert first in UNFOLD
    (place / "mytorch.py").write_text(UNFOLD.replace(first, f"{first}    while {loops}:\n        pass\n", 1))
    with Worker() as worker, Progress(Console(quiet=True)) as progress:
        options = Options(deliverables=(1,), seed=1, data="synthetic")
        result = grade(assignment, str(folder / "alice"), options, worker, progress)
    return {check.id: check for check in result.deliverables[0].checks}


def test_a_loop_on_some_cases_costs_these_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 3)
    monkeypatch.setattr(module, "TIMEOUTS", 1)
    chosen = ("conv2d.values", "conv2d.stride", "conv2d.together", "conv2d.bias", "maxpool.values")
    found = graded(tmp_path, "stride > 1", 6.0, *chosen)
    assert {id: check.verdict for id, check in found.items()} == {
        "conv2d.values": "pass", "conv2d.stride": "timeout", "conv2d.bias": "pass",
        "conv2d.together": "timeout", "maxpool.values": "pass",
    }  # fmt: skip
    assert "1 × MyFConv2D" in found["conv2d.together"].reason
    assert found["conv2d.together"].seconds < found["conv2d.stride"].seconds


def test_a_loop_on_the_first_cases_does_not_cost_the_later_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COMPUTED", 0.1)  # also on a machine that is busy
    monkeypatch.setattr("grader.checks.cases.EXAMPLES", 3)
    found = graded(tmp_path, "stride == 1", 6.0, "conv2d.values", "conv2d.stride", "conv2d.padding")
    assert {id: check.verdict for id, check in found.items()} == {
        "conv2d.values": "timeout", "conv2d.stride": "pass", "conv2d.padding": "timeout",
    }  # fmt: skip
    assert "run out of time before" not in found["conv2d.padding"].reason  # it had answered meanwhile


def test_a_loop_on_all_cases_is_soon_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COMPUTED", 0.1)
    found = graded(tmp_path, "True", 4.0, "conv2d.values", "conv2d.stride", "conv2d.padding")
    assert {check.verdict for check in found.values()} == {"timeout"}
    values, stride, padding = (found[f"conv2d.{name}"].seconds for name in ("values", "stride", "padding"))
    assert "1 × MyFConv2D" in found["conv2d.stride"].reason and "2 × MyFConv2D" in found["conv2d.padding"].reason
    assert values > stride > padding
