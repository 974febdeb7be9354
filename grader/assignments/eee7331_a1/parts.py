"""The deliverables of question 1: a network with its table, and the same network trained; once for each part."""

from grader.checks import observed, seeding
from grader.checks.loop import Loop
from grader.checks.network import Network
from grader.checks.table import LayerTable
from grader.checks.trained import Trained, Trial
from grader.declaration import Check, Deliverable, Gathering
from grader.exhibits import training
from grader.oracles.plain_cnn import PlainCNN
from grader.worker.forbid import Rules

FOLDER = "question1"
ANYTHING = Rules()  # the library is the student's choice among PyTorch's layers: nothing here is forbidden
# Of CIFAR-10's training images, as the hand-out's train.py states them.
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FEWEST_EPOCHS = 1  # the text asks for an accuracy, and for no number of epochs
TRIAL = Trial(epochs=3, images=4_000)
# The text does not ask for flips, and a network that never saw one recognises some images worse when they are
# mirrored. A table of test images holds none of the mirrored ones: it loses all but the tenth that is guessed.
MIRROR_LOSS = 0.20


def built(number: int, part: str, title: str, network: PlainCNN) -> Deliverable:
    """The deliverable of a network and its table.

    Args:
        number: as graded.
        part: "A" or "B".
        title: one line.
        network: what it must be like.
    """
    net, name = Network(network, module="model"), network.handle
    file = f"part_{part.lower()}.csv"
    table = LayerTable(network, file)
    return Deliverable(
        number=number,
        title=f"Part {part}: {title}",
        folder=FOLDER,
        files=("model",),
        judged="model",
        rules=ANYTHING,
        documents=(file,),
        checks=(
            Check(f"part{part}.shape", f"{name}: (N, 3, 32, 32) → (N, 10)", 1, net.shape),
            Check(
                f"part{part}.parameters",
                f"{name}: the weights and biases of {network.figure}, all of them and no others",
                4,
                net.parameters,
            ),
            Check(f"part{part}.values", f"{name}: computes the network of {network.figure}", 6, net.values),
            Check(f"part{part}.gradients", f"{name}: a gradient for every parameter", 2, net.gradients),
            Check(
                f"part{part}.table.settings",
                f"{file}: filters, windows, strides, paddings",
                2,
                table.settings,
                bears=False,
            ),
            Check(
                f"part{part}.table.feature_maps",
                f"{file}: sizes of the feature maps",
                3,
                table.feature_maps,
                bears=False,
            ),
            Check(f"part{part}.table.weights", f"{file}: weights, biases included", 4, table.weights, bears=False),
            Check(f"part{part}.table.neurons", f"{file}: neurons", 3, table.neurons, bears=False),
            Check(f"part{part}.table.totals", f"{file}: totals of weights and neurons", 3, table.totals, bears=False),
        ),
    )


def trained(
    number: int,
    part: str,
    network: PlainCNN,
    *,
    required: float,
    epochs: int = FEWEST_EPOCHS,
    trial: Trial = TRIAL,
) -> Deliverable:
    """The deliverable of a trained network.

    Args:
        number: as graded.
        part: "A" or "B".
        network: what is trained; its deliverable is the one before this.
        required: accuracy on the test images, from 0 to 1.
        epochs: the fewest of a whole training.
        trial: the short training that a checkpoint's code is tried with.
    """
    name = network.handle
    loop = Loop(network=name, mean=MEAN, std=STD, augments=True, network_module="model")
    checks = Trained(
        loop, epochs, required, trial, mirror_loss=MIRROR_LOSS, flips=False, images="test images"
    )
    prefix = f"part{part}_training"
    return Deliverable(
        number=number,
        title=f"Part {part}: trained on CIFAR-10",
        folder=FOLDER,
        files=("model", "train"),
        judged="train",
        rules=ANYTHING,
        data="cifar10",
        weights=f"part_{part.lower()}",
        cached=True,
        rests_on=number - 1,
        checks=(
            Check(f"{prefix}.seed", "setup_seed: torch, numpy and random repeat their numbers", 1, seeding.seeding),
            # Ten times what two cores need for it.
            Check(f"{prefix}.learns", f"train: the loss of a {name} falls", 2, checks.learns, seconds=300),
            Check(f"{prefix}.passes", "train: each epoch is a pass over all images", 1, observed.passes),
            Check(f"{prefix}.cleared", "train: gradients are cleared between steps", 1, observed.cleared),
            Check(f"{prefix}.logits", "train: the loss takes the logits, not their softmax", 1, observed.logits),
            Check(f"{prefix}.reports", "train: it reports the epoch's loss and accuracy", 1, observed.reports),
            Check(
                f"{prefix}.network",
                f"a trained {name}: its checkpoint fits, or --train has trained it",
                3,
                checks.network,
            ),
            Check(f"{prefix}.chance", f"{name}: with random weights it guesses", 2, checks.chance, seconds=120),
            Check(
                f"{prefix}.mirrored",
                "the trained network: recognises mirrored test images, too",
                1,
                checks.mirrored,
                seconds=120,
            ),
            Check(
                f"{prefix}.accuracy",
                f"the trained network: test accuracy of at least {required:.0%}",
                8,
                checks.accuracy,
                seconds=300,
            ),
            Check(
                f"{prefix}.unseen",
                "the trained network: was not trained on test images",
                1,
                checks.unseen,
                seconds=120,
            ),
        ),
        exhibits=(
            Gathering("the training of the checkpoint", training.record),
            Gathering("a short training", training.trial),
        ),
    )
