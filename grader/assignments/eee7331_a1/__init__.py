"""EEE7331 assignment 1, question 1: a CNN on CIFAR-10 and its depth-wise separable twin.

An instructor changes points, limits and what is accepted in these files. Question 2 (StyleGAN inversion) is a
notebook with a pretrained network, and not graded here.
"""

from grader.assignments.eee7331_a1.networks import PART_A, PART_B
from grader.assignments.eee7331_a1.parts import built, trained
from grader.declaration import Assignment

EEE7331_A1 = Assignment(
    name="eee7331-a1",
    title="EEE7331 assignment 1, question 1: a CNN and depth-wise separable convolution",
    deliverables=(
        built(1, "A", "the network and its table", PART_A),
        # "Your testing accuracy should be more than 70%."
        trained(2, "A", PART_A, required=0.70),
        built(3, "B", "depth-wise separable convolution and its table", PART_B),
        # The text asks part B for no accuracy; a network that was trained reaches this one.
        trained(4, "B", PART_B, required=0.60),
    ),
    home=("eee7331", "assignment1"),
    remark="the assignment asks for accuracy on the test set; nothing was selected by these numbers",
    training_epochs=24,  # the text names no number; the reference's recipe, whose rate falls to 0 over these
)
