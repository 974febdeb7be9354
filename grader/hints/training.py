"""Hints about a training loop: what it reports in the wrong place, and why the network does not learn."""

import math
from collections.abc import Callable, Sequence

from grader.result import Epoch, Training

# Between an epoch's own word, which is a mean over the epoch, and what is measured at its end.
NEAR = 0.35
FEW = 3  # batches: where so few are too few images, the loop over them was left
CLEARED = "call optimizer.zero_grad() before loss.backward(), in every step"
LOGITS = (
    "cross_entropy and nn.CrossEntropyLoss have the softmax in them: give them the logits (nll_loss takes log_softmax)"
)
UNSEEN = (
    "was the network trained on test images? Train on the training set, and keep the test set for measuring"
)


def of_calls(training: Training, epochs: int) -> str:
    """Why the calls of `on_epoch` are not what was asked for; "" where that is not known.

    Args:
        training: as it was measured.
        epochs: that were asked for.
    """
    counted = [epoch.epoch for epoch in training.epochs]
    if not counted:
        return "on_epoch is never called: call it at the end of each pass over the images"
    if counted == list(range(epochs)):
        return "epochs count from 1: for epoch in range(1, epochs + 1), or on_epoch(epoch + 1, …)"
    if len(counted) < epochs and counted == list(range(1, len(counted) + 1)):
        return f"the loop ends after {len(counted)} of {epochs} epochs: for epoch in range(1, epochs + 1)"
    return ""


def of_reports(training: Training) -> str:
    """Why a reported loss or accuracy is out of its range; "" where that is not known.

    Args:
        training: as it was measured, with the submission's own words.
    """
    if not all(math.isfinite(one.reported_loss) and math.isfinite(one.reported_accuracy) for one in training.epochs):
        return ""
    last = training.epochs[-1]

    def fits(accuracy: Callable[[Epoch], float]) -> bool:
        return all(0 <= accuracy(one) <= 1 for one in training.epochs) and abs(
            accuracy(last) - last.train_accuracy
        ) <= NEAR

    known = {
        "the accuracy is in percent: from 0 to 1 is asked for": lambda one: one.reported_accuracy / 100,
        "the accuracy is the number of images that are right: divide by len(images)": (
            lambda one: one.reported_accuracy / training.train_size
        ),
        "loss and accuracy are in each other's place: on_epoch(epoch, loss, accuracy)": (
            lambda one: one.reported_loss if one.reported_accuracy > one.reported_loss - 1 else math.inf
        ),
    }
    fitting = [said for said, accuracy in known.items() if fits(accuracy)]
    return fitting[0] if len(fitting) == 1 else ""


def of_passes(batches: Sequence[int]) -> str:
    """Why an epoch is less than a pass over the images; "" where that is not known.

    Args:
        batches: how many each epoch had.
    """
    if len(set(batches)) == 1 and batches[0] <= FEW:
        count = "one batch" if batches[0] == 1 else f"{batches[0]} batches"
        return f"every epoch ends after {count}: does a break, a return or on_epoch stand in the loop over them?"
    return ""


def of_curve(training: Training) -> str:
    """Why a network has not learnt; "" where that is not known."""
    epochs = training.epochs
    losses = [epoch.train_loss for epoch in epochs]
    if len(epochs) > 1 and len(set(losses)) == 1:
        return (
            "the network is the same after every epoch: no optimizer.step() reaches it (is there one in the loop, and "
            "has the optimiser this net's parameters?)"
        )
    if all(epoch.reported_loss < 0 for epoch in epochs):
        return "your loss is negative, and cross-entropy never is: it is made larger where it should be made smaller"
    return ""
