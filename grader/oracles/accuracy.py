"""What a share of right answers on a finite test set says."""

from dataclasses import dataclass
from math import factorial

import numpy as np


@dataclass(frozen=True)
class Accuracy:
    """A number of right answers, and its 95 % confidence interval.

    Args:
        right: answers that are right.
        total: answers, at least 1.
    """

    right: int
    total: int

    @property
    def value(self) -> float:
        """The share of right answers, from 0 to 1."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (Wilson, JASA 22, 1927), from 0 to 1.

        Over test sets of this size, drawn from where this one was drawn, 95 % of such intervals
        hold the accuracy on all images there are.
        """
        from scipy.stats import binomtest  # takes half a second; most checks do without

        interval = binomtest(self.right, self.total).proportion_ci(0.95, method="wilson")
        return interval.low, interval.high

    def against(self, required: float) -> str:
        """The accuracy beside what is asked for, and whether chance could turn the verdict."""
        low, high = self.interval
        said = (
            f"{self.value:.2%} of {self.total:,} (95 % interval {low:.2%} to {high:.2%}), "
            f"{required:.0%} asked for"
        )
        if low <= required <= high:
            said += "; the interval holds what is asked for, so other test images could turn the verdict"
        return said


def better_by_chance(first: Accuracy, second: Accuracy) -> float:
    """How often images of which none is known better than another are as unevenly right, the first ones more often.

    Fisher's exact test: of all right answers together, as many fall on the first images as on ones that are drawn
    from both. Where the second images are known better it happens more rarely than that.

    Reference: Fisher, The Logic of Inductive Inference, Journal of the Royal Statistical Society 98, 1935.
    """
    from scipy.stats import hypergeom

    right = first.right + second.right
    return float(hypergeom.sf(first.right - 1, first.total + second.total, right, first.total))


def named_by_chance(counts: np.ndarray) -> float:
    """How often as many answers are right if the classes are named at random: the permutation test.

    The rows of a drawn last layer are all drawn alike, so whatever stands before it, and whichever images it takes for
    one class, every order of its outputs is as likely as any other. Of all K! orders this is the share in which as many
    images are right. A network that knows nothing has a share of α or less with a probability of at most α, exactly:
    nothing is assumed of the network, the images or how many of each class there are. The least is 1/K!, 2.8e-7 for
    ten classes, of who takes most images of every class for what they are.

    Args:
        counts: (K, K), whole numbers: images of class j that are taken for class k, in row k and column j.

    Reference: Fisher, The Design of Experiments, 1935 (section 21).
    """
    classes, right = len(counts), int(np.trace(counts))
    # ways[s]: into how many of the classes of a set the first rows can be named with s images right together. A set is
    # a number whose bits are classes, and holds as many of them as rows are named.
    every = np.zeros((1 << classes, int(counts.sum()) + 1), np.int64)
    every[0, 0] = 1
    for named, ways in enumerate(every):
        row = named.bit_count()
        for name in range(classes):
            if not named >> name & 1:
                found = int(counts[row, name])
                every[named | 1 << name, found:] += ways[: len(ways) - found]
    return float(every[-1, right:].sum() / factorial(classes))
