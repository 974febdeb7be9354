"""The check of `setup_seed`, which every training begins with."""

import torch

from grader.bench import Bench
from grader.checks import replies
from grader.declaration import Outcome
from grader.hints import below
from grader.worker.messages import Drawn, Draws

MODULE = "train"
# What draws → what seeds it.
GENERATORS = {
    "torch.rand": "torch.manual_seed",
    "numpy.random.rand": "numpy.random.seed",
    "random.random": "random.seed",
}


def seeding(bench: Bench) -> Outcome:
    """The same seed draws the same numbers from torch, numpy and random, another seed others."""
    seed = bench.check_seed("setup_seed")
    drawn = []
    for value in (seed, seed, seed ^ 1):
        reply = bench.ask(MODULE, Draws(module=MODULE, name="setup_seed", seed=value))
        replies.expect(reply, Drawn)
        drawn.append(reply.arrays)
    for (name, seeded), first, again, other in zip(GENERATORS.items(), *drawn, strict=True):
        if not torch.equal(first, again):
            reason = f"{name} draws other numbers after setup_seed({seed}) again"
            return Outcome("fail", below(reason, f"setup_seed lacks {seeded}(seed)"))
        # Four numbers of at least 24 random bits: equal by chance once in 2⁹⁶ runs.
        if torch.equal(first, other):
            reason = f"{name} draws the same numbers after two different seeds"
            return Outcome("fail", below(reason, f"{seeded} is given a constant: give it seed"))
    return Outcome("pass")
