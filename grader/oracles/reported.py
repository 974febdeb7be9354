"""Whether a loop's own loss and accuracy are those of the epoch, and which slip gives the numbers that it reports.

A number is wrong only where it cannot be right: it fits no way to take the mean, and it is what a known slip gives in
every epoch, or (an accuracy) lies beyond everything that could be meant. So a penalty in the loss, smoothed labels, a
mean over batches in place of images, a last batch that was dropped or a moving average are no fault. Where the loop
looks at its images a second time, or in more passes than there are images, nobody knows what its numbers are of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.oracles.batches import Batches

NEAR_LOSS = 0.01, 0.001  # relative and absolute: losses are added up in float32 and shown with three digits
NEAR_ACCURACY = 0.01  # in half precision two outputs may be alike, and either of them the largest
SAME = 1e-3  # relative, of a slip's number: float32 leaves 1e-5; no honest number meets it in every epoch by chance
ROUNDING = 5e-6  # of a loss in float32, with outputs near 20
# Around all that an accuracy can be of. A moving average over ten batches of 100 images has a standard deviation of
# 1.6 points at the most.
BEYOND = 0.05
APART = 0.02  # between the accuracy of the epoch's batches and one of images that were evaluated apart
MOST_PASSES = 1.1  # passes per image: a closure that is called again, or a second pass per step, is not compared
LEAST_EXPLAINED = 0.99  # of the images: the mean of all of them is compared
EVALUATES = 0.5  # of the images: who looks at so many without a gradient may report what is seen there
FEWEST_APART = 50  # images: fewer are a trial of the network's shape and no evaluation


@dataclass(frozen=True)
class Reported:
    """One epoch: what the loop said, and what was seen.

    Args:
        epoch: from 1.
        loss, accuracy: the loop's own.
        batches: what its gradients say.
        images: whose gradients came back.
        apart: images that passed forward, and whose gradients did not.
        train_size: images that there are.
        measured: accuracy on training images after the epoch.
    """

    epoch: int
    loss: float
    accuracy: float
    batches: Batches
    images: int
    apart: int
    train_size: int
    measured: float

    @property
    def comparable(self) -> bool:
        """Whether its numbers can be of these batches alone."""
        batches = self.batches
        known = int(batches.rows[batches.explained].sum())
        return (
            int(batches.rows.sum()) == self.images <= MOST_PASSES * self.train_size
            and known >= LEAST_EXPLAINED * self.images > 0
            and self.apart < EVALUATES * self.train_size
        )

    def means(self, each: Tensor) -> list[float]:
        """Ways to take the mean of a number per batch: by images, by batches, by all images that there are."""
        total = float((each * self.batches.rows).sum())
        return [total / self.images, float(each.mean()), total / self.train_size]

    @property
    def losses(self) -> list[float]:
        """What the loss can be, without a penalty. Divided for accumulation it may be reported as well."""
        ways = [self.batches.loss, self.batches.smoothed]
        ways += [each * self.batches.scale.clamp(max=1) for each in ways]
        return [mean for each in ways for mean in self.means(each)]

    def right_loss(self) -> bool:
        relative, absolute = NEAR_LOSS
        return any(abs(self.loss - mean) <= relative * mean + absolute for mean in self.losses)

    def right_accuracy(self, near: float = NEAR_ACCURACY) -> bool:
        return any(abs(self.accuracy - mean) <= near for mean in self.means(self.batches.accuracy))


Slip = Callable[[Sequence[Reported], Callable[[Batches], Tensor]], list[float | None]]  # None: anything


def _last(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [float(of(one.batches)[-1]) for one in epochs]


def _sum_of_means(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [float(of(one.batches).sum()) for one in epochs]


def _sum_over_images(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [float((of(one.batches) * one.batches.rows).sum()) for one in epochs]


def _images_by_batches(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    sums = _sum_over_images(epochs, of)
    return [total / len(one.batches.rows) for total, one in zip(sums, epochs, strict=True)]


def _batches_by_images(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [total / one.images for total, one in zip(_sum_of_means(epochs, of), epochs, strict=True)]


def _never_reset(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    means = [one.means(of(one.batches))[0] for one in epochs]
    return [sum(means[: place + 1]) for place in range(len(means))]


def _running(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [total / place for place, total in enumerate(_never_reset(epochs, of), 1)]


def _before(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [None, *(one.means(of(one.batches))[0] for one in epochs[:-1])]


def _first(epochs: Sequence[Reported], of: Callable[[Batches], Tensor]) -> list[float | None]:
    return [epochs[0].means(of(epochs[0].batches))[0]] * len(epochs)


SLIPS: dict[str, tuple[Slip, ...]] = {
    "it is that of the last batch alone: add up over the batches, and divide at the end of the epoch": (_last,),
    "the batches' are added up and not divided: divide by the number of batches, len(loader)": (_sum_of_means,),
    "the images' are added up and not divided: divide by the number of images": (_sum_over_images,),
    "the images' are added up and divided by the number of batches: divide by the number of images": (
        _images_by_batches,
    ),
    "the batches' are added up and divided by the number of images: divide by the number of batches": (
        _batches_by_images,
    ),
    "the sums of earlier epochs are in it: begin each epoch with 0": (_never_reset, _running),
    "it is that of the epoch before": (_before,),
    "it is that of the first epoch, every time": (_first,),
}


def wrong_number(epochs: Sequence[Reported]) -> tuple[str, str]:
    """What is wrong with the reported numbers, and why; ("", "") where nothing is known to be.

    Args:
        epochs: all of a training.
    """
    if not epochs or not all(one.comparable for one in epochs):
        return "", ""
    return _wrong_loss(epochs) or _wrong_accuracy(epochs) or ("", "")


def _wrong_loss(epochs: Sequence[Reported]) -> tuple[str, str] | None:
    off = [one for one in epochs if not one.right_loss()]
    said = _slip(epochs, [one.loss for one in epochs], (lambda found: found.loss, lambda found: found.smoothed))
    if not off or not said:
        return None
    first = off[0]
    reported = f"epoch {first.epoch}: the loss is reported as {first.loss:.4g}"
    return f"{reported}; the mean of its images was {first.losses[0]:.4g}", said


def _wrong_accuracy(epochs: Sequence[Reported]) -> tuple[str, str] | None:
    if (apart := _of_others(epochs)) is not None:
        return _told(apart), "it is that of images that were evaluated apart: take the training batches' own outputs"
    off = [one for one in epochs if not one.right_accuracy()]
    said = _slip(epochs, [one.accuracy for one in epochs], (lambda found: found.accuracy,))
    if off and said:
        return _told(off[0]), said
    beyond = [one for one in epochs if one.apart < FEWEST_APART and _beyond(one)]
    said = "divide the number of right images by the number of images in the epoch"
    return (_told(beyond[0]), said) if beyond else None


def _told(one: Reported) -> str:
    mean = one.means(one.batches.accuracy)[0]
    said = f"epoch {one.epoch}: the accuracy is reported as {one.accuracy:.2%}; "
    return f"{said}that of its {one.images:,} images was {mean:.2%}"


def _slip(
    epochs: Sequence[Reported], numbers: Sequence[float], quantities: Sequence[Callable[[Batches], Tensor]]
) -> str:
    """The one slip that gives these numbers in every epoch; "" if none does."""
    for said, slips in SLIPS.items():
        for slip in slips:
            for of in quantities:
                # Every slip is a sum of the batches' numbers, and so is the rounding of its own.
                rounding = slip(epochs, lambda found: torch.full_like(found.loss, ROUNDING))
                triples = zip(numbers, slip(epochs, of), rounding, strict=True)
                given = [abs(x - wanted) <= SAME * wanted + off for x, wanted, off in triples if wanted is not None]
                if len(given) > 1 and all(given):
                    return said
    return ""


def _of_others(epochs: Sequence[Reported]) -> Reported | None:
    """An epoch whose accuracy is a share of the images that were evaluated apart, as all the others' are."""

    def share(one: Reported) -> bool:
        right = one.accuracy * one.apart
        return one.apart >= FEWEST_APART and abs(right - round(right)) < 1e-3

    if not all(share(one) for one in epochs):
        return None
    return next((one for one in epochs if not one.right_accuracy(APART)), None)


def _beyond(one: Reported) -> bool:
    """Whether an accuracy is beyond those of the whole epoch, of a part of its batches, and after it."""
    each = one.batches.accuracy
    late = [float(each[-max(1, len(each) // part) :].mean()) for part in (2, 4, 10)]
    early = float(each[: max(1, len(each) // 2)].mean())  # a moving average begins somewhere
    possible = [*one.means(each), *late, early, one.measured]
    return not min(possible) - BEYOND <= one.accuracy <= max(possible) + BEYOND
