"""Handwritten faults of deliverable 6, evasion attacks. A new one is one entry in `MUTANTS`."""

from grader.selfcheck.catalogue.edits import several
from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.deliverable6 import ATTACKS

EXAMPLES = ("untargeted.examples", "untargeted.success")
TARGETED = ("targeted.examples", "targeted.success")
IMPROVED = ("improved.examples", "improved.success")

EDGE = "torch.min(torch.max(point, x - epsilon), x + epsilon)"
CLAMPED = f"{EDGE}.clamp(0, 255)"
FIRST = "return steps_along(model, x, epsilon, 20, lambda z: -margin(z, y), True)"
SECOND = "return steps_along(model, x, epsilon, 8, lambda z: -F.cross_entropy(z, target), False)"
THIRD = "return steps_along(model, x, epsilon, 8, lambda z: margin(z, target), True)"


def _untargeted(name: str, answer: str, lost: tuple[str, ...], hint: str = "", **rest) -> Mutant:
    """A fault of task 1 alone: `answer` is made of `x` and of `found`, the right one."""
    after = FIRST.replace("return", "found =") + f"\n    return {answer}"
    return Mutant(name, ATTACKS, FIRST, after, lost, hint, **rest)


def _loop(name: str, before: str, after: str, lost: tuple[str, ...], hint: str = "", **rest) -> Mutant:
    """A fault of the loop that task 1 runs; the other two keep theirs."""
    own = ATTACKS.files["deliverable6/attack.py"]
    loop = own[own.index("def steps_along") : own.index("def untargeted_attack")]
    if before not in loop:
        raise ValueError(f"{name}: expected {before!r} in the loop, found it not")
    spoilt = loop.replace("steps_along", "steps_of_task_1").replace(before, after)
    edits = (("def untargeted_attack", f"{spoilt}def untargeted_attack"), (FIRST, FIRST.replace("along", "of_task_1")))
    return Mutant(name, ATTACKS, lost=lost, hint=hint, instead=several(ATTACKS, *edits), **rest)


REACH_FAULTS = (
    _untargeted("divided by 255", "found / 255", EXAMPLES, "divided by 255"),
    _untargeted("multiplied by 255", "found * 255", EXAMPLES, "multiplied by 255"),
    _untargeted("images transposed", "found.mT", EXAMPLES, "the transpose"),
    _untargeted("noise in place of images", "found - x", EXAMPLES, "the perturbation alone"),
    _untargeted("images in another order", "found.flip(0)", EXAMPLES, "in another order"),
    _untargeted("clamped to 1", "found.clamp(0, 1)", EXAMPLES, "from 0 to 1"),
    _untargeted("one grey level beyond ε", "torch.where(found > x, found + 1, found).clamp(0, 255)", EXAMPLES,
                "one grey level"),
    _untargeted("ε twice", "(x + 2 * (found - x)).clamp(0, 255)", EXAMPLES, "exactly 2ε"),
    _untargeted("cast to int", "found.round().int()", EXAMPLES, ".round() keeps it"),
    _untargeted("axis of the channels lost", "found[:, 0]", EXAMPLES, "the axes of x are not kept"),
    _untargeted("images that are not finite", "found * float('nan')", EXAMPLES),
    _untargeted("a pair returned", "(found, 20)", (*EXAMPLES, "untargeted.budget")),
    _untargeted("last image dropped", "found[:-1]", EXAMPLES),
    _loop("no clamp to the range", CLAMPED, EDGE, EXAMPLES, "after the last step, too"),
    _loop("wrapped around in uint8", f"{CLAMPED}\n    return point.detach()",
          f"{EDGE}\n    return point.round().long().remainder(256).to(torch.uint8).float()", EXAMPLES, "wrap around"),
    _loop("projection missing", CLAMPED, "point.clamp(0, 255)", EXAMPLES),
    _loop("projection around the last point", CLAMPED,
          "torch.min(torch.max(point, point - epsilon), point + epsilon).clamp(0, 255)", EXAMPLES),
    _loop("start outside of the ball", "point = x.clone()",
          "x = (x + 3 * epsilon).clamp(0, 255)\n    point = x.clone()", EXAMPLES),
    _loop("limit of its own", "point = x.clone()",
          "epsilon = epsilon if epsilon in (8, 16) else 40\n    point = x.clone()",
          ("untargeted.examples",)),
    _loop("images changed in place", "point = x.clone()", "x += 0.5\n    point = x.clone()", EXAMPLES,
          "something writes into the argument"),
)  # fmt: skip

BUDGET_FAULTS = (
    _loop("one step too many", "range(steps)", "range(steps + 1)", ("untargeted.budget", "untargeted.success"),
          "one pass too many"),
    _untargeted("two starts", FIRST.replace("return ", ""), ("untargeted.budget", "untargeted.success"),
                "2 times the budget"),
    _loop("gradient twice in a step", "loss(model(point)).sum().backward()",
          "loss(model(point)).sum().backward()\n        loss(model(point)).sum().backward()",
          ("untargeted.budget", "untargeted.success"), "2 times the budget"),
    Mutant("steps of the targeted attack", ATTACKS, SECOND, SECOND.replace("8,", "101,"),
           ("targeted.budget", "targeted.success"), "one pass too many"),
    Mutant("25 starts side by side", ATTACKS, THIRD,
           "many = steps_along(model, x.repeat(25, 1, 1, 1), epsilon, 8, "
           "lambda z: margin(z, target.repeat(25)), True)\n"
           "    return many[: len(x)]", ("improved.budget", "improved.success"), "2 times the budget"),
    Mutant("no gradient at all", ATTACKS, FIRST, "return x.clone()", ("untargeted.budget", "untargeted.success")),
)  # fmt: skip

SUCCESS_FAULTS = (
    _untargeted("x never updated", "x.clone()", ("untargeted.success",), "your images are the originals"),
    _loop("step against the gradient", "point + size * point.grad.sign()", "point - size * point.grad.sign()",
          ("untargeted.success",), "the step has the wrong sign"),
    _loop("model fed with images divided by 255", "model(point)", "model(point / 255)", ("untargeted.success",),
          "near none of the originals"),
    _loop("ε in units of 255", "point = x.clone()", "epsilon = epsilon / 255\n    point = x.clone()",
          ("untargeted.success",),
          "at most ε/255"),
    _loop("steps of a tenth", "1 - step / steps", "0.002", ("untargeted.success",), "do not come up to it"),
    _loop("gradient without its sign", "point.grad.sign()", "point.grad / point.grad.norm()", ("untargeted.success",)),
    Mutant("untargeted in place of targeted", ATTACKS, "lambda z: -F.cross_entropy(z, target)",
           "lambda z: F.cross_entropy(z, target)", ("targeted.success",), "the step has the wrong sign"),
    Mutant("target that nobody asked for", ATTACKS, SECOND, SECOND.replace("(z, target)", "(z, target * 0 + 2)"),
           ("targeted.success",)),
    Mutant("improved attack with the wrong sign", ATTACKS, "lambda z: margin(z, target)",
           "lambda z: -margin(z, target)",
           ("improved.success",), "the step has the wrong sign"),
    Mutant("improved attack with one step", ATTACKS, THIRD, THIRD.replace("8,", "1,"), ("improved.success",)),
    Mutant("targeted attack that raises", ATTACKS, "-F.cross_entropy(z, target)", "z.nothing",
           (*TARGETED, "targeted.budget", "improved.success")),
)  # fmt: skip

MUTANTS = (*REACH_FAULTS, *BUDGET_FAULTS, *SUCCESS_FAULTS)
