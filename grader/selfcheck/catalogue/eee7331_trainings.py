"""Handwritten faults of EEE7331's trained networks: a loop's and a checkpoint's, for each part."""

from grader.assignments.eee7331_a1.parts import MEAN, STD
from grader.selfcheck.catalogue.loops import checkpoint_faults, loop_faults
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.eee7331 import TRAINED_A, TRAINED_B


def _faults(part: str) -> tuple[Mutant, ...]:
    base, kind = (TRAINED_A, "CustomCNN") if part == "A" else (TRAINED_B, "SeparableCNN")
    weights = f"question1/part_{part.lower()}.safetensors"
    return (
        *loop_faults(base, f"part{part}_training"),
        *checkpoint_faults(base, f"part{part}_training", weights, kind=kind, mean=MEAN, std=STD, strict=False),
    )


PART_A, PART_B = _faults("A"), _faults("B")
