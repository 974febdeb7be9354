"""Our attacks beside those of Foolbox and torchattacks: same models, images, limits, budget.

    pip install 'chalkbench[attacks]'
    python -m reference.hw3.deliverable6.compare [--images N] [--task 3]

A peer is given its own defaults but for the number of steps, which is the task's budget of
backward passes, and their length: 2.5 ε / steps, since the defaults (2/255 and ε/30) suit neither
every ε nor 20 steps. Pixels are in [0, 1], as both expect. Its examples are judged twice: as floats, as
it returns them, and after rounding to whole pixel values, as ours are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

import torch
from torch import Tensor, nn

from reference.attacks.goal import Goal
from reference.hw3.deliverable6 import attack

LIMITS = (4, 8, 16, 24, 32, 48)  # ε in grey values; at 64, the last of the figure, ours reach all
Peer = Callable[[nn.Module, Tensor, Tensor, float, int, bool], Tensor]


class Unit(nn.Module):
    """A model of raw pixels as one of pixels in [0, 1]."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.eval()  # torchattacks puts a model back into the mode it found, dropout and all

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] → logits (N, K)."""
        return self.model(255 * x)


def torchattacks_peer(method: str) -> Peer:
    """An attack of torchattacks by its class name."""

    def perturb(model: nn.Module, x: Tensor, labels: Tensor, epsilon: float, steps: int, targeted: bool) -> Tensor:
        import torchattacks

        # `alpha` is a fixed 2/255 by default; APGD finds its own step.
        options = {} if method.startswith("APGD") else {"alpha": 2.5 * epsilon / 255 / steps}
        made = getattr(torchattacks, method)(Unit(model), eps=epsilon / 255, steps=steps, **options)
        if targeted:
            made.set_mode_targeted_by_label(quiet=True)
        return 255 * made(x / 255, labels)

    return perturb


class Watched(Unit):
    """A model that remembers, for each instance, the image nearest to the target of all that it was asked about.

    Args:
        model: of raw pixels.
        x: (N, C, H, W) in [0, 1]: the originals.
        goal: for each instance.
    """

    def __init__(self, model: nn.Module, x: Tensor, goal: Goal):
        super().__init__(model)
        self.goal, self.found = goal, x.clone()
        self.margin = torch.full((len(x),), -torch.inf)

    def forward(self, x: Tensor) -> Tensor:
        """As `Unit`; `x` holds all instances, in their order."""
        logits = super().forward(x)
        margin = self.goal.margin(logits.detach())
        better = margin > self.margin
        self.margin[better], self.found[better] = margin[better], x.detach()[better]
        return logits


def apgd_targeted(model: nn.Module, x: Tensor, labels: Tensor, epsilon: float, steps: int, targeted: bool) -> Tensor:
    """APGD on the targeted DLR loss, for the one target that is asked for.

    As published (Croce, Hein 2020, section 4) it goes through the classes that the model finds
    likeliest, and stops at any error. Here one run is given the class, and the best of all images
    that it visits is taken. It takes one backward pass more than `steps`, before its first step.
    """
    import torchattacks

    class Given(torchattacks.APGDT):
        def dlr_loss_targeted(self, x: Tensor, y: Tensor, y_target: Tensor) -> Tensor:
            return super().dlr_loss_targeted(x, y, labels)

    watched = Watched(model, x / 255, Goal(labels, targeted))
    made = Given(watched, eps=epsilon / 255, steps=steps)
    made.target_class = 1  # the rank that it looks up; the class found there is replaced
    made.attack_single_run(x / 255, model(x).argmax(1))
    return 255 * watched.found


def foolbox_peer(method: str) -> Peer:
    """An attack of Foolbox by its class name."""

    def perturb(model: nn.Module, x: Tensor, labels: Tensor, epsilon: float, steps: int, targeted: bool) -> Tensor:
        import foolbox

        wrapped = foolbox.PyTorchModel(Unit(model), bounds=(0, 1), device="cpu")
        criteria = foolbox.criteria
        criterion = criteria.TargetedMisclassification(labels) if targeted else criteria.Misclassification(labels)
        made = getattr(foolbox.attacks, method)(steps=steps, rel_stepsize=2.5 / steps)
        _, clipped, _ = made(wrapped, x / 255, criterion, epsilons=epsilon / 255)
        return 255 * clipped

    return perturb


UNTARGETED = {
    "torchattacks PGD": torchattacks_peer("PGD"),
    "torchattacks MIFGSM": torchattacks_peer("MIFGSM"),
    "torchattacks APGD": torchattacks_peer("APGD"),
    "Foolbox LinfPGD": foolbox_peer("LinfPGD"),
}
TARGETED = {
    "torchattacks PGD": torchattacks_peer("PGD"),
    "torchattacks MIFGSM": torchattacks_peer("MIFGSM"),
    "torchattacks APGDT": apgd_targeted,
    "Foolbox LinfPGD": foolbox_peer("LinfPGD"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, and print one line per model, task, method and limit."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.hw3.deliverable6.compare", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--task", type=int, choices=(1, 3), help="only this one (default: both)")
    parser.add_argument("--images", type=int, default=500, metavar="N", help="per task (default: %(default)s)")
    options = parser.parse_args(arguments)
    count = options.images
    x, y = attack.load_images("test")
    ones = x[y == 1][:count]
    models, source = attack.load_target_models()
    print(f"{source}; torchattacks {version('torchattacks')}, Foolbox {version('foolbox')}, torch {torch.__version__}")
    for name, model in models.items():
        model.to(memory_format=torch.channels_last)  # the same for all, in half the time on a CPU
        for title, ours, peers, steps, images, labels, targeted in (
            ("task 1", attack.untargeted_attack, UNTARGETED, 20, x[:count], y[:count], False),
            ("task 3", attack.improved_targeted_attack, TARGETED, 100, ones, torch.full((len(ones),), 8), True),
        ):
            if options.task and title != f"task {options.task}":
                continue
            asked = f"model {name}, {title}, {steps} steps, {len(images)} images"
            print(f"\n{asked}: % at ε = {LIMITS}, rounded (as floats)")
            mine = [attack.success_rate(model, ours(model, images, labels, e), labels, targeted) for e in LIMITS]
            print("  ours                 " + "  ".join(f"{100 * rate:5.1f}        " for rate in mine), flush=True)
            for peer, perturb in peers.items():
                rates = []
                for epsilon in LIMITS:
                    torch.manual_seed(0)
                    found = perturb(model, images, labels, epsilon, steps, targeted).detach()
                    with torch.no_grad():
                        reached = model(found).argmax(1) == labels
                    as_floats = (reached if targeted else ~reached).double().mean().item()
                    rates.append((attack.success_rate(model, found, labels, targeted), as_floats))
                print(f"  {peer:20} " + "  ".join(f"{100 * r:5.1f} ({100 * f:5.1f})" for r, f in rates), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
