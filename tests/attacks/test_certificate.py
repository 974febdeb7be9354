"""What a proof of robustness has to hold: true bounds, and tight ones where that can be known."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import nn

from data_scripts.hw3_models import own_models
from reference.attacks.ball import Ball
from reference.attacks.bound_rows import map_rows
from reference.attacks.branching import EFFORTS, Cut, beyond_reach, half, split
from reference.attacks.certificate import Certificate, Effort, windows
from reference.hw3.deliverable6.attack import Net

pytestmark = pytest.mark.slow

TARGET = 1
MUCH = Effort(maps=20, hidden=20, lead=40)


def tiny(seed: int) -> Net:
    """`Net` on 16×16 pixels, with 2 and 3 channels, 5 hidden units and 3 logits, about half of its units open."""
    torch.manual_seed(seed)
    net = Net()
    net.conv1, net.conv2 = nn.Conv2d(1, 2, 5), nn.Conv2d(2, 3, 5)
    net.fc1, net.fc2 = nn.Linear(3, 5), nn.Linear(5, 3)
    return net.double().eval().requires_grad_(False)


def tiny_ball(seed: int, epsilon: int = 40) -> Ball:
    """Around one image."""
    random = torch.Generator().manual_seed(seed)
    return Ball(torch.randint(0, 256, (1, 1, 16, 16), generator=random).double(), epsilon)


def certificate(net: Net, ball: Ball, target: int = TARGET) -> Certificate:
    return Certificate(net, target, ball.low[0], ball.high[0])


def lead(net: nn.Module, x: torch.Tensor, target: int = TARGET) -> torch.Tensor:
    """By how much the greatest other logit exceeds the target's. (N,)"""
    logits = net(x)
    own = logits[:, target].clone()
    return logits.index_fill(1, torch.tensor([target]), -torch.inf).amax(1) - own


def inside(ball: Ball, count: int, seed: int) -> torch.Tensor:
    """Images of a ball around one: a third uniform, a third corners, a third from one corner to another."""
    random = torch.Generator().manual_seed(seed)
    share = torch.rand((count, *ball.low.shape[1:]), generator=random, dtype=ball.low.dtype)
    share[::3] = share[::3].round()
    share[1::3] = (share[1::3] < torch.linspace(0, 1, len(share[1::3])).view(-1, 1, 1, 1)).to(share)
    return ball.low + share * (ball.high - ball.low)


def descended(net: nn.Module, ball: Ball, count: int, steps: int, seed: int) -> torch.Tensor:
    """Images of the ball from which the lead was made small by signed gradient steps."""
    x = inside(ball, count, seed)
    for step in range(steps):
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(lead(net, x).sum(), x)
        x = ball.project(x.detach() - gradient.sign() * ball.epsilon * (1 - step / steps) ** 2)
    return x


@pytest.mark.parametrize("seed", range(6))
def test_no_image_of_the_ball_comes_nearer_than_any_bound(seed):
    net, ball = tiny(seed), tiny_ball(seed)
    proof, bounds = certificate(net, ball), []
    for effort in (Effort(0, 0, 0), MUCH):
        bound, where = proof.improve(effort, enough=torch.inf)
        bounds.append(bound)
    bounds.append(split(proof, bound, where, leaves=40, enough=torch.inf))
    nearest = min(
        *(lead(net, inside(ball, 20_000, batch)).min() for batch in range(5)),
        lead(net, descended(net, ball, 300, 40, seed)).min(),
    )
    assert max(bounds) <= nearest + 1e-9
    assert bounds[0] < bounds[1] <= bounds[2]


@pytest.mark.parametrize("seed", range(3))
def test_the_limits_of_every_layer_hold(seed):
    net, ball = tiny(seed), tiny_ball(seed)
    proof = certificate(net, ball)
    proof.improve(MUCH, enough=torch.inf)
    box, x = proof.box, torch.cat([inside(ball, 20_000, seed), descended(net, ball, 300, 40, seed)])
    maps = net.conv2(nn.functional.max_pool2d(net.conv1(x), 2).relu())
    hidden = net.fc1(nn.functional.max_pool2d(maps, 2).relu().flatten(1)).numpy()
    for image in maps[::50]:
        seen = windows(image).numpy()
        assert (seen >= box.maps_low - 1e-9).all() and (seen <= box.maps_high + 1e-9).all()
    assert (hidden >= box.hidden_low - 1e-9).all() and (hidden <= box.hidden_high + 1e-9).all()


@pytest.mark.parametrize("layer", [2, 3])
@pytest.mark.parametrize("above", [True, False])
def test_a_halfs_bound_holds_for_the_images_in_it(layer, above):
    net, ball = tiny(4), tiny_ball(4)
    proof = certificate(net, ball)
    proof.improve(MUCH, enough=torch.inf)
    x = inside(ball, 3_000, 0)
    maps = net.conv2(nn.functional.max_pool2d(net.conv1(x), 2).relu())
    hidden = net.fc1(nn.functional.max_pool2d(maps, 2).relu().flatten(1))
    inputs = torch.stack([windows(image).flatten() for image in maps]) if layer == 2 else hidden
    whole, limits = proof.box, proof.box[:2] if layer == 2 else proof.box[2:]
    for place in range(inputs.shape[1]):
        threshold = inputs[:, place].median().item()
        cut = Cut(layer, place, threshold, above)
        part = half(whole, [cut])
        (bound,), _ = proof.lead([part], 40, torch.inf)
        assert limits[0].flat[place] < threshold < limits[1].flat[place]
        chosen = inputs[:, place] >= threshold if above else inputs[:, place] <= threshold
        assert bound <= lead(net, x[chosen]).min() + 1e-9
        low, high = part[:2] if layer == 2 else part[2:]
        assert (low.flat[place] <= inputs[chosen, place]).all() and (inputs[chosen, place] <= high.flat[place]).all()


def test_cases_prove_what_no_single_bound_does():
    proved = 0
    for seed in range(5):
        net, ball = tiny(seed), tiny_ball(seed)
        proof = certificate(net, ball)
        bound, where = proof.improve(MUCH, enough=torch.inf)
        nearest = lead(net, descended(net, ball, 300, 40, seed)).min().item()
        enough = (bound + 2 * nearest) / 3  # a lead that is there, but not proved yet
        if where[0] and enough > bound + 1e-6:
            proved += split(proof, bound, where, leaves=200, enough=enough) > enough
    assert proved


@pytest.mark.parametrize("seed", range(4))
def test_bounds_of_one_unit_are_its_least_and_greatest_value(seed):
    random = np.random.default_rng(seed)
    weight, bias = torch.from_numpy(random.normal(size=(1, 1, 5, 5))), torch.from_numpy(random.normal(size=1))
    low = torch.from_numpy(random.uniform(-1, 1, (1, 14, 14)))
    high = low + torch.from_numpy(random.uniform(0, 1, (1, 14, 14)))
    proof = Certificate.__new__(Certificate)  # of no network: 14 pixels leave one output of the second convolution
    proof._begin(low, high, weight, bias)
    kernel, rows = np.zeros((1, 5, 5, 1)), np.array([[0, 0, 0, 1], [0, 0, 0, -1]])
    kernel[0, 2, 3] = 1  # of the form: this unit and no other
    found = np.empty(2)
    map_rows(proof.pixels, proof.slope, proof.share, kernel, rows, 400, found, 0, 2)
    sees, window = proof.pixels.weight[0], (slice(4, 10), slice(6, 12))
    box = np.stack([low[0].numpy()[window].ravel(), high[0].numpy()[window].ravel()], 1)
    # The least value: minimise t, where t is at least 0 and at least every function.
    least = linprog([0] * 36 + [1], np.c_[sees, -np.ones(4)], np.full(4, -bias.item()), bounds=[*box, (0, None)]).fun
    middle, reach = box.mean(1), np.ptp(box, 1) / 2
    greatest = max(0, (sees @ middle + np.abs(sees) @ reach).max() + bias.item())
    assert found[0] <= least + 1e-9 and -found[1] >= greatest - 1e-9
    assert found[0] == pytest.approx(least, abs=0.02) and -found[1] == pytest.approx(greatest, abs=1e-9)


def test_without_room_the_bound_is_the_lead():
    for seed in range(3):
        net, ball = tiny(seed), tiny_ball(seed, epsilon=0)
        bound, where = certificate(net, ball).improve(EFFORTS[0], enough=torch.inf)
        assert bound == pytest.approx(lead(net, ball.x).item(), abs=1e-8)
        assert where[0] == 0


@pytest.fixture(scope="module")
def robust() -> Net:
    """Our own model B."""
    net = Net()
    net.load_state_dict({key: torch.from_numpy(np.array(v)) for key, v in own_models().models["B"].items()})
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """(2, 1, 28, 28): strokes of whole pixel values."""
    images = torch.zeros(2, 1, 28, 28)
    for image, row in zip(images, (11, 14), strict=True):
        image[0, row : row + 3, 5:23] = torch.linspace(140, 255, 18).round()
    return images


def test_bounds_of_model_b_hold_and_shrink_with_room(robust, digits):
    bounds = [beyond_reach(robust, digits, 8, epsilon) for epsilon in (0, 1, 4)]
    assert (bounds[0] > bounds[1]).all() and (bounds[1] > bounds[2]).all()
    for i in range(2):
        near = inside(Ball(digits[i : i + 1], 4), 600, i)
        assert lead(robust, near, 8).min() >= bounds[2][i] - 1e-4


def test_improved_lines_bound_model_b_better(robust, digits):
    ball = Ball(digits[:1], 8)
    proof = certificate(robust, ball, 8)
    bounds = [proof.improve(Effort(0, 0, 0), torch.inf)[0], proof.improve(Effort(4, 4, 20), torch.inf)[0]]
    assert bounds[1] > bounds[0] + 1
