"""How often chance alone fails a right answer: below one in a million for each statistical check.

The two tests of He initialisation have theirs in test_oracles_resnet.py. Convolution's initialisation is
refused only where two draws of 4,608 numbers are the same. Accuracies on all test images have no draw in them.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from grader.assignments.hw3.deliverable4 import MIRROR_LOSS
from grader.assignments.hw3.deliverable6 import REACHED_IMPROVED, REACHED_TARGETED, REACHED_UNTARGETED
from grader.checks.attacks import Counts
from grader.checks.trained import GUESSED_RATE, SAMPLE, UNSEEN_RATE
from grader.oracles.accuracy import Accuracy, better_by_chance, named_by_chance

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


def test_a_network_that_guesses_is_refused_less_than_once_in_a_million():
    """Of ten classes' orders, all alike, those that are refused are three at the most."""
    assert math.floor(GUESSED_RATE * math.factorial(10)) / math.factorial(10) < RATE


@pytest.mark.parametrize("seed", range(20))
def test_the_share_of_orders_is_that_of_all_orders_one_by_one(seed):
    """Whatever is taken for what: in a share α of the orders, or fewer, that share is α or less."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 2 + 3 * seed, (5, 5))  # with many orders that are as good as others, and with few
    orders = [list(order) for order in itertools.permutations(range(5))]
    right = np.array([np.trace(counts[order]) for order in orders])
    shares = np.array([named_by_chance(counts[order]) for order in orders])
    np.testing.assert_allclose(shares, [(right >= each).mean() for each in right])
    for rate in shares:
        assert (shares <= rate).mean() <= rate + 1e-12


def test_who_knows_a_little_of_every_class_does_not_guess():
    """20 of 200 images more of each class than of any other one."""
    counts = np.full((10, 10), 18) + 20 * np.eye(10, dtype=int)
    assert named_by_chance(counts) == pytest.approx(1 / math.factorial(10)) and named_by_chance(counts) < GUESSED_RATE
    assert named_by_chance(np.roll(counts, 1, axis=0)) > 0.3  # all of it under wrong names


def test_who_takes_all_images_for_one_class_guesses():
    counts = np.zeros((10, 10), int)
    counts[3] = 200
    assert named_by_chance(counts) == 1


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
