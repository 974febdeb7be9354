"""What a proof of robustness has to hold: true bounds, tight where there is nothing to choose."""

import numpy as np
import pytest
import torch

from data_scripts.hw3_models import own_models
from reference.attacks.ball import Ball
from reference.attacks.certificate import Certificate, Relaxation, beyond_reach, unwindows, windows
from reference.hw3.deliverable6.attack import Net

OTHERS = [0, 1, 2, 3, 4, 5, 6, 7, 9]


@pytest.fixture(scope="module")
def robust() -> Net:
    """Our own model B."""
    net = Net()
    net.load_state_dict({key: torch.from_numpy(np.array(v)) for key, v in own_models().models["B"].items()})
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """(3, 1, 28, 28): strokes of whole pixel values."""
    images = torch.zeros(3, 1, 28, 28)
    for image, row in zip(images, (11, 14, 16), strict=True):
        image[0, row : row + 3, 5:23] = torch.linspace(140, 255, 18).round()
    return images


def leads(net: Net, x: torch.Tensor) -> torch.Tensor:
    """By how much the other logits exceed that of the 8."""
    logits = net.double()(x.double())
    net.float()
    return logits[:, OTHERS] - logits[:, 8:9]


def test_no_image_of_the_ball_comes_nearer_than_the_bound(robust, digits):
    ball = Ball(digits, 3)
    bound = Certificate(robust, ball.low, ball.high).leads(8)
    random = torch.Generator().manual_seed(0)
    for _ in range(40):  # corners, where linear functions are least
        corner = torch.where(torch.rand(digits.shape, generator=random) < 0.5, ball.low, ball.high)
        assert (leads(robust, corner) >= bound - 1e-9).all()


def test_without_room_the_bound_is_the_lead(robust, digits):
    bound = Certificate(robust, digits, digits).leads(8)
    torch.testing.assert_close(bound, leads(robust, digits), rtol=0, atol=1e-8)


def test_more_room_gives_no_larger_bound(robust, digits):
    bounds = [beyond_reach(robust, digits, 8, epsilon, batch=2) for epsilon in (0, 1, 4)]
    assert (bounds[0] > bounds[1]).all() and (bounds[1] > bounds[2]).all()


def test_both_lines_enclose_the_largest_input():
    random = torch.Generator().manual_seed(0)
    lower = torch.randn(500, 4, generator=random, dtype=torch.float64) * 2
    upper = lower + 2 * torch.rand(500, 4, generator=random, dtype=torch.float64)
    lines = Relaxation.of(lower, upper)
    for _ in range(50):
        x = lower + (upper - lower) * torch.rand(500, 4, generator=random, dtype=torch.float64).round()
        truth = x.amax(1).clamp_min(0)
        assert ((lines.below * x).sum(1) <= truth + 1e-12).all()
        assert ((lines.above * x).sum(1) + lines.offset >= truth - 1e-12).all()


def test_windows_are_what_a_pool_sees():
    x = torch.arange(96.0).view(2, 3, 4, 4)
    assert torch.equal(windows(x).amax(-1), torch.nn.functional.max_pool2d(x, 2))
    assert torch.equal(unwindows(windows(x)), x)
