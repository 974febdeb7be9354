"""On what terms a deliverable's mutants are graded: its own checks, on few images and narrow networks.

The checks and their tolerances are those of a grade. A ResNet with 8 to 32 channels in place of 64 to
512 shows the same faults in a fiftieth of the time. The reference itself is graded at full size, on the
data that a grade has.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from data_scripts import Dataset
from grader.assignments.eee7331_a1 import EEE7331_A1
from grader.assignments.eee7331_a1.networks import PART_A, PART_B
from grader.assignments.eee7331_a1.parts import trained
from grader.assignments.hw3 import HW3
from grader.assignments.hw3.deliverable1 import DELIVERABLE_1
from grader.assignments.hw3.deliverable2 import DELIVERABLE_2
from grader.assignments.hw3.deliverable3 import resnet
from grader.assignments.hw3.deliverable4 import trained_resnet
from grader.assignments.hw3.deliverable5 import class_maps
from grader.assignments.hw3.deliverable6 import evasion_attacks
from grader.checks.attacks import Counts
from grader.checks.trained import Trial
from grader.declaration import Assignment, Deliverable
from grader.oracles.figure3 import Figure3
from grader.selfcheck.images import blots, few_digits, patches, tiles

# Figure 3 with fewer channels. A submission for it has these numbers, where one for a grade has 64 to 512.
NARROW = Figure3(stem=8, blocks=((16, 2), (24, 2), (32, 2)))


@dataclass(frozen=True)
class Terms:
    """How one deliverable is graded.

    Args:
        deliverable: its checks.
        data: gives its data set; None where it needs none.
        of: the assignment.
    """

    deliverable: Deliverable
    data: Callable[[], Dataset] | None = None
    of: Assignment = HW3

    @property
    def assignment(self) -> Assignment:
        """The assignment, with this deliverable alone."""
        return replace(self.of, title=f"{self.of.title}, in small", deliverables=(self.deliverable,))

    def dataset(self, name: str) -> Dataset:
        """The data set, as `grader.runner.grade` asks for it."""
        if self.data is None:
            raise ValueError(f"deliverable {self.deliverable.number} asked for {name}, expected it to need no data")
        return self.data()


TRIAL = Trial(epochs=3, images=400)

TERMS: dict[str, dict[int, Terms]] = {
    "hw3": {
        1: Terms(DELIVERABLE_1),
        # On its own layers, once: no second run on the reference's.
        2: Terms(replace(DELIVERABLE_2, rests_on=None), blots),
        3: Terms(resnet(NARROW)),
        4: Terms(trained_resnet(epochs=2, trial=TRIAL), tiles),
        5: Terms(class_maps(NARROW), patches),
        6: Terms(evasion_attacks(Counts(tried=16, measured=16)), few_digits),
    },
    "eee7331-a1": {
        1: Terms(EEE7331_A1.deliverable(1), of=EEE7331_A1),
        # A training asks for the network's name and not for its layers: a small one will do.
        2: Terms(replace(trained(2, "A", PART_A, required=0.7, trial=TRIAL), rests_on=None), tiles, EEE7331_A1),
        3: Terms(EEE7331_A1.deliverable(3), of=EEE7331_A1),
        4: Terms(replace(trained(4, "B", PART_B, required=0.6, trial=TRIAL), rests_on=None), tiles, EEE7331_A1),
    },
}
