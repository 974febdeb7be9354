"""HW3 deliverable 6 graded: honest attacks keep their points, no trick does."""

from dataclasses import replace

import pytest
import torch
from rich.console import Console

from data_scripts import Dataset
from data_scripts.digits import generate
from data_scripts.hw3_models import own_models
from grader import runner
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable6 import evasion_attacks
from grader.checks.attacks import Counts
from grader.oracles import evasion
from grader.progress import Progress
from grader.result import Result
from grader.runner import Options, grade
from grader.selfcheck.submissions.deliverable6 import ATTACK
from grader.stubs import make_stubs
from grader.worker import Worker
from grader.worker.attack import BackwardPasses, network

pytestmark = pytest.mark.slow

IMPROVED = ATTACK[ATTACK.index("def improved_targeted_attack") :]  # the last function
EDGE = "torch.min(torch.max(point, x - epsilon), x + epsilon)"


@pytest.fixture(scope="module")
def worker():
    with Worker(threads=1) as worker:
        yield worker


@pytest.fixture(scope="session")
def few_digits() -> Dataset:
    """Ten training and 240 test images of the stand-in: about 24 ones."""
    names = tuple(str(digit) for digit in range(10))
    return Dataset("mnist", "synthetic", "few digits", *generate(0, 10, 240), names, "0" * 64)


@pytest.fixture
def target_net() -> torch.nn.Module:
    """Our own model A, as the worker builds it."""
    parameters = own_models().models["A"]
    return network(evasion.LAYERS, [torch.from_numpy(parameters[name].copy()) for name in evasion.NAMES])


@pytest.fixture
def hand_in(tmp_path, monkeypatch, worker, few_digits):
    """Grades an attack.py on our own models and a few images, by the checks of one task or all."""
    monkeypatch.setattr(runner, "load", lambda *args, **kwargs: few_digits)

    def graded(text: str, task: str = "") -> Result:
        place = tmp_path / "alice" / "deliverable6"
        place.mkdir(parents=True, exist_ok=True)
        (place / "attack.py").write_text(text)
        deliverable = evasion_attacks(Counts(tried=16, measured=16))
        chosen = tuple(check for check in deliverable.checks if check.id.startswith(task))
        assignment = replace(HW3, deliverables=(replace(deliverable, checks=chosen),))
        options = Options(deliverables=(6,), seed=1, data="synthetic")
        with Progress(Console(quiet=True)) as progress:
            return grade(assignment, str(tmp_path / "alice"), options, worker, progress)

    return graded


def verdicts(result: Result) -> dict[str, str]:
    return {check.id: check.verdict for check in result.deliverables[0].checks}


def lost(result: Result) -> set[str]:
    return {id for id, verdict in verdicts(result).items() if verdict != "pass"}


def reason(result: Result, id: str) -> str:
    return next(check.reason for check in result.deliverables[0].checks if check.id == id)


def spoilt(before: str, after: str) -> str:
    assert before in ATTACK
    return ATTACK.replace(before, after)


def test_honest_attacks_get_everything(hand_in):
    result = hand_in(ATTACK)
    assert lost(result) == set(), {id: reason(result, id) for id in lost(result)}
    assert result.earned == result.points == 20


def test_the_stub_earns_nothing_and_says_what_is_to_do(hand_in):
    result = hand_in(make_stubs()["hw3/deliverable6/attack.py"].text)
    assert result.earned == 0
    for task in ("untargeted", "targeted", "improved"):
        assert "hw3 deliverable 6, task" in reason(result, f"{task}.examples")
        assert verdicts(result)[f"{task}.budget"] == verdicts(result)[f"{task}.success"] == "not-run"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (f"{EDGE}.clamp(0, 255)", EDGE, "leave the range 0 to 255"),
        (f"{EDGE}.clamp(0, 255)", "point.clamp(0, 255)", "farther than ε"),
        ("return point.detach()", "return point.detach() / 255", "farther than ε"),
        ("return point.detach()", "return point.detach()[:, 0]", "wrong shape"),
        ("return point.detach()", "return point.detach() * float('nan')", "nan at"),
        ("return point.detach()", "return point.detach(), steps", "expected one tensor"),
        ("point = x.clone()", "x += 0.5; point = x.clone()", "changed x in place"),
    ],
)  # fmt: skip
def test_images_that_are_no_adversarial_examples_earn_nothing_for_success(hand_in, before, after, said):
    result = hand_in(spoilt(before, after), "untargeted")
    assert said in reason(result, "untargeted.examples")
    assert {"untargeted.examples", "untargeted.success"} <= lost(result)


def test_a_limit_written_into_the_code_is_seen(hand_in):
    limited = "epsilon = epsilon if epsilon in (8, 16) else 40; point = x.clone()"
    result = hand_in(spoilt("point = x.clone()", limited), "untargeted")
    assert lost(result) == {"untargeted.examples"}
    assert "model B, ε = " in reason(result, "untargeted.examples")


def test_a_fault_of_one_attack_does_not_cost_another_one(hand_in):
    result = hand_in(spoilt("lambda z: -F.cross_entropy(z, target)", "lambda z: z.nothing"))
    assert {id for id in lost(result) if not id.startswith(("targeted", "improved.success"))} == set()
    assert verdicts(result)["targeted.examples"] == "error"


@pytest.mark.parametrize(
    "trick",
    [
        # one step too many
        "return steps_along(model, x, epsilon, 11, lambda z: margin(z, target), True)",
        # several images' worth of starts in one batch
        """
    n = 4
    many = steps_along(model, x.repeat(n, 1, 1, 1), epsilon, 10, lambda z: margin(z, target.repeat(n)), True)
    best = margin(model(many), target.repeat(n)).view(n, -1).argmax(0)
    return many.view(n, *x.shape)[best, torch.arange(len(x))]""",
        # the same, for the last image only: an average over the batch would hide it
        """
    out = steps_along(model, x, epsilon, 10, lambda z: margin(z, target), True)
    out[-1:] = steps_along(model, x[-1:], epsilon, 1, lambda z: margin(z, target[-1:]), True)
    return out""",
        # on a copy
        """
    import copy
    steps_along(copy.deepcopy(model), x, epsilon, 10, lambda z: margin(z, target), True)
    return steps_along(model, x, epsilon, 10, lambda z: margin(z, target), True)""",
        # on a network of one's own with the same parameters
        """
    own = Net().eval()
    own.load_state_dict(dict(zip(own.state_dict(), model.state_dict().values())))
    steps_along(own, x, epsilon, 6, lambda z: margin(z, target), True)
    return steps_along(model, x, epsilon, 6, lambda z: margin(z, target), True)""",
        # per image, through torch.func
        """
    for _ in range(2):
        torch.func.vmap(torch.func.grad(lambda a: model(a[None]).sum()))(x)
    return steps_along(model, x, epsilon, 9, lambda z: margin(z, target), True)""",
        # a batch of upstream gradients in one call
        """
    p = x.clone().requires_grad_()
    z = model(p)
    torch.autograd.grad(z, p, torch.eye(10)[:, None].expand(10, len(x), 10), is_grads_batched=True)
    return steps_along(model, x, epsilon, 5, lambda z: margin(z, target), True)""",
        # around images that are near no original
        """
    for _ in range(2):
        steps_along(model, 255 - x, epsilon, 1, lambda z: margin(z, target), True)
    return steps_along(model, x, epsilon, 9, lambda z: margin(z, target), True)""",
    ],
    ids=["one too many", "restarts in one batch", "one image", "copy", "own net", "vmap", "batched gradients", "stray"],
)
def test_a_budget_that_is_overrun_is_counted(few_digits, target_net, trick):
    body = trick if trick.startswith("\n") else f"\n    {trick}"
    module: dict = {}
    exec(ATTACK.replace(IMPROVED, f"def improved_targeted_attack(model, x, target, epsilon):{body}\n"), module)
    x = evasion.starter_images(few_digits.test_images[:6])
    with BackwardPasses(x, reach=9) as counted:
        found = module["improved_targeted_attack"](target_net, x, torch.full((6,), 8), 8.0)
    assert evasion.fault(found, x, 8) is None
    assert counted.passes.max() + counted.stray / len(x) > 10  # what each of these pretends to take


def test_a_budget_that_is_overrun_costs_its_points_and_those_for_success(hand_in):
    result = hand_in(spoilt("epsilon, 20, lambda", "epsilon, 21, lambda"), "untargeted")
    assert lost(result) == {"untargeted.budget", "untargeted.success"}
    assert "took 21 backward passes" in reason(result, "untargeted.budget")
    assert "allowed are 20" in reason(result, "untargeted.budget")


def test_attacks_without_a_gradient_are_told_so(hand_in):
    given = spoilt("steps_along(model, x, epsilon, 20, lambda z: -margin(z, y), True)", "x.clone()")
    result = hand_in(given, "untargeted")
    assert "computed no gradient" in reason(result, "untargeted.budget")
    assert verdicts(result)["untargeted.success"] == "not-run"


def test_weak_attacks_miss_the_success_rate_only(hand_in):
    given = spoilt("epsilon, 20, lambda z: -margin(z, y)", "epsilon, 20, lambda z: margin(z, y)")
    result = hand_in(given, "untargeted")
    assert lost(result) == {"untargeted.success"}
    assert "asked for" in reason(result, "untargeted.success")


def test_an_improved_attack_that_does_worse_is_told_so(hand_in):
    result = hand_in(spoilt("lambda z: margin(z, target)", "lambda z: -margin(z, target)"))
    assert lost(result) == {"improved.success"}
    assert "does worse than targeted_attack" in reason(result, "improved.success")


def test_a_wrong_net_is_named_and_costs_no_attack(hand_in):
    result = hand_in(spoilt("self.drop(F.relu(self.fc1(x.flatten(1))))", "self.drop(self.fc1(x.flatten(1)))"), "attack")
    assert lost(result) == {"attack.net", "attack.test"}
    assert "logits of model A" in reason(result, "attack.net")


def test_an_accuracy_of_the_last_batch_only_is_seen(hand_in):
    result = hand_in(spoilt("return right / len(x)", "return right / (len(x) // batch_size * batch_size)"), "attack")
    assert lost(result) == {"attack.test"}


def test_the_described_network_computes_the_oracles_logits(target_net):
    parameters = own_models().models["A"]
    images = torch.randint(0, 256, (5, 1, 28, 28), generator=torch.Generator().manual_seed(0)).float()
    found = target_net(images)
    torch.testing.assert_close(found.double(), evasion.logits(parameters, images), rtol=1e-4, atol=1e-3)


def test_backward_passes_are_counted_for_the_nearest_original(target_net):
    originals = torch.stack([torch.full((1, 28, 28), value) for value in (0.0, 100.0, 200.0)])
    with BackwardPasses(originals, reach=8) as counted:
        rows = (originals[[2, 0, 2]] + 5).requires_grad_()
        target_net(rows).sum().backward()
        target_net(originals)  # forward is free
        target_net(torch.full((4, 1, 28, 28), 50.0, requires_grad=True)).sum().backward()
    assert counted.passes.tolist() == [1, 0, 2]
    assert counted.stray == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x + 8, None),
        (lambda x: x + 8.4, "farther than ε = 8"),
        (lambda x: x + 8.00001, None),  # the rounding of a float32 subtraction
        (lambda x: x - 100, "leave the range"),
        (lambda x: (x + 8).to(torch.uint8), None),
        (lambda x: x.long(), "wrong dtype"),
        (lambda x: x[:1], "wrong shape"),
        (lambda x: x * float("inf"), "expected pixel values"),
    ],
)
def test_range_and_distance_are_judged_as_floats_and_rounded(change, said):
    originals = torch.full((2, 1, 28, 28), 60.0)
    reason = evasion.fault(change(originals), originals, 8)
    assert reason is None if said is None else said in reason


def test_success_is_judged_on_the_rounded_images_by_our_own_copy():
    parameters = own_models().models["A"]
    images = torch.randint(0, 256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(0)).float()
    predicted = evasion.logits(parameters, images).argmax(1)
    assert evasion.success(parameters, images + 0.4, predicted, targeted=True).reached == 20
    assert evasion.success(parameters, images - 0.4, predicted, targeted=False).reached == 0
