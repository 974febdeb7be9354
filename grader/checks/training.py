"""Checks of deliverable 2's training: one run on the submission's own handle, three verdicts on what came of it."""

import math

from grader.bench import Bench, Judged
from grader.checks.loop import Loop, calls_fault
from grader.declaration import Outcome
from grader.hints import below
from grader.hints.training import of_calls, of_curve
from grader.result import Training
from grader.worker import WorkerFailure

# MNIST's statistics, as the hand-out's train.py states them.
LOOP = Loop(network="Net", mean=(0.1307,), std=(0.3081,))
# Enough to measure the training curve to half a percent, at a sixth of the cost of them all.
TRAIN_SAMPLE = 10_000
SMALL = 0.25  # of the loss of who guesses; labels that are smoothed by 0.2 leave a tenth of it


def runs(epochs: int, required: float):
    """A check that trains, and keeps what was measured and seen for the checks after it.

    Args:
        epochs: the fewest that the assignment asks for.
        required: validation accuracy that is asked for later, drawn into the curves.
    """

    def run(bench: Bench) -> Outcome:
        if bench.epochs < epochs:
            return Outcome(
                "not-run", f"the assignment asks for {epochs} epochs; --epochs said {bench.epochs}"
            )
        LOOP.exists(bench)
        data = bench.data()
        try:
            measured = LOOP.run(
                bench,
                data,
                epochs=bench.epochs,
                train_size=len(data.train_images),
                train_sample=TRAIN_SAMPLE,
                val_size=len(data.test_images),
                required=required,
                keep=True,
            )
        except WorkerFailure as failure:
            bench.shared["untrained"] = f"the training ended early: {failure.reason}"
            raise
        except Judged as judged:
            bench.shared["untrained"] = f"the training ended early: {judged.outcome.reason}"
            raise
        fault = calls_fault(measured, bench.epochs)
        if fault:
            return Outcome("fail", below(fault, of_calls(measured, bench.epochs)))
        return Outcome("pass", f"{len(measured.epochs)} epochs in {measured.seconds:.0f} s")

    return run


def loss_falls(bench: Bench) -> Outcome:
    """The loss on training images is lower after the last epoch than after the first, or small.

    With smoothed labels it approaches a number above 0, and passes below it on the way.
    """
    measured = _measured(bench)
    epochs = measured.epochs
    small = SMALL * math.log(len(bench.data().classes))
    first, last = epochs[0].train_loss, epochs[-1].train_loss
    curve = f"training loss {first:.4f} after epoch 1, {last:.4f} after epoch {epochs[-1].epoch}"
    falls = last < max(first, small)
    return Outcome("pass", curve) if falls else Outcome("fail", below(curve, of_curve(measured)))


def reaches(required: float):
    """A check of the validation accuracy after the last epoch."""

    def run(bench: Bench) -> Outcome:
        measured = _measured(bench)
        accuracy = measured.epochs[-1].val_accuracy
        said = (
            f"{accuracy:.2%} of {measured.val_size:,} validation images ({bench.data().source}), "
            f"{required:.0%} asked for"
        )
        if accuracy >= required:
            return Outcome("pass", said)
        return Outcome("fail", below(said, of_curve(measured)))

    return run


def _measured(bench: Bench) -> Training:
    if bench.training is None or not bench.training.epochs:
        why = bench.shared.get("untrained", "the network was not trained")
        raise Judged(Outcome("not-run", why))
    return bench.training
