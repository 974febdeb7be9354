"""Handwritten single faults, one file per deliverable. Adding a file is one line here."""

from grader.selfcheck.catalogue import (
    deliverable1,
    deliverable2,
    deliverable3,
    deliverable4,
    deliverable5,
    deliverable6,
    eee7331_networks,
    eee7331_trainings,
)
from grader.selfcheck.mutant import Mutant

CATALOGUES: dict[str, dict[int, tuple[Mutant, ...]]] = {
    "hw3": {
        1: deliverable1.MUTANTS,
        2: deliverable2.MUTANTS,
        3: deliverable3.MUTANTS,
        4: deliverable4.MUTANTS,
        5: deliverable5.MUTANTS,
        6: deliverable6.MUTANTS,
    },
    "eee7331-a1": {
        1: eee7331_networks.PART_A,
        2: eee7331_trainings.PART_A,
        3: eee7331_networks.PART_B,
        4: eee7331_trainings.PART_B,
    },
}
