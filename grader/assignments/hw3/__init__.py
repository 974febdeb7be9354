"""HW3, convolutional neural networks: one file per deliverable.

An instructor changes points, limits and what is allowed in these files.
"""

from grader.assignments.hw3.deliverable1 import DELIVERABLE_1
from grader.assignments.hw3.deliverable2 import DELIVERABLE_2
from grader.assignments.hw3.deliverable3 import DELIVERABLE_3
from grader.assignments.hw3.deliverable4 import DELIVERABLE_4
from grader.assignments.hw3.deliverable5 import DELIVERABLE_5
from grader.assignments.hw3.deliverable6 import DELIVERABLE_6
from grader.declaration import Assignment

HW3 = Assignment(
    name="hw3",
    title="HW3: convolutional neural networks",
    deliverables=(DELIVERABLE_1, DELIVERABLE_2, DELIVERABLE_3, DELIVERABLE_4, DELIVERABLE_5, DELIVERABLE_6),
    home=("hw3",),
    remark="HW3 validates on the test set; nothing was selected by these numbers",
    training_epochs=30,
)
