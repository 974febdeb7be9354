"""Checks of deliverable 6: the starter's `Net` and `test`, and the three attacks.

An attack is run on a network that the grader describes, in the worker, which counts backward
passes per image. What comes back is judged here, against the grader's own originals and its own
copy of the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from grader.bench import Bench, Judged
from grader.checks import replies
from grader.declaration import Outcome
from grader.hints import below
from grader.hints import evasion as evasion_hints
from grader.hints.asking import WRITES
from grader.oracles import evasion
from grader.oracles.compare import Expected, mismatch
from grader.oracles.evasion import LAYERS, NAMES, Success
from grader.worker import WorkerFailure, messages
from grader.worker.messages import Attack, Attacked, Build, Call, Done, Forward, Plain, SetParameters

MODULE = "attack"
Setting = tuple[str, float]  # model "A" or "B", ε in pixel values


@dataclass(frozen=True)
class Counts:
    """How many images an attack is run on.

    Args:
        tried: where nothing is asked of its success rate.
        measured: where a rate is asked for. It scatters by at most 2.9 points (one standard deviation), and
            what is asked for lies so far below the reference's that it is missed less than once in a million.
    """

    tried: int = 60
    measured: int = 300


@dataclass(frozen=True)
class Task:
    """One of the assignment's three tasks.

    Args:
        handle: the function that solves it.
        budget: backward passes that an image may take.
        digit: of the images; None for all ten.
        target: the class to reach; None to leave the true one.
    """

    handle: str
    budget: int
    digit: int | None = None
    target: int | None = None


@dataclass(frozen=True)
class Run:
    """What an attack did in one setting."""

    fault: str | None  # why these are no adversarial examples
    passes: int  # most backward passes that one image took
    hardest: int  # index of that image
    success: Success | None
    weakness: str = ""  # why so few are reached, where that is known

    def broken(self, task: Task) -> str:
        """Why no success rate counts; "" if it does."""
        if self.fault:
            return self.fault
        if not 0 < self.passes <= task.budget:
            return f"{self.passes} backward passes, allowed are {task.budget}"
        return ""


@dataclass(frozen=True)
class Attempt:
    """A run, and the images of it.

    Args:
        images: the originals, (N, 1, 28, 28), transposed.
        digits: (N,), their true classes.
        answer: what came back for them, unjudged unless `run.fault` is None.
        run: what the grader found.
    """

    images: Tensor
    digits: Tensor
    answer: Tensor
    run: Run


def examples(task: Task, settings: tuple[Setting, ...], measured: tuple[Setting, ...], counts: Counts = Counts()):
    """A check that runs an attack in every setting: its images are in range and within ε.

    One more setting has a secret ε, so that no limit can be written into the code.

    Args:
        task: whose attack.
        settings: where it is run.
        measured: those of them that a success rate is asked for in.
        counts: on how many images.
    """

    def run(bench: Bench) -> Outcome:
        untold = [epsilon for epsilon in range(3, 33) if all(epsilon != told for _, told in settings)]
        drawn = untold[bench.check_seed(f"{task.handle} epsilon") % len(untold)]
        runs = bench.shared.setdefault(task.handle, {})

        def attack(model: str, epsilon: float, count: int) -> Run:
            bench.report(f"{task.handle} on {_told((model, epsilon))}, {count} images")
            return attempt(bench, task, model, epsilon, count).run

        try:
            for model, epsilon in settings:
                count = counts.measured if (model, epsilon) in measured else counts.tried
                runs[model, epsilon] = attack(model, epsilon, count)
            runs["secret"] = attack("B", drawn, counts.tried // 4)
        except WorkerFailure as failure:
            bench.shared[f"{task.handle} ended"] = failure.reason
            raise
        except Judged as judged:
            bench.shared[f"{task.handle} ended"] = judged.outcome.reason
            raise
        wrong = {setting: done.fault for setting, done in runs.items() if done.fault}
        if wrong:
            setting, reason = next(iter(wrong.items()))
            where = f"model B, ε = {drawn}" if setting == "secret" else _told(setting)
            return Outcome("fail", f"{task.handle} on {where}: {reason}")
        return Outcome("pass", f"{_source(bench)}: {_rates(runs)}")

    return run


def budget(task: Task):
    """A check that no image took more backward passes than the task allows."""

    def run(bench: Bench) -> Outcome:
        runs = _done(bench, task)
        most = max(runs, key=lambda setting: runs[setting].passes)
        worst = runs[most]
        if worst.passes > task.budget:
            reason = (
                f"{task.handle} took {worst.passes} backward passes for image {worst.hardest} on "
                f"{_told(most)}; allowed are {task.budget} for each image (a batch's pass counts for "
                "every image in it, a repeated image each time)"
            )
            return Outcome("fail", below(reason, evasion_hints.of_passes(worst.passes, task.budget)))
        if worst.passes == 0:
            return Outcome("fail", f"{task.handle} computed no gradient of the model that it was given")
        return Outcome("pass", f"at most {worst.passes} of {task.budget} backward passes per image")

    return run


def reaches(task: Task, required: Mapping[str, Mapping[Setting, float]], *, ranked: bool = False):
    """A check of the success rates.

    Args:
        task: whose.
        required: "hand-out" and "own" models → setting → least rate, from 0 to 1.
        ranked: whether the rates in all settings are scores of a leaderboard.
    """

    def run(bench: Bench) -> Outcome:
        runs = _honest(bench, task)
        asked = required[bench.models().kind]
        missed = [setting for setting, least in asked.items() if runs[setting].success.rate < least]
        said = "; ".join(
            f"{_told(setting)}: {runs[setting].success}, {least:.0%} asked for" for setting, least in asked.items()
        )
        scores = {_told(setting): run.success.rate for setting, run in runs.items()} if ranked else {}
        why = runs[missed[0]].weakness if missed else ""
        return Outcome("fail" if missed else "pass", below(f"{_source(bench)}: {said}", why), scores)

    return run


def improves(task: Task, on: Task, required: Mapping[str, Mapping[Setting, float]], allowance: int):
    """A check that one attack is clearly better than another one.

    It is, where it reaches `required`, which plain gradient steps on cross-entropy do not, and
    falls behind the other one nowhere.

    Args:
        task: the improved attack.
        on: the attack that it improves.
        required: as for `reaches`.
        allowance: how many images fewer it may reach in a setting, for chance.
    """
    enough = reaches(task, required, ranked=True)  # of the assignment's bonus

    def run(bench: Bench) -> Outcome:
        better, plain = _honest(bench, task), _done(bench, on)
        behind = [
            setting
            for setting, run in plain.items()
            if run.success is not None and better[setting].success.reached < run.success.reached - allowance
        ]
        if behind:
            worst = behind[0]
            reason = (
                f"{task.handle} does worse than {on.handle} on {_told(worst)}: "
                f"{better[worst].success} against {plain[worst].success}"
            )
            return Outcome("fail", below(reason, better[worst].weakness))
        return enough(bench)

    return run


def network(bench: Bench) -> Outcome:
    """`Net` takes the models' state dicts, and computes what the grader's copy computes."""
    for name, parameters in bench.models().models.items():
        replies.expect(bench.ask(MODULE, Build(module=MODULE, name="Net", handle=name)), messages.Built)
        replies.expect(
            bench.ask(
                MODULE,
                SetParameters(handle=name, names=list(NAMES)),
                [torch.from_numpy(parameters[key].copy()) for key in NAMES],
            ),
            Done,
        )
        images, _ = drawn_images(bench, 50)
        reply = bench.ask(MODULE, Forward(handle=name, args=[messages.Tensor(index=0)], train=False), [images])
        truth = evasion.logits(parameters, images)
        expected = Expected(truth, torch.full_like(truth, 1e-4 * truth.abs().max().item()), images.dtype)
        wrong = mismatch(f"logits of model {name}", replies.output(reply), expected)
        if wrong:
            return Outcome("fail", wrong)
    return Outcome("pass")


def accuracy(bench: Bench) -> Outcome:
    """`test` returns the accuracy, also where the batches do not come out even."""
    outcome = network(bench)
    if outcome.verdict != "pass":
        return Outcome("not-run", f"rests on Net: {outcome.reason}")
    images, labels = drawn_images(bench, 250)
    for name, parameters in bench.models().models.items():
        right = (evasion.logits(parameters, images).argmax(1) == labels).double().mean().item()
        request = Call(
            module=MODULE,
            name="test",
            args=[messages.Object(name), messages.Tensor(0), messages.Tensor(1), Plain(64)],
        )
        (returned,) = replies.result(bench.ask(MODULE, request, [images, labels])).outputs
        try:
            found = float(returned.detail)
        except ValueError:
            return Outcome("fail", f"expected a float from 0 to 1, got {returned.type}")
        if not abs(found - right) < 1e-6:
            reason = f"model {name} has {right:.4f} of {len(images)} images right, test said {found:.4f}"
            return Outcome("fail", below(reason, evasion_hints.of_accuracy(found, right, len(images))))
    return Outcome("pass")


def attempt(bench: Bench, task: Task, model: str, epsilon: float, count: int) -> Attempt:
    """Ask for adversarial examples, and judge them."""
    parameters = bench.models().models[model]
    images, digits = drawn_images(bench, count, task.digit)
    labels = digits if task.target is None else torch.full_like(digits, task.target)
    arrays = [torch.from_numpy(parameters[name].copy()) for name in NAMES]
    at = len(arrays)
    reply = bench.ask(
        MODULE,
        Attack(
            module=MODULE,
            name=task.handle,
            layers=list(LAYERS),
            images=at,
            # Where an attack looks at a point outside of the ball, it is still near its original;
            # two different digits are farther apart than this.
            reach=epsilon + 1,
            args=[messages.Tensor(at), messages.Tensor(at + 1), Plain(epsilon)],
        ),
        [*arrays, images, labels],
    )
    message = replies.expect(reply, Attacked)
    answer = _answer(reply, message)
    passes = reply.arrays[message.passes]
    if passes.shape != (len(images),):
        raise Judged(Outcome("invalid", f"counts of shape {tuple(passes.shape)} for {len(images)} images"))
    # Rows that are near no original serve all of them alike.
    shared = -(-message.stray // len(images))
    fault = evasion.fault(answer, images, epsilon)
    if fault:
        fault = below(fault, evasion_hints.hint(answer, images, epsilon))
    if at in message.changed_inputs:
        fault = below("it changed x in place; work on a copy (x.clone())", WRITES)
    targeted = task.target is not None
    success = None if fault else evasion.success(parameters, answer, labels, targeted=targeted)
    weakness = evasion_hints.of_strays(message.stray, int(passes.sum()))
    if not fault and not weakness:
        weakness = evasion_hints.of_weakness(parameters, answer, images, labels, epsilon, targeted=targeted)
    run = Run(fault, int(passes.max()) + shared, int(passes.argmax()), success, weakness)
    return Attempt(images, digits, answer, run)


def _answer(reply, message: Attacked) -> Tensor:
    returned = message.output
    if message.sequence or returned.index is None:
        detail = f" ({returned.detail})" if returned.detail else ""
        raise Judged(Outcome("fail", f"expected one tensor of images, got {returned.type}{detail}"))
    return reply.arrays[returned.index]


def drawn_images(bench: Bench, count: int, digit: int | None = None) -> tuple[Tensor, Tensor]:
    """Test images that the run's secret draws, the same ones for every task; (N, 1, 28, 28), (N,)."""
    data = bench.data()
    generator = torch.Generator().manual_seed(bench.check_seed("images to attack"))
    order = torch.randperm(len(data.test_images), generator=generator).numpy()
    if digit is not None:
        order = order[data.test_labels[order] == digit]
    chosen = order[:count]
    labels = torch.from_numpy(data.test_labels[chosen].astype("int64"))
    return evasion.starter_images(data.test_images[chosen]), labels


def _done(bench: Bench, task: Task) -> dict[Setting, Run]:
    """The runs of a task, without the one of a secret ε."""
    runs = {key: run for key, run in bench.shared.get(task.handle, {}).items() if key != "secret"}
    ended = bench.shared.get(f"{task.handle} ended", "" if runs else "it was not tried")
    if ended:
        raise Judged(Outcome("not-run", f"{task.handle} gave no examples to judge: {ended}"))
    return runs


def _honest(bench: Bench, task: Task) -> dict[Setting, Run]:
    """The runs of a task that kept to the rules in every setting."""
    runs = _done(bench, task)
    for setting, run in runs.items():
        why = run.broken(task)
        if why:
            raise Judged(Outcome("not-run", f"no success rate counts: on {_told(setting)}: {why}"))
    return runs


def _told(setting: Setting) -> str:
    return f"model {setting[0]}, ε = {setting[1]:g}"


def _rates(runs: Mapping) -> str:
    return ", ".join(f"{_told(key)}: {run.success}" for key, run in runs.items() if key != "secret")


def _source(bench: Bench) -> str:
    return f"{bench.models().source}, {bench.data().source}"
