"""HW3 deliverable 4, the ResNet of deliverable 3 on CIFAR-10: checks and points."""

from grader.assignments.hw3.deliverable3 import OWN_RESNET
from grader.checks import observed, seeding, sources
from grader.checks.loop import Loop
from grader.checks.trained import Trained, Trial
from grader.declaration import Check, Deliverable, Gathering
from grader.exhibits import training

REQUIRED_ACCURACY = 0.85
FEWEST_EPOCHS = 30
# A network that was trained with flips loses nothing on mirrored images. The difference of two
# accuracies on 2,000 images scatters by 1.2 points at the most where they disagree on less than 30 %, and
# is as large as this by chance with a probability below 1e-10 (tests/grader/test_false_alarms.py).
MIRROR_LOSS = 0.08
# ImageNet's statistics, as the assignment's `val_transform` states them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def trained_resnet(
    *,
    required: float = REQUIRED_ACCURACY,
    epochs: int = FEWEST_EPOCHS,
    trial: Trial = Trial(epochs=3, images=2_000),
) -> Deliverable:
    """The deliverable.

    Args:
        required: accuracy on the test images, from 0 to 1.
        epochs: the fewest of a whole training.
        trial: the short training that a checkpoint's code is tried with.
    """
    loop = Loop(network="MyResnet", mean=MEAN, std=STD, augments=True)
    trained = Trained(
        loop, epochs, required, trial, mirror_loss=MIRROR_LOSS, flips=True, images="validation images"
    )
    return Deliverable(
        number=4,
        title="the ResNet on CIFAR-10",
        folder="deliverable3_5",
        files=("model", "train"),
        judged="train",
        rules=OWN_RESNET,
        data="cifar10",
        weights="resnet",
        cached=True,
        checks=(
            Check(
                "resnet_training.seed",
                "setup_seed: torch, numpy and random repeat their numbers",
                1,
                seeding.seeding,
            ),
            # Ten times the network's own time on two cores; plain PyTorch takes twice as long.
            Check("resnet_training.learns", "train: the loss falls", 2, trained.learns, seconds=300),
            Check("resnet_training.passes", "train: each epoch is a pass over all images", 1, observed.passes),
            Check("resnet_training.cleared", "train: gradients are cleared between steps", 1, observed.cleared),
            Check("resnet_training.logits", "train: the loss takes the logits, not their softmax", 1, observed.logits),
            Check("resnet_training.reports", "train: it reports the epoch's loss and accuracy", 1, observed.reports),
            Check(
                "resnet_training.network",
                "a trained MyResnet: its checkpoint fits, or --train has trained it",
                3,
                trained.network,
            ),
            Check(
                "resnet_training.chance",
                "MyResnet: with random weights it guesses",
                2,
                trained.chance,
                seconds=120,
            ),
            Check(
                "resnet_training.mirrored",
                "the trained network: recognises mirrored test images as well",
                1,
                trained.mirrored,
                seconds=180,
            ),
            Check(
                "resnet_training.accuracy",
                f"the trained network: validation accuracy of at least {required:.0%}",
                6,
                trained.accuracy,
                seconds=420,
            ),
            Check(
                "resnet_training.unseen",
                "the trained network: was not trained on validation images",
                1,
                trained.unseen,
                seconds=120,
            ),
            Check(
                "deliverable4.sources", "train.py uses no existing ResNet", 0, sources.own_work("train")
            ),
        ),
        exhibits=(
            Gathering("the training of the checkpoint", training.record),
            Gathering("a short training", training.trial),
        ),
    )


DELIVERABLE_4 = trained_resnet()
