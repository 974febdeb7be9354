"""HW3 deliverable 2, a CNN on MNIST: checks and points.

The network of Figure 1 is the dataclass in `grader.oracles.figure1`.
"""

from grader.assignments.hw3.rules import FROM_SCRATCH
from grader.checks import observed, seeding, sources, training
from grader.checks.network import Network
from grader.declaration import Check, Deliverable
from grader.oracles.figure1 import Figure1

REQUIRED_ACCURACY = 0.90
FEWEST_EPOCHS = 5
NETWORK = Network(Figure1().network(), module="train")

DELIVERABLE_2 = Deliverable(
    number=2,
    title="a CNN on MNIST",
    folder="deliverable1_2",
    files=("mytorch", "train"),
    judged="train",
    rules=FROM_SCRATCH,
    data="mnist",
    epochs=FEWEST_EPOCHS,
    rests_on=1,
    checks=(
        Check(
            "seed.repeatable",
            "setup_seed: torch, numpy and random repeat their numbers",
            2,
            seeding.seeding,
        ),
        Check("net.shape", "Net: (N, 1, 28, 28) → (N, 10)", 1, NETWORK.shape),
        Check("net.parameters", "Net: Figure 1's parameters", 2, NETWORK.parameters),
        Check(
            "net.values",
            "Net: computes Figure 1, gradients reach every parameter",
            5,
            NETWORK.computes,
        ),
        Check(
            "training.runs",
            "train: trains for 5 epochs and reports each",
            2,
            training.runs(FEWEST_EPOCHS, REQUIRED_ACCURACY),
            # Twenty times the reference's; a solution in plain PyTorch needs two to six minutes.
            seconds=900,
        ),
        Check("training.passes", "train: each epoch is a pass over all images", 1, observed.passes),
        Check("training.cleared", "train: gradients are cleared between steps", 1, observed.cleared),
        Check("training.logits", "train: the loss takes the logits, not their softmax", 1, observed.logits),
        Check("training.reports", "train: it reports the epoch's loss and accuracy", 1, observed.reports),
        Check("training.loss", "train: the training loss falls", 1, training.loss_falls),
        Check(
            "training.accuracy",
            f"train: validation accuracy of at least {REQUIRED_ACCURACY:.0%}",
            3,
            training.reaches(REQUIRED_ACCURACY),
        ),
        Check(
            "deliverable2.sources",
            "train.py names no existing layer of its kind",
            0,
            sources.own_work("train"),
        ),
    ),
)
