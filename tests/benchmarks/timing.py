"""Timing in turns: whatever else the machine does falls on every contender alike."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

WARM_UP = 2  # calls before the clock: compilation, thread pools, the allocator, caches


@dataclass(frozen=True)
class Effort:
    """How long a comparison lasts.

    Args:
        seconds: what all rounds of one comparison may take together.
        least, most: bounds on the rounds, which go before `seconds`.
    """

    seconds: float = 0.4
    least: int = 7
    most: int = 100

    def rounds(self, seconds_per_round: float) -> int:
        return min(self.most, max(self.least, int(self.seconds / max(seconds_per_round, 1e-9))))


def in_turns(functions: dict[str, Callable[[], object]], effort: Effort) -> dict[str, list[float]]:
    """Call all functions once per round, and time each call.

    A function's result is kept until its next one is there, as a network keeps what a layer gave: who comes next
    finds no freed memory that is still in the caches because another has just written to it.

    Returns:
        Seconds of every call by the functions' names, in the order of the rounds: equally many for each.
    """
    for function in functions.values():
        for _ in range(WARM_UP):
            function()
    kept: dict[str, object] = {}

    def seconds(name: str) -> float:
        start = time.perf_counter()
        result = functions[name]()
        taken = time.perf_counter() - start
        kept[name] = result  # after the clock: the result before is let go here
        return taken

    once = {name: seconds(name) for name in functions}
    times: dict[str, list[float]] = {name: [] for name in functions}
    names, order = list(functions), random.Random(0)
    for _ in range(effort.rounds(sum(once.values()))):
        order.shuffle(names)  # nobody always follows the same neighbour, who leaves more or less in the caches
        for name in names:
            times[name].append(seconds(name))
    return times


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    """The median of each list, under its name."""
    return {name: statistics.median(values) for name, values in times.items()}


def ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times as fast as they we are: the median over the rounds of their time / our time."""
    return statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
