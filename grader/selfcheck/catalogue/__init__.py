"""Handwritten single faults, one file per deliverable. Adding a file is one line here."""

from grader.selfcheck.catalogue import (
    deliverable1,
    deliverable2,
    deliverable3,
    deliverable4,
    deliverable5,
    deliverable6,
)
from grader.selfcheck.mutant import Mutant

CATALOGUES: dict[int, tuple[Mutant, ...]] = {
    1: deliverable1.MUTANTS,
    2: deliverable2.MUTANTS,
    3: deliverable3.MUTANTS,
    4: deliverable4.MUTANTS,
    5: deliverable5.MUTANTS,
    6: deliverable6.MUTANTS,
}
