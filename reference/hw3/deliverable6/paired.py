"""Is task 3 better than task 2, or lucky? Both on the same ones of the test set, compared image by image.

    python -m reference.hw3.deliverable6.paired [--own]

prints, per model and ε, how many images only one of the two attacks fools, and how likely so uneven a split is by chance
(exact, two-sided). Images that both fool, or neither, say nothing about which is better.

Reference: McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12, 1947.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import binomtest
from torch import Tensor, nn

from data_scripts.hw3_models import own_models
from reference.hw3.deliverable6 import attack

LIMITS = (8, 16)
TARGET = 8


def load_own() -> tuple[dict[str, nn.Module], str]:
    """As `attack.load_target_models`, but our own two models in any case."""
    found, models = own_models(), {}
    for name, parameters in found.models.items():
        models[name] = attack.Net().eval().requires_grad_(False)
        models[name].load_state_dict({key: torch.from_numpy(np.array(v)) for key, v in parameters.items()})
    return models, found.source


@torch.no_grad()
def fooled(model: nn.Module, found: Tensor) -> Tensor:
    """Which images are taken for the target, after rounding. bool (N,)."""
    return model(found.round()).argmax(1) == TARGET


def chance(only_first: int, only_second: int) -> float:
    """The probability of a split at least as uneven, if both attacks were equally good."""
    return binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, and print one row of a table per model and limit."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.hw3.deliverable6.paired", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--own", action="store_true", help="attack our own two models, not HW3's")
    options = parser.parse_args(arguments)
    x, y = attack.load_images("test")
    ones = x[y == 1]
    eights = torch.full((len(ones),), TARGET)
    models, source = load_own() if options.own else attack.load_target_models()
    print(f"{source}; {len(ones):,} ones\n")
    print("| model, ε | task 2 | task 3 | only task 2 | only task 3 | p |\n|---|---|---|---|---|---|")
    for name, model in models.items():
        model.to(memory_format=torch.channels_last)  # twice as fast on a CPU
        for epsilon in LIMITS:
            plain, improved = (
                fooled(model, perturb(model, ones, eights, epsilon))
                for perturb in (attack.targeted_attack, attack.improved_targeted_attack)
            )
            only = [int((one & ~other).sum()) for one, other in ((plain, improved), (improved, plain))]
            rates = [f"{rate.double().mean():.2%}" for rate in (plain, improved)]
            print(f"| {name}, {epsilon} | {' | '.join(rates)} | {only[0]} | {only[1]} | {chance(*only):.2g} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
