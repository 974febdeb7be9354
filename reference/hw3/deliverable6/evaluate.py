"""Measure the attacks of deliverable 6: success rates against ε, the bonus numbers, the figures.

    python -m reference.hw3.deliverable6.evaluate [--out DIR] [--images N] [--tasks 3 ...]

writes `rates.json`, `success.png` and `examples.png`; docs/evasion.md shows them and says on what
they were measured. Rates are of MNIST's test images: the models have seen the training images, so
rates there would say how well they are remembered. No setting of an attack was chosen by them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from data_scripts import atomic
from reference.hw3.deliverable6 import attack

LIMITS = (0, 4, 8, 16, 24, 32, 48, 64)  # ε in grey values
BONUS = (8, 16)
SHOWN = (4, 8, 16)  # ε of the examples: small ones
TASKS = {
    "task 1, untargeted": attack.untargeted_attack,
    "task 2, 1 → 8": attack.targeted_attack,
    "task 3, 1 → 8": attack.improved_targeted_attack,
}
# Okabe and Ito's palette, told apart by readers with any colour vision; dashes help in grey.
LOOKS = {
    "task 1, untargeted": {"color": "#000000", "linestyle": "-", "marker": "o"},
    "task 2, 1 → 8": {"color": "#E69F00", "linestyle": "--", "marker": "s"},
    "task 3, 1 → 8": {"color": "#0072B2", "linestyle": "-.", "marker": "^"},
}
Rates = dict[str, dict[str, dict[int, float]]]  # model → task → ε → rate


def measure(models: dict[str, nn.Module], x: Tensor, y: Tensor, count: int, known: Rates) -> Rates:
    """Success rates, from 0 to 1, of every task on both models at every limit.

    Args:
        models: by name.
        x: (N, 1, 28, 28); every image of a 1 goes into tasks 2 and 3.
        y: (N,).
        count: how many images, from the first on, go into task 1.
        known: rates of tasks that need no measuring.
    """
    ones = x[y == 1]
    eights = torch.full((len(ones),), 8)
    rates: Rates = {}
    for name, model in models.items():
        for task, perturb in TASKS.items():
            if task in known.get(name, {}):
                rates.setdefault(name, {})[task] = known[name][task]
                continue
            targeted = perturb is not attack.untargeted_attack
            images, labels = (ones, eights) if targeted else (x[:count], y[:count])
            for epsilon in LIMITS:
                began = time.monotonic()
                parts = zip(images.split(500), labels.split(500), strict=True)
                # Without room to move there is nothing to compute.
                found = torch.cat([perturb(model, *part, epsilon) for part in parts]) if epsilon else images
                rate = attack.success_rate(model, found, labels, targeted)
                rates.setdefault(name, {}).setdefault(task, {})[epsilon] = rate
                took = time.monotonic() - began
                said = f"model {name}, {task}, ε = {epsilon:2}: {rate:.2%} of {len(images):,} in {took:.0f} s"
                print(said, flush=True)
    return rates


def recorded(path: Path, conditions: dict[str, object], tasks: Sequence[int]) -> Rates:
    """The rates on record of every task but `tasks`, if they were measured under the same conditions.

    Raises:
        SystemExit: they were not, or there is no record.
    """
    kept = [task for number, task in enumerate(TASKS, 1) if number not in tasks]
    if not kept:
        return {}
    if not path.exists():
        raise SystemExit(
            f"{path}: expected the rates of {', '.join(kept)}, found no file; measure them too: no --tasks"
        )
    record = json.loads(path.read_text())
    for name, value in conditions.items():
        if record.get(name) != value:
            raise SystemExit(
                f"{path}: expected rates measured with {name} = {value!r}, found {record.get(name)!r}; "
                "measure every task anew: no --tasks"
            )
    return {
        name: {task: {int(limit): rate for limit, rate in curves[task].items()} for task in kept}
        for name, curves in record["rates"].items()
    }


def draw_rates(rates: Rates, source: str, path: Path) -> None:
    """Success rate against ε, one panel per model."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    figure.suptitle(f"Success rate of evasion attacks on MNIST's test images ({source})", fontsize=10)
    for axis, (name, tasks) in zip(figure.subplots(1, 2, sharey=True), rates.items(), strict=True):
        for task, curve in tasks.items():
            axis.plot(list(curve), [100 * rate for rate in curve.values()], label=task, markersize=4, **LOOKS[task])
        axis.set(title=f"model {name}", xlabel="ε, greatest change of a pixel (L∞, grey values of 255)", ylim=(-3, 103))
        axis.set_xticks(LIMITS)
        axis.grid(alpha=0.3)
    first = figure.axes[0]
    first.set_ylabel("success rate (%)")
    first.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=150)


def draw_examples(models: dict[str, nn.Module], x: Tensor, y: Tensor, path: Path) -> None:
    """Originals beside adversarial examples at small ε, with what the model takes them for."""
    from matplotlib.figure import Figure

    rows = [(name, task) for name in models for task in ("task 1, untargeted", "task 3, 1 → 8")]
    figure = Figure(figsize=(9, 1.75 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 2 * (1 + len(SHOWN)))
    for line, (name, task) in zip(axes, rows, strict=True):
        model, perturb = models[name], TASKS[task]
        targeted = perturb is not attack.untargeted_attack
        pool = x[y == 1][:200] if targeted else x[:200]
        labels = torch.full((len(pool),), 8) if targeted else y[:200]
        found = {epsilon: perturb(model, pool, labels, epsilon) for epsilon in SHOWN}
        logits = model(found[SHOWN[-1]])
        margin = logits.gather(1, labels[:, None]).squeeze(1) - logits.scatter(1, labels[:, None], -torch.inf).amax(1)
        chosen = (margin if targeted else -margin).topk(2).indices  # those that fool the model most
        for place, index in enumerate(chosen.tolist()):
            versions = {"original": pool[index], **{f"ε = {epsilon}": found[epsilon][index] for epsilon in SHOWN}}
            for column, (title, image) in enumerate(versions.items()):
                axis = line[place * len(versions) + column]
                # Images reach the models transposed; a reader wants them upright.
                axis.imshow(image[0].T, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axis.set_title(f"{title}\nseen as {model(image[None]).argmax().item()}", fontsize=8)
                axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"model {name}\n{task}", fontsize=8)
    figure.savefig(path, dpi=150)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, measure, and write what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.hw3.deliverable6.evaluate",
        description="Success rates of deliverable 6's attacks against ε, with figures.",
    )
    parser.add_argument("--out", type=Path, default=Path("docs/evasion"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--images", type=int, default=2000, metavar="N", help="for task 1 (default: %(default)s)")
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[1, 2, 3], choices=[1, 2, 3], metavar="N",
        help="those to measure; rates of the others are taken from DIR/rates.json (default: all)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    x, y = attack.load_images("test")
    models, source = attack.load_target_models()
    benign = {name: attack.test(model, x, y, batch_size=1000) for name, model in models.items()}
    conditions = {
        "models": source, "images of task 1": options.images, "ones": int((y == 1).sum()), "accuracy": benign,
        "torch": torch.__version__,
    }  # fmt: skip
    place = options.out / "rates.json"
    rates = measure(models, x, y, options.images, recorded(place, conditions, options.tasks))
    text = json.dumps({**conditions, "rates": rates}, indent=1, ensure_ascii=False) + "\n"
    atomic.write(place, text.encode())
    draw_rates(rates, source, options.out / "success.png")
    draw_examples(models, x, y, options.out / "examples.png")
    for name in models:
        for epsilon in BONUS:
            print(f"bonus: model {name}, ε = {epsilon:2}: {100 * rates[name]['task 3, 1 → 8'][epsilon]:.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
