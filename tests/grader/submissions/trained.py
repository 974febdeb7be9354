"""Images that are learnt in a second, and submissions for deliverable 4: the self-check's."""

from grader.selfcheck.images import tiles
from grader.selfcheck.submissions.deliverable4 import BY_RULE, BY_TABLE, MODEL, TRAIN

__all__ = ["BY_RULE", "BY_TABLE", "MODEL", "TRAIN", "tiles"]
