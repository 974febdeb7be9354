"""The networks of question 1, and what its text leaves open.

It says nothing of the activation behind the 500 units, nothing of what stands between a depth-wise and its
point-wise convolution, and lists dropout and batch normalisation among what students may choose. All of that is
accepted; ReLU behind the convolutions, the sizes and the biases are given.
"""

from dataclasses import replace

from grader.oracles.plain_cnn import ACTIVATIONS, PlainCNN, Stage

# ReLU is what everybody expects, so it is tried first.
BEHIND_HIDDEN = ("ReLU", *(name for name in ACTIVATIONS if name != "ReLU"))
BETWEEN = ("none", "ReLU", "ReLU6", "LeakyReLU(0.01)", "ELU", "GELU", "SiLU", "Hardswish")

PART_A = PlainCNN(
    handle="CustomCNN",
    figure="part A",
    in_channels=3,
    image_size=32,
    stages=(
        Stage(kernel_size=5, out_channels=32),
        Stage(kernel_size=3, out_channels=64),
        Stage(kernel_size=3, out_channels=128),
    ),
    hidden=500,
    classes=10,
    activations=BEHIND_HIDDEN,
    normalises=True,
)
FIRST, *FURTHER = PART_A.stages
PART_B = replace(
    PART_A,
    handle="SeparableCNN",
    figure="part B",
    stages=(FIRST, *(replace(stage, separable=True) for stage in FURTHER)),
    between=BETWEEN,
)
