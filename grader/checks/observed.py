"""Checks of how a loop trains, by what its network was seen to do; each takes away only what it names.

The worker counts the images that pass forward and back, and sends the outputs of each pass with the gradients that
came back to them. What follows from these is computed here. Nothing of it can earn what a network has not learnt
(`grader.worker.observation`), and a loop of which nothing was seen passes none of these checks.
"""

from grader.bench import Bench, Judged
from grader.checks.loop import WATCHED, numbers_fault
from grader.checks.watched import Watched
from grader.declaration import Outcome
from grader.hints import below
from grader.hints.training import CLEARED, LOGITS, of_passes, of_reports
from grader.oracles.reported import Reported, wrong_number

# An epoch may leave out so much of its images, and a last batch that is not whole. Who holds a tenth back to choose a
# learning rate by it stays above.
WHOLE = 0.9
# Steps whose gradients were added to what the step before had left. A right loop has none, accumulation included, in
# which nothing is stepped meanwhile; it is a fault where gradients are cleared once per epoch at most, or never.
FEWEST_STALE = 2
MOSTLY = 0.5  # of the images whose gradients tell it
NOTHING = (
    "nothing was seen of the training: expected passes of the network that train is given, called as net(images), "
    "with loss.backward() behind them"
)


def passes(bench: Bench) -> Outcome:
    """Each epoch is a pass over all images."""
    watched = _watched(bench)
    size = watched.training.train_size
    for epoch, seen in zip(watched.training.epochs, watched.seen, strict=True):
        largest = 0 if seen.batches is None else int(seen.batches.rows.max())
        if seen.backward < WHOLE * size - largest:
            reason = f"epoch {epoch.epoch} trained on {seen.backward:,} of {size:,} images; expected all of them"
            counts = [len(one.batches.rows) for one in watched.seen if one.batches is not None]
            return Outcome("fail", below(reason, of_passes(counts)))
    return Outcome("pass", f"{watched.seen[0].backward:,} images in the first epoch")


def cleared(bench: Bench) -> Outcome:
    """Between two steps the gradients are cleared."""
    watched = _watched(bench)
    updates = sum(seen.updates for seen in watched.seen)
    stale = sum(seen.stale for seen in watched.seen)
    if stale >= FEWEST_STALE and updates - stale <= len(watched.seen):
        reason = f"after {stale:,} of {updates:,} steps the next gradients were added to those of the step before"
        return Outcome("fail", below(reason, CLEARED))
    return Outcome("pass")


def logits(bench: Bench) -> Outcome:
    """The loss takes the logits, and no softmax of them."""
    watched = _watched(bench)
    telling = softmax = 0
    for seen in watched.seen:
        if seen.batches is None:
            if seen.backward:
                why = "the gradients could not be read: expected net(images) to be logits (N, classes)"
                return Outcome("fail", why)
            continue
        batches = seen.batches
        telling += int(batches.rows[batches.telling].sum())
        softmax += int(batches.rows[batches.softmax].sum())
    if softmax > MOSTLY * telling:
        reason = (
            f"the gradients of {softmax:,} of {telling:,} images are those of cross-entropy behind a softmax; "
            "expected those of cross-entropy of the logits"
        )
        return Outcome("fail", below(reason, LOGITS))
    return Outcome("pass")


def reports(bench: Bench) -> Outcome:
    """The loss and the accuracy that are reported are the epoch's."""
    watched = _watched(bench)
    epochs = [
        Reported(
            epoch=epoch.epoch,
            loss=epoch.reported_loss,
            accuracy=epoch.reported_accuracy,
            batches=seen.batches,
            images=seen.backward,
            apart=max(0, seen.forward - seen.backward),
            train_size=watched.training.train_size,
            measured=epoch.train_accuracy,
        )
        for epoch, seen in zip(watched.training.epochs, watched.seen, strict=True)
        if seen.batches is not None
    ]
    fault, said = wrong_number(epochs) if len(epochs) == len(watched.seen) else ("", "")
    if out := numbers_fault(watched.training):
        return Outcome("fail", below(out, of_reports(watched.training) or said))
    if fault:
        return Outcome("fail", below(fault, said))
    if len(epochs) < len(watched.seen) or not all(one.comparable for one in epochs):
        why = "the loss is another than cross-entropy, or images pass more than once"
        return Outcome("pass", f"not compared: {why}")
    return Outcome("pass")


def _watched(bench: Bench) -> Watched:
    """The training that was seen; ends the check where there was none."""
    watched: Watched | None = bench.shared.get(WATCHED)
    if watched is None or not watched.training.epochs:
        raise Judged(Outcome("not-run", bench.shared.get("untrained", "the network was not trained")))
    if not any(seen.backward for seen in watched.seen):
        raise Judged(Outcome("fail", NOTHING))
    return watched
