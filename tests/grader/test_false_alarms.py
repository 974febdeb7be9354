"""How often chance alone fails a right answer: below one in a million for each statistical check.

The two tests of He initialisation have theirs in test_oracles_resnet.py. Convolution's initialisation is
refused only where two draws of 4,608 numbers are the same. Accuracies on all test images have no draw in them.
"""

import math

import numpy as np
import pytest
from scipy.stats import binom, hypergeom, norm

from grader.assignments.hw3.deliverable4 import CHANCE, MIRROR_LOSS
from grader.assignments.hw3.deliverable6 import REACHED_IMPROVED, REACHED_TARGETED, REACHED_UNTARGETED
from grader.checks.attacks import Counts
from grader.checks.trained import SAMPLE, UNSEEN_RATE
from grader.oracles.accuracy import Accuracy, better_by_chance

RATE = 1e-6
DIGITS, ONES = 10_000, 1_135  # of MNIST's test set; CIFAR-10's has as many images

# What right attacks were measured to reach, of all digits or of all ones: the reference on the hand-out's
# models (docs/evasion.md), and equal steps on cross-entropy, or the reference on our own models, as
# grader/assignments/hw3/deliverable6.py has them.
RIGHT = [
    ("reference", REACHED_UNTARGETED, "hand-out", 8, DIGITS, 0.1379),
    ("reference", REACHED_UNTARGETED, "hand-out", 16, DIGITS, 0.5928),
    ("reference", REACHED_TARGETED, "hand-out", 16, ONES, 0.3568),
    ("reference", REACHED_IMPROVED, "hand-out", 16, ONES, 0.6159),
    ("reference", REACHED_IMPROVED, "own", 16, ONES, 0.85),
    ("equal steps", REACHED_UNTARGETED, "hand-out", 8, DIGITS, 0.13),
    ("equal steps", REACHED_UNTARGETED, "hand-out", 16, DIGITS, 0.53),
    ("equal steps", REACHED_UNTARGETED, "own", 8, DIGITS, 0.25),
    ("equal steps", REACHED_UNTARGETED, "own", 16, DIGITS, 0.75),
    ("equal steps", REACHED_TARGETED, "hand-out", 16, ONES, 0.32),
    ("equal steps", REACHED_TARGETED, "own", 16, ONES, 0.69),
]


def missed(of_all: float, population: int, asked: float, drawn: int) -> float:
    """How often fewer of `drawn` images than asked for are fooled, if `of_all` of the population are."""
    fewest = math.ceil(asked * drawn - 1e-9)
    return float(hypergeom.cdf(fewest - 1, population, round(of_all * population), drawn))


@pytest.mark.parametrize(("attack", "required", "models", "epsilon", "population", "reached"), RIGHT)
def test_a_right_attack_misses_its_rate_less_than_once_in_a_million(
    attack, required, models, epsilon, population, reached
):
    asked = required[models]["A", epsilon]
    assert missed(reached, population, asked, Counts().measured) < RATE


def test_every_rate_that_is_asked_for_is_among_them():
    asked = {
        (id(required), models, epsilon)
        for required in (REACHED_UNTARGETED, REACHED_TARGETED, REACHED_IMPROVED)
        for models, settings in required.items()
        for _, epsilon in settings
    }
    assert {(id(required), models, epsilon) for _, required, models, epsilon, _, _ in RIGHT} == asked


def test_the_tail_is_that_of_draws():
    """At a rate that can be counted: 20,000 draws of 30 out of 100, 40 of which are fooled."""
    random = np.random.default_rng(0)
    draws = random.hypergeometric(40, 60, 30, 20_000)
    stated = missed(0.4, 100, 0.3, 30)
    counted = (draws < 9).mean()
    assert counted == pytest.approx(stated, abs=5 * math.sqrt(stated / 20_000))


def test_a_network_that_loses_nothing_on_mirrored_images_is_refused_less_than_once_in_a_million():
    """Of 2,000 images 30 % change their answer when they are mirrored, for better as often as for worse."""
    changed = np.arange(SAMPLE + 1)
    worse = np.floor((changed + MIRROR_LOSS * SAMPLE) / 2)  # more of them lose than this: refused
    refused = (binom.pmf(changed, SAMPLE, 0.3) * binom.sf(worse, changed, 0.5)).sum()
    assert 0 < refused < 1e-10 < RATE


def test_what_random_weights_may_guess_is_far_from_all_that_was_seen():
    """127 networks had 6.4 to 14.2 %, on 500 images each: five standard deviations, give or take half."""
    deviation = (0.142 - 0.064) / 5
    assert (CHANCE - 0.1) / deviation > 15
    assert norm.sf((CHANCE - 0.1) / deviation) < RATE
    # The worst of them is not refused because of which 2,000 images are drawn.
    assert binom.sf(CHANCE * SAMPLE, SAMPLE, 0.142) < RATE


@pytest.mark.parametrize("share", [0.7, 0.9])
def test_a_network_that_knows_both_alike_is_refused_less_than_once_in_a_million(share):
    """Summed over what 2,000 training and 10,000 test images can give."""
    train, test = range(SAMPLE + 1), range(DIGITS + 1)
    of_train, of_test = binom.pmf(train, SAMPLE, share), binom.pmf(test, DIGITS, share)
    likely = [right for right in train if of_train[right] > 1e-13]
    rate = 0.0
    for right in likely:
        low, high = 0, DIGITS + 1  # the fewest right test images that are refused beside so many training images
        while low < high:
            middle = (low + high) // 2
            refused = better_by_chance(Accuracy(middle, DIGITS), Accuracy(right, SAMPLE)) < UNSEEN_RATE
            low, high = (low, middle) if refused else (middle + 1, high)
        rate += of_train[right] * float(of_test[low:].sum())
    assert 0 < rate < RATE


def test_a_network_that_knows_test_images_better_by_five_points_is_refused():
    assert better_by_chance(Accuracy(8_740, DIGITS), Accuracy(1_640, SAMPLE)) < UNSEEN_RATE  # 87.4 and 82.0 %
    assert better_by_chance(Accuracy(8_740, DIGITS), Accuracy(1_700, SAMPLE)) > UNSEEN_RATE  # 85.0 %
    assert better_by_chance(Accuracy(8_740, DIGITS), Accuracy(1_900, SAMPLE)) > 0.999
