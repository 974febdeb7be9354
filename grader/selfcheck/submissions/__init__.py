"""Correct submissions, one file per deliverable, for faults to be made in."""
