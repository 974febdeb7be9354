"""What was measured, and what follows from it: medians, ratios, rates, means over many shapes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from tests.benchmarks.timing import medians, ratio

OURS = "ours"
NCHW = "torch NCHW"


@dataclass(frozen=True)
class Row:
    """One layer at one batch size in one direction.

    Args:
        section: the rows that are averaged together.
        shape: the layer's name. batch: N.
        work: what one call does: operations of a convolution, bytes of a pooling.
        times: seconds of every call by the peers' names; a round's calls have the same place in each list.
    """

    section: str
    shape: str
    batch: int
    work: float
    times: dict[str, list[float]]

    @property
    def seconds(self) -> dict[str, float]:
        """The median of each peer."""
        return medians(self.times)

    @property
    def fastest_peer(self) -> str:
        """Whose median is the least, of all but ours."""
        return min((name for name in self.times if name != OURS), key=self.seconds.get)

    def ratio_to(self, peer: str) -> float:
        """How many times as fast as the peer we are: the median over the rounds."""
        return ratio(self.times[OURS], self.times[peer])

    @property
    def ratio(self) -> float:
        """The same beside the faster of the peers."""
        return self.ratio_to(self.fastest_peer)

    def rate_of(self, name: str) -> float:
        """Work per second."""
        return self.work / self.seconds[name]


@dataclass(frozen=True)
class Summary:
    """A section in one line.

    Args:
        mean: geometric mean of the ratios to the faster peer.
        mean_to_nchw: the same to torch's NCHW alone.
        worst: the row with the least ratio.
        below_one: in how many rows a peer was faster.
    """

    section: str
    rows: int
    mean: float
    mean_to_nchw: float
    worst: Row
    below_one: int


def geometric_mean(values: Iterable[float]) -> float:
    """exp of the mean logarithm: twice as fast and half as fast cancel out."""
    return math.exp(statistics.fmean(map(math.log, values)))


def sections(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by their section, in the order of first appearance; within a section as they were measured."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.section, []).append(row)
    return found


def summaries(rows: list[Row]) -> list[Summary]:
    """Every section in one line."""
    return [
        Summary(
            section=name,
            rows=len(members),
            mean=geometric_mean(row.ratio for row in members),
            mean_to_nchw=geometric_mean(row.ratio_to(NCHW) for row in members),
            worst=min(members, key=lambda row: row.ratio),
            below_one=sum(row.ratio < 1 for row in members),
        )
        for name, members in sections(rows).items()
    ]
