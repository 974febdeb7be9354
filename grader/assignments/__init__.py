"""The assignments that can be graded: one line each."""

from grader.assignments.hw3 import HW3

ASSIGNMENTS = {assignment.name: assignment for assignment in (HW3,)}
