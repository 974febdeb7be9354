"""HW3 deliverable 6, evasion attacks: checks, points, and the success rates that are asked for.

The network that is attacked is written down in `grader.oracles.evasion`.
"""

from grader.checks import attacks
from grader.checks.attacks import Counts, Task
from grader.declaration import Check, Deliverable, Gathering
from grader.exhibits import evasion
from grader.worker.forbid import Rules

SETTINGS = (("A", 8), ("A", 16), ("B", 8), ("B", 16))  # model, ε in pixel values
UNTARGETED = Task("untargeted_attack", budget=20)
TARGETED = Task("targeted_attack", budget=100, digit=1, target=8)
IMPROVED = Task("improved_targeted_attack", budget=100, digit=1, target=8)

# Measured on MNIST's test set, model A, with 200 images (task 1) and all 1,135 ones (tasks 2 and 3, by
# `python -m reference.hw3.deliverable6.paired`, with `--own` for ours):
#                                           hand-out's A      our own A
# task 1, equal steps on cross-entropy      13 % and 53 %     25 % and 75 %   at ε = 8 and 16
# task 2, equal steps on cross-entropy      36 %              70 %            at ε = 16
# task 3, the reference                     62 %              85 %            at ε = 16
# Equal steps are 2.5 ε / steps. Tasks 1 and 2 ask for about two thirds of that, since it is a correct
# answer; task 3 asks for what lies between the last two rows. An attack of these rates misses what is asked
# for on 300 drawn images with a probability below 1e-6 in each setting (tests/grader/test_false_alarms.py).
# Of B, and of 1 → 8 at ε = 8, the best attack known here fools too few (0 to 12 %) to tell attacks apart.
REACHED_UNTARGETED = {
    "hand-out": {("A", 8): 0.04, ("A", 16): 0.39},
    "own": {("A", 8): 0.12, ("A", 16): 0.55},
}
REACHED_TARGETED = {
    "hand-out": {("A", 16): 0.20},
    "own": {("A", 16): 0.45},
}
REACHED_IMPROVED = {
    "hand-out": {("A", 16): 0.45},
    "own": {("A", 16): 0.74},
}
CHANCE = 3  # images


def evasion_attacks(counts: Counts = Counts()) -> Deliverable:
    """The deliverable.

    Args:
        counts: how many images an attack is run on.
    """
    return Deliverable(
        number=6,
        title="evasion attacks",
        folder="deliverable6",
        files=("attack",),
        judged="attack",
        rules=Rules(),
        data="mnist",
        attacks=True,
        checks=(
            Check("attack.net", "Net: takes the models' parameters and computes them (given)", 0, attacks.network),
            Check("attack.test", "test: benign accuracy (given)", 0, attacks.accuracy),
            Check(
                "untargeted.examples",
                "untargeted_attack: pixels in range, within ε of the originals",
                3,
                attacks.examples(UNTARGETED, SETTINGS, (("A", 8), ("A", 16)), counts),
                seconds=120,
            ),
            Check(
                "untargeted.budget",
                "untargeted_attack: at most 20 backward passes per image",
                2,
                attacks.budget(UNTARGETED),
            ),
            Check(
                "untargeted.success",
                "untargeted_attack: success rate",
                3,
                attacks.reaches(UNTARGETED, REACHED_UNTARGETED),
            ),
            Check(
                "targeted.examples",
                "targeted_attack, 1 → 8: pixels in range, within ε of the originals",
                2,
                attacks.examples(TARGETED, SETTINGS, (("A", 16),), counts),
                seconds=240,
            ),
            Check(
                "targeted.budget",
                "targeted_attack: at most 100 backward passes per image",
                1,
                attacks.budget(TARGETED),
            ),
            Check("targeted.success", "targeted_attack: success rate", 2, attacks.reaches(TARGETED, REACHED_TARGETED)),
            Check(
                "improved.examples",
                "improved_targeted_attack, 1 → 8: pixels in range, within ε of the originals",
                2,
                attacks.examples(IMPROVED, SETTINGS, (("A", 16),), counts),
                seconds=240,
            ),
            Check(
                "improved.budget",
                "improved_targeted_attack: at most 100 backward passes per image",
                1,
                attacks.budget(IMPROVED),
            ),
            Check(
                "improved.success",
                "improved_targeted_attack: clearly better than targeted_attack",
                4,
                attacks.improves(IMPROVED, TARGETED, REACHED_IMPROVED, CHANCE),
            ),
        ),
        exhibits=(
            Gathering("Task 1: success rate", evasion.rates("Untargeted attack", UNTARGETED), seconds=600),
            Gathering(
                "Tasks 2 and 3: success rate",
                evasion.rates("Targeted attacks, 1 → 8", TARGETED, IMPROVED),
                seconds=900,
            ),
            Gathering("adversarial images", evasion.pictures(UNTARGETED, TARGETED, IMPROVED)),
        ),
    )


DELIVERABLE_6 = evasion_attacks()
