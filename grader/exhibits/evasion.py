"""Exhibits of deliverable 6: success rate against ε, and adversarial images at a small ε.

Each attack runs once more, at every ε of the axis. A run that does not keep to the rules of its task
ends its curve with the reason: there is no success rate to speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from grader.bench import Bench, Judged
from grader.checks.attacks import Attempt, Task, attempt, drawn_images
from grader.exhibits.kinds import (
    Captioned,
    Exhibit,
    Missing,
    Picture,
    Pictures,
    Rate,
    RateCurve,
    Rates,
    Row,
)
from grader.oracles import evasion
from grader.worker import WorkerFailure

EPSILONS = tuple(range(4, 65, 4))  # pixel values; at 0 nothing is changed, and nothing is asked
IMAGES = 100  # per point: its rate scatters by at most 5 points (one standard deviation)
SHOWN = 8  # adversarial images in a row
LEAST_SECONDS = 1.0  # that remain where another run is begun


def rates(title: str, *tasks: Task, epsilons: Sequence[int] = EPSILONS) -> Callable[[Bench], list[Exhibit]]:
    """The curves of some tasks on both models, in one figure.

    Args:
        title: of the figure.
        tasks: whose attacks; each is a series.
        epsilons: greatest L∞ distances in pixel values, ascending, without 0.
    """

    def run(bench: Bench) -> list[Exhibit]:
        models = bench.models()
        curves = []
        for task in tasks:
            bench.report(f"{task.handle}: success rate at ε = 0 to {epsilons[-1]}")
            curves += [_curve(bench, task, model, epsilons) for model in models.models]
        images = "images" if tasks[0].digit is None else f'images of "{tasks[0].digit}"'
        return [
            Rates(
                title,
                f"{models.source}; {IMAGES} test {images} of {bench.data().source}, the same ones at every ε. "
                "Judged by the grader's own copy of the model, after rounding to whole pixel values; bands "
                "are Wilson's 95 % intervals. The test set, since the attacks are judged by images that the "
                "models have not been trained on.",
                "greatest L∞ distance ε (grey values, of 255)",
                "success rate (%)",
                curves,
            )
        ]

    return run


def pictures(*tasks: Task, epsilons: Sequence[int] = EPSILONS) -> Callable[[Bench], list[Exhibit]]:
    """Adversarial images of each task and model, at the smallest ε of the curves that gives enough.

    Args:
        tasks: whose attacks; their `rates` are gathered before.
        epsilons: as there.
    """

    def run(bench: Bench) -> list[Exhibit]:
        return [_panel(bench, task, model, epsilons) for task in tasks for model in bench.models().models]

    return run


def _curve(bench: Bench, task: Task, model: str, epsilons: Sequence[int]) -> RateCurve:
    points, ended = [_benign(bench, task, model)], ""
    for epsilon in epsilons:
        if bench.seconds_left < LEAST_SECONDS:
            ended = "the time for these curves was over"
        else:
            made, ended = _attempt(bench, task, model, epsilon)
        if ended:
            break
        points.append(Rate(epsilon, made.run.success.reached, made.run.success.of))
    return RateCurve(task.handle, f"model {model}", points, ended)


def _benign(bench: Bench, task: Task, model: str) -> Rate:
    """What the model does to the images as they are."""
    images, digits = drawn_images(bench, IMAGES, task.digit)
    labels = digits if task.target is None else torch.full_like(digits, task.target)
    parameters = bench.models().models[model]
    found = evasion.success(parameters, images, labels, targeted=task.target is not None)
    return Rate(0, found.reached, found.of)


def _attempt(bench: Bench, task: Task, model: str, epsilon: int) -> tuple[Attempt | None, str]:
    """A run that keeps to the rules, remembered for the pictures; or why there is none."""
    try:
        made = attempt(bench, task, model, epsilon, IMAGES)
    except Judged as judged:
        return None, f"ε = {epsilon}: {judged.outcome.reason}"
    except WorkerFailure as failure:
        return None, f"ε = {epsilon}: {failure.verdict}: {failure.reason}"
    why = made.run.broken(task)
    if why:
        return None, f"ε = {epsilon}: {why}"
    bench.shared[_key(task, model, epsilon)] = made
    return made, ""


def _key(task: Task, model: str, epsilon: int) -> str:
    return f"attempt {task.handle} {model} {epsilon}"


def _panel(bench: Bench, task: Task, model: str, epsilons: Sequence[int]) -> Exhibit:
    made = {
        epsilon: bench.shared[key] for epsilon in epsilons if (key := _key(task, model, epsilon)) in bench.shared
    }
    won = {epsilon: _won(bench, task, model, done) for epsilon, done in made.items()}
    name = f"{task.handle} on model {model}"
    if not any(len(chosen) for chosen in won.values()):
        tried = f"no image was misled at ε up to {max(made)}" if made else "the attack gave no examples, see its curve"
        return Missing(name, tried)
    enough = (epsilon for epsilon, chosen in won.items() if len(chosen) >= SHOWN)
    epsilon = next(enough, max(won, key=lambda epsilon: len(won[epsilon])))
    return _pictures(bench, name, model, epsilon, made[epsilon], won[epsilon])


def _won(bench: Bench, task: Task, model: str, made: Attempt) -> Tensor:
    """Indices of the images that the model had right and that now do what the attack is for."""
    parameters = bench.models().models[model]
    before = evasion.logits(parameters, made.images).argmax(1)
    after = evasion.logits(parameters, made.answer.double().round()).argmax(1)
    reached = after != made.digits if task.target is None else after == task.target
    return ((before == made.digits) & reached).nonzero().flatten()


def _pictures(bench: Bench, name: str, model: str, epsilon: int, made: Attempt, won: Tensor) -> Pictures:
    chosen = won[:SHOWN]
    originals, adversarial = made.images[chosen].double(), made.answer[chosen].double().round()
    predicted = evasion.logits(bench.models().models[model], adversarial).argmax(1)
    gain = 127 // epsilon
    rows = {
        "original": (originals, made.digits[chosen]),
        "adversarial": (adversarial, predicted),
        f"difference × {gain}": (128 + gain * (adversarial - originals), None),
    }
    return Pictures(
        f"{name}, ε = {epsilon}",
        f"The first {len(chosen)} of {len(won)} images (of {len(made.images)}) that the model recognises and "
        "that mislead it; the number is what the model predicts. Rounded to whole pixel values; difference: "
        "grey is no change.",
        [
            Row(
                label,
                [
                    Captioned(_upright(image), "" if digits is None else str(int(digits[index])))
                    for index, image in enumerate(images)
                ],
            )
            for label, (images, digits) in rows.items()
        ],
    )


def _upright(image: Tensor) -> Picture:
    """(1, 28, 28), transposed as the models take it, as a picture that a human can read."""
    pixels = image[0].T.clamp(0, 255).to(torch.uint8).contiguous()
    return Picture(*pixels.shape, 1, pixels.numpy().tobytes())
