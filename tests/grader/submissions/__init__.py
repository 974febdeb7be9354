"""Small submissions that the grader's tests hand in."""

from grader.selfcheck.submissions import deliverable1
from grader.selfcheck.submissions.deliverable2 import TRAIN as TRAIN

# A correct solution as a student writes it, in plain PyTorch: a whole `mytorch.py`.
UNFOLD = deliverable1.UNFOLD.text
