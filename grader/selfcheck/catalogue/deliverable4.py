"""Handwritten faults of deliverable 4, the ResNet's training and checkpoint; most are those of any such loop."""

from grader.assignments.hw3.deliverable4 import MEAN, STD
from grader.selfcheck.catalogue.loops import checkpoint_faults, loop_faults
from grader.selfcheck.submissions.deliverable4 import TRAINED, WEIGHTS

PREFIX = "resnet_training"

MUTANTS = (
    *loop_faults(TRAINED, PREFIX),
    *checkpoint_faults(TRAINED, PREFIX, WEIGHTS, kind="MyResnet", mean=MEAN, std=STD, strict=True),
)
