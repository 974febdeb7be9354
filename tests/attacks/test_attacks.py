"""What every attack keeps to, and what each one is known for."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from grader.worker.attack import BackwardPasses
from reference.attacks.ball import Ball
from reference.attacks.fgsm import FGSM
from reference.attacks.goal import Goal
from reference.attacks.margin import MarginAttack
from reference.attacks.momentum import MomentumPGD
from reference.attacks.pgd import PGD
from reference.attacks.registry import ATTACKS
from reference.attacks.rivals import RivalsAttack

EPSILONS = (0, 0.4, 1, 7, 300)


@pytest.fixture(params=sorted(ATTACKS))
def attack(request):
    return ATTACKS[request.param](steps=1 if request.param == "fgsm" else 9, seed=3)


@pytest.fixture(params=[False, True], ids=["untargeted", "targeted"])
def goal(request, net, images) -> Goal:
    predicted = net(images).argmax(1)
    return Goal((predicted + 1) % 4 if request.param else predicted, request.param)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_examples_are_whole_pixel_values_within_epsilon(attack, goal, net, images, epsilon):
    found = attack.perturb(net, images, goal, epsilon)
    assert found.shape == images.shape and found.dtype == images.dtype
    assert torch.equal(found, found.round())
    assert found.min() >= 0 and found.max() <= 255
    assert (found - images).abs().max() <= epsilon


def test_nothing_that_was_given_is_changed(attack, goal, net, images):
    before, parameters = images.clone(), [p.clone() for p in net.parameters()]
    attack.perturb(net, images, goal, 8)
    assert torch.equal(images, before) and not images.requires_grad
    assert all(torch.equal(p, q) and p.grad is None for p, q in zip(net.parameters(), parameters, strict=True))


def test_the_seed_decides_everything(attack, goal, net, images):
    once = attack.perturb(net, images, goal, 8)
    torch.manual_seed(99)
    assert torch.equal(once, attack.perturb(net, images, goal, 8))


def test_an_instance_does_not_depend_on_the_rest_of_its_batch(goal, net, images):
    attack = MarginAttack(steps=9)
    whole = attack.perturb(net, images, goal, 8)
    alone = attack.perturb(net, images[5:6], goal.of(torch.tensor([5])), 8)
    torch.testing.assert_close(whole[5:6], alone)


def test_attacks_raise_the_success_rate(attack, goal, net, images):
    found = attack.perturb(net, images, goal, 24)
    before = (goal.margin(net(images)) > 0).sum()
    assert (goal.margin(net(found)) > 0).sum() > before


def test_no_example_is_worse_than_its_original(attack, goal, net, images):
    found = attack.perturb(net, images, goal, 2)
    if not isinstance(attack, FGSM):  # whose only step may overshoot, yet the original is kept
        assert (goal.margin(net(found)) >= goal.margin(net(images)) - 1e-4).all()


@pytest.mark.parametrize("restarts", [1, 2, 5])
def test_no_instance_takes_more_backward_passes_than_steps(goal, net, images, restarts):
    attack = MarginAttack(steps=12, restarts=restarts)
    with BackwardPasses(images, reach=9) as counted:
        attack.perturb(net, images, goal, 8)
    assert counted.stray == 0
    assert 0 < counted.passes.max() <= 12


def test_an_instance_that_has_arrived_takes_no_further_steps(net, images):
    goal = Goal(net(images).argmax(1), targeted=True)  # reached from the start
    with BackwardPasses(images, reach=9) as counted:
        found = PGD(steps=20).perturb(net, images, goal, 8)
    assert counted.passes.max() <= 1
    assert torch.equal(found, images)


def test_an_empty_batch_is_no_error(attack, net, images):
    found = attack.perturb(net, images[:0], Goal(torch.zeros(0, dtype=torch.int64), False), 8)
    assert found.shape == images[:0].shape


def test_fgsm_is_one_projected_step_of_the_gradients_sign(net, images):
    goal = Goal(net(images).argmax(1), targeted=False)
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(net(x), goal.labels, reduction="sum"), x)
    expected = (images + 8 * gradient.sign()).clamp(0, 255)
    better = goal.margin(net(expected)) > goal.margin(net(images))
    assert better.any()
    assert torch.equal(FGSM().perturb(net, images, goal, 8)[better], expected[better])


def test_one_pgd_step_is_fgsm(net, images):
    goal = Goal(net(images).argmax(1), targeted=False)
    assert torch.equal(PGD(steps=1).perturb(net, images, goal, 8), FGSM().perturb(net, images, goal, 8))


def test_momentum_without_memory_is_pgd(goal, net, images):
    plain = PGD(steps=6).perturb(net, images, goal, 8)
    assert torch.equal(MomentumPGD(steps=6, decay=0.0).perturb(net, images, goal, 8), plain)


def test_momentum_changes_the_walk(goal, net, images):
    plain = PGD(steps=6).perturb(net, images, goal, 8)
    assert not torch.equal(MomentumPGD(steps=6, decay=1.0).perturb(net, images, goal, 8), plain)


def test_the_margin_attack_moves_where_cross_entropy_has_no_gradient(net, images):
    certain = nn.Sequential(net, nn.Linear(4, 4, bias=False))
    with torch.no_grad():
        certain[1].weight.copy_(1e4 * torch.eye(4))  # softmax is one-hot in float32
    labels = certain(images).argmax(1)
    goal = Goal((labels + 1) % 4, targeted=True)
    stuck = PGD(steps=9).perturb(certain, images, goal, 24)
    moved = MarginAttack(steps=9).perturb(certain, images, goal, 24)
    assert (goal.margin(certain(moved)) > 0).sum() > (goal.margin(certain(stuck)) > 0).sum()


def test_the_second_rival_counts_for_its_weight_and_at_the_end_for_nothing():
    logits = torch.tensor([[1.0, 3.0, 2.0, 7.0]])
    walk = SimpleNamespace(goal=Goal(torch.tensor([1]), True), step=0, steps=10)
    attack = RivalsAttack(steps=10, second=0.5)
    assert attack.loss(walk, logits).item() == pytest.approx(3 - (7 + 2) / 2)
    walk.step = 5  # weight 0.5 · 0.5²
    assert attack.loss(walk, logits).item() == pytest.approx(3 - (7 * 0.875 + 2 * 0.125))
    walk.step = 10
    assert attack.loss(walk, logits).item() == walk.goal.margin(logits).item() == -4
    walk.goal, walk.step = Goal(torch.tensor([1]), False), 0
    assert attack.loss(walk, logits).item() == pytest.approx((7 + 2) / 2 - 3)


def test_without_a_second_rival_it_is_the_margin_attack(goal, net, images):
    one = RivalsAttack(steps=9, second=0.0, first_step=2.0).perturb(net, images, goal, 8)
    assert torch.equal(one, MarginAttack(steps=9).perturb(net, images, goal, 8))
    assert not torch.equal(one, RivalsAttack(steps=9, first_step=2.0).perturb(net, images, goal, 8))


def test_two_classes_have_a_margin_too():
    logits = torch.tensor([[1.0, 3.0]])
    walk = SimpleNamespace(goal=Goal(torch.tensor([0]), True), step=0, steps=10)
    assert RivalsAttack(steps=10).loss(walk, logits).item() == -2


def test_restarts_take_up_only_what_is_still_open(net, images):
    goal = Goal(net(images).argmax(1), targeted=False)
    once = MarginAttack(steps=5).perturb(net, images, goal, 8)
    again = MarginAttack(steps=10, restarts=2).perturb(net, images, goal, 8)
    arrived = goal.margin(net(once)) > 1e-3
    assert arrived.any()
    assert torch.equal(once[arrived], again[arrived])


def test_the_margin_is_positive_exactly_where_the_wish_is_fulfilled():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 3.0, 2.0]])
    labels = torch.tensor([1, 1])
    assert Goal(labels, True).margin(logits).tolist() == [1.0, -2.0]
    assert Goal(labels, False).margin(logits).tolist() == [-1.0, 2.0]


@pytest.mark.parametrize(
    ("spoil", "epsilon", "words"),
    [
        (lambda x: x / 255, 8, "raw pixels"),
        (lambda x: x + 1, 8, "from 1 to 256"),
        (lambda x: x.long(), 8, "floating-point"),
        (lambda x: x, -1, "epsilon"),
        (lambda x: x, float("nan"), "epsilon"),
    ],
)
def test_other_images_or_limits_are_refused_in_words(images, spoil, epsilon, words):
    with pytest.raises(ValueError, match=words):
        Ball(spoil(images), epsilon)


def test_more_restarts_than_steps_are_refused():
    with pytest.raises(ValueError, match="restarts: expected 1 to steps"):
        MarginAttack(steps=3, restarts=4)
