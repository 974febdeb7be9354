"""The assignments that can be graded: one line each."""

from grader.assignments.eee7331_a1 import EEE7331_A1
from grader.assignments.hw3 import HW3

ASSIGNMENTS = {assignment.name: assignment for assignment in (HW3, EEE7331_A1)}
