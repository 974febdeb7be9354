"""Hints about initialisation and adversarial examples: told where they are certain, and only there."""

import pytest
import torch
from torch import nn

from grader.hints import evasion, initialisation
from grader.oracles.initialisation import he_fault

SHAPES = ((64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 64, 1, 1), (256, 128, 3, 3))
EPSILON = 8


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda w: nn.init.kaiming_uniform_(w, a=5**0.5), "a fresh layer"),
        (lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), "a gain of 1: He"),
        (lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear"), "a gain of 1 and of fan_out"),
        (nn.init.xavier_normal_, "Xavier"),
        (nn.init.xavier_uniform_, "Xavier"),
        (nn.init.normal_, "standard normal"),
        (lambda w: nn.init.normal_(w, 0, 2 / w[0].numel()), "the square of He's"),
        (lambda w: nn.init.normal_(w, 0, 0.01), "0.01"),
        (lambda w: nn.init.normal_(w, 0, (3 / w[0].numel()) ** 0.5), ""),  # of a gain that nobody knows
        (lambda w: nn.init.kaiming_normal_(w) + 0.02, ""),
        (lambda w: nn.init.constant_(w, float("nan")), ""),
    ],
)
def test_another_initialisation_is_named_where_its_variance_tells(draw, said):
    torch.manual_seed(1)
    weights = {str(shape): draw(torch.empty(shape)).detach() for shape in SHAPES}
    assert he_fault(weights)
    found = initialisation.hint(weights)
    assert (said in found) if said else found == ""


def test_a_layer_as_wide_as_it_is_deep_does_not_tell_a_gain_of_1_from_xavier():
    torch.manual_seed(2)
    assert initialisation.hint({"w": nn.init.xavier_normal_(torch.empty(64, 64, 3, 3))}) == ""


def test_he_initialisation_gets_no_hint():
    torch.manual_seed(3)
    drawn = {str(shape): nn.init.kaiming_normal_(torch.empty(shape), nonlinearity="relu") for shape in SHAPES}
    assert initialisation.hint(drawn) == ""


def noise(scale: float) -> torch.Tensor:
    """(4, 1, 28, 28) from -scale to scale, both of which occur."""
    return scale * torch.randint(-1, 2, (4, 1, 28, 28), generator=torch.Generator().manual_seed(4)).float()


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (lambda x: x + noise(EPSILON), ""),  # nothing is wrong
        (lambda x: (x + noise(EPSILON)) / 255, "divided by 255"),
        (lambda x: (x + noise(EPSILON)).mT, "the transpose"),
        (lambda x: x + noise(EPSILON + 1), "one grey level beyond"),
        (lambda x: x + noise(2 * EPSILON), "exactly 2ε"),
        (lambda x: x + noise(EPSILON + 3), ""),
        (lambda x: x.flip(0), "in another order"),
        (lambda x: x[:2], ""),
        (lambda x: x * float("nan"), ""),
    ],
)
def test_examples_that_are_too_far_are_explained_where_that_is_certain(attack, said):
    images = torch.randint(20, 230, (4, 1, 28, 28), generator=torch.Generator().manual_seed(5)).float()
    found = evasion.hint(attack(images), images, EPSILON)
    assert (said in found) if said else found == ""
