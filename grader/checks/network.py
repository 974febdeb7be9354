"""Checks of deliverable 2's `setup_seed` and `Net`."""

import torch

from grader.declaration import Outcome
from grader.bench import Bench, Judged
from grader.checks import replies
from grader.oracles import figure1
from grader.oracles.compare import mismatch
from grader.oracles.figure1 import Figure1
from grader.worker.messages import (
    Build,
    Built,
    Draws,
    Drawn,
    Forward,
    GetParameters,
    Parameters,
    Slot,
    Tensor,
)

MODULE = "train"
GENERATORS = ("torch.rand", "numpy.random.rand", "random.random")


def seeding(bench: Bench) -> Outcome:
    """The same seed draws the same numbers from torch, numpy and random, another seed others."""
    seed = bench.check_seed("setup_seed")
    drawn = []
    for value in (seed, seed, seed ^ 1):
        reply = bench.ask(MODULE, Draws(module=MODULE, name="setup_seed", seed=value))
        replies.expect(reply, Drawn)
        drawn.append(reply.arrays)
    for name, first, again, other in zip(GENERATORS, *drawn, strict=True):
        if not torch.equal(first, again):
            return Outcome("fail", f"{name} draws other numbers after setup_seed({seed}) again")
        # Four numbers of at least 24 random bits: equal by chance once in 2⁹⁶ runs.
        if torch.equal(first, other):
            return Outcome("fail", f"{name} draws the same numbers after two different seeds")
    return Outcome("pass")


def output_shape(figure: Figure1):
    """A check that `Net` maps a batch of images to one logit per class."""

    def run(bench: Bench) -> Outcome:
        _build(bench)
        for batch in (1, 3):
            reply = _forward(bench, torch.zeros(_image_shape(figure, batch)))
            shape = tuple(replies.output(reply).shape)
            if shape != (batch, figure.classes):
                return Outcome(
                    "fail",
                    f"Net()(torch.zeros{_image_shape(figure, batch)}) has shape {shape}; "
                    f"expected {(batch, figure.classes)}",
                )
        return Outcome("pass")

    return run


def parameters(figure: Figure1):
    """A check that `Net` has exactly Figure 1's parameters, under any names."""

    def run(bench: Bench) -> Outcome:
        slots = _build(bench).parameters
        found = figure1.match(figure, {slot.name: tuple(slot.shape) for slot in slots})
        if isinstance(found, str):
            count = sum(torch.Size(slot.shape).numel() for slot in slots)
            return Outcome(
                "fail", f"{found} ({count:,} numbers; Figure 1 has {figure.parameter_count:,})"
            )
        frozen = [slot.name for slot in slots if not slot.requires_grad]
        if frozen:
            return Outcome("fail", f"requires_grad is False: {', '.join(frozen)} would not train")
        return Outcome("pass")

    return run


def computes(figure: Figure1):
    """A check that `Net` computes Figure 1, from its own parameters, and is differentiable."""

    def run(bench: Bench) -> Outcome:
        _build(bench)
        reply = bench.ask(MODULE, GetParameters(handle="net"))
        slots = replies.expect(reply, Parameters).parameters
        names = figure1.match(figure, {slot.name: tuple(slot.shape) for slot in slots})
        if isinstance(names, str):
            return Outcome("fail", f"cannot be compared with Figure 1: {names}")
        unread = [slot.name for slot in slots if slot.index is None]
        if unread:
            return Outcome("fail", f"the values of {', '.join(unread)} cannot be read: on the meta device?")
        values = {slot.name: reply.arrays[slot.index] for slot in slots}
        generator = torch.Generator().manual_seed(bench.check_seed("images"))
        images = torch.randn(_image_shape(figure, 4), generator=generator)
        truth = figure1.logits(figure, [values[name] for name in names], images)
        reply = _forward(bench, images, differentiate=True)
        wrong = mismatch("logits", replies.output(reply), truth)
        if wrong:
            return Outcome(
                "fail",
                f"{wrong}; the parameters fit, so look at the order of the layers, the ReLUs, "
                "and whether a softmax or a normalisation was added",
            )
        message = replies.result(reply)
        if message.backward is not None:
            return replies.raised(message.backward, "backward: ")
        idle = [name for name in names if _is_idle(reply, name)]
        if idle:
            return Outcome("fail", f"no gradient reaches {', '.join(idle)}")
        return Outcome("pass")

    return run


def _is_idle(reply, name: str) -> bool:
    index = replies.result(reply).parameter_gradients.get(name)
    return index is None or not reply.arrays[index].any()


def _build(bench: Bench) -> Built:
    reply = bench.ask(MODULE, Build(module=MODULE, name="Net", handle="net"))
    message = replies.expect(reply, Built)
    if not message.is_module:
        raise Judged(Outcome("fail", f"Net() made a {message.type}, not an nn.Module"))
    return message


def _forward(bench: Bench, images: torch.Tensor, *, differentiate: bool = False):
    """Logits of "net" in evaluation mode; gradients for random upstream numbers."""
    upstream = torch.ones(len(images), 10)
    return bench.ask(
        MODULE,
        Forward(
            handle="net",
            args=[Tensor(index=0)],
            train=False,
            grad_outputs=[1] if differentiate else [],
            parameter_gradients=differentiate,
        ),
        [images] + [upstream] * differentiate,
    )


def _image_shape(figure: Figure1, batch: int) -> tuple[int, ...]:
    return (batch, figure.in_channels, figure.image_size, figure.image_size)
