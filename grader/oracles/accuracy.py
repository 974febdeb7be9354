"""What a share of right answers on a finite test set says."""

from dataclasses import dataclass


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
