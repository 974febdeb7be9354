"""Handwritten faults of HW3's deliverables 2 to 6 and of EEE7331: each loses its own checks, and students see why.

All of them take minutes: `python -m grader selfcheck hw3`. Here is every second one of deliverables 3 and 5,
which take a few tenths of a second each, and some of the others.
"""

from collections.abc import Iterator

import pytest

from grader.selfcheck.catalogue import CATALOGUES as ALL
from grader.selfcheck.mutant import Base, Mutant
from grader.selfcheck.runner import examine, graded
from grader.selfcheck.submissions.deliverable2 import CNN
from grader.selfcheck.submissions.deliverable3 import NARROW_RESNET
from grader.selfcheck.submissions.deliverable4 import TRAINED
from grader.selfcheck.submissions.deliverable5 import NARROW_CAM
from grader.selfcheck.submissions.deliverable6 import ATTACKS
from grader.selfcheck.submissions.eee7331 import NETWORK_A, NETWORK_B, TRAINED_A, TRAINED_B
from grader.worker import Worker

pytestmark = pytest.mark.slow

CATALOGUES = {
    **{f"hw3 {number}": mutants for number, mutants in ALL["hw3"].items() if number > 1},
    **{f"eee7331 {number}": mutants for number, mutants in ALL["eee7331-a1"].items()},
}
LEAST = 75  # of them together
LEAST_HINTED = 0.6
# Those that take seconds, since they train or attack: one of each kind.
SOME = {
    "hw3 2": ("numpy not seeded", "softmax at the end", "gradients never cleared", "accuracy of the last batch"),
    "hw3 4": (
        "sign of the loss",
        "softmax before the loss",
        "trained on the test images",
        "what it knows is in the code",
    ),
    "eee7331 2": ("an epoch of one batch", "test images and their mirror images learnt by heart"),
    "eee7331 4": ("loss of the last batch", "checkpoint that knows too little"),
    "hw3 6": ("one grey level beyond ε", "one step too many", "model fed with images divided by 255"),
}
BASES = CNN, NARROW_RESNET, TRAINED, NARROW_CAM, ATTACKS, NETWORK_A, NETWORK_B, TRAINED_A, TRAINED_B
RUN = [
    pytest.param(mutant, id=f"{number} {mutant.name}")
    for number in CATALOGUES
    for mutant in CATALOGUES[number][:: 1 if number in SOME else 2]
    if number not in SOME or mutant.name in SOME[number]
]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(threads=1, preload=("torch", "numpy")) as worker:
        yield worker


@pytest.mark.parametrize("mutant", RUN)
def test_a_mutant_loses_its_checks_and_gets_its_hint(worker, mutant: Mutant):
    finding = examine(mutant, worker, seed=1)
    assert finding.status == "caught", finding.note
    assert finding.hinted == bool(mutant.hint)


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_what_the_faults_are_made_in_is_right(worker, base: Base):
    lost = {check.id: check.reason for check in graded(base, worker, seed=1).checks if check.verdict != "pass"}
    assert lost == {}


def test_most_mutants_have_a_hint_and_the_ones_that_are_run_exist():
    mutants = [mutant for name, some in CATALOGUES.items() if name.startswith("hw3") for mutant in some]
    assert len(mutants) >= LEAST
    assert sum(bool(mutant.hint) for mutant in mutants) >= LEAST_HINTED * len(mutants)
    for name, some in SOME.items():
        assert set(some) <= {mutant.name for mutant in CATALOGUES[name]}
