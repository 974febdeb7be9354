"""What the checks of deliverable 3 share: build a candidate, give it the grader's numbers, run it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import torch

from grader.bench import Bench, Judged
from grader.checks import lazy, replies
from grader.declaration import Outcome
from grader.oracles.figure3 import SCALE, Norm, drawn_norm, fresh_norm
from grader.oracles.resnet_layout import Layout, read
from grader.worker import Reply
from grader.worker.messages import (
    Build,
    Built,
    Done,
    Forward,
    GetParameters,
    Parameters,
    Plain,
    SetParameters,
    Slot,
    Tensor,
    Value,
)

MODULE = "model"
# Figure 3's 4.8 million numbers are 19 MB in float32, and so are their gradients.
NETWORK_BYTES = 64 << 20
# Keeps the logits near 1: a softmax that was added by mistake is then recognised by its values.
SMALL = 0.1


@dataclass(frozen=True)
class Candidate:
    """A submission's module, as it was built.

    Args:
        handle: its name in the session.
        convolutions: shapes of the weights that it should have.
        linear: shapes of the linear layer's weight and bias; empty without one.
        slots: its parameters, as registered.
        buffers: name → shape, as registered.
        layout: which parameter is which, or why that cannot be told.
    """

    handle: str
    convolutions: Sequence[tuple[int, ...]]
    linear: Sequence[tuple[int, ...]]
    slots: Sequence[Slot]
    buffers: dict[str, tuple[int, ...]]
    layout: Layout | str

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of its parameters, as registered."""
        return _shapes(self.slots)

    @property
    def count(self) -> int:
        """How many numbers it learns."""
        return sum(math.prod(slot.shape) for slot in self.slots)

    @property
    def frozen(self) -> list[str]:
        """Parameters that would not be trained."""
        return [slot.name for slot in self.slots if not slot.requires_grad]

    def known(self) -> Layout:
        """The layout; ends the check where there is none."""
        if isinstance(self.layout, str):
            raise Judged(Outcome("fail", f"cannot be compared with Figure 3: {self.layout}"))
        return self.layout


@dataclass(frozen=True)
class Numbers:
    """What a candidate's parameters and running statistics were set to, in float64."""

    weights: tuple[torch.Tensor, ...]  # as `Candidate.convolutions`
    norms: tuple[Norm, ...]  # as registered
    linear: tuple[torch.Tensor, ...]  # weight and bias, or nothing


def build(
    bench: Bench,
    name: str,
    args: Sequence[int],
    convolutions: Sequence[tuple[int, ...]],
    linear: tuple[int, int] | None = None,
    *,
    images: tuple[int, ...],
) -> Candidate:
    """Construct `name(*args)` under the handle `name`, and find out which parameter is which.

    Args:
        bench: where the submission is.
        name: the class.
        args: what it is constructed with.
        convolutions: shapes of the weights that it should have.
        linear: shape of the linear layer's weight; None without one.
        images: shape of an input that it takes, for layers that are made by their first pass.
    """
    request = Build(module=MODULE, name=name, handle=name, args=[Plain(arg) for arg in args])
    built = replies.expect(bench.ask(MODULE, request), Built)
    if not built.is_module:
        raise Judged(Outcome("fail", f"{name}(…) made a {built.type}, not an nn.Module"))
    if lazy.waiting([*built.parameters, *built.buffers]):
        built = lazy.made(bench, MODULE, name, images, NETWORK_BYTES)
    buffers = _shapes(built.buffers)
    layout = read(convolutions, linear, _shapes(built.parameters), buffers)
    head = [linear, linear[:1]] if linear else []
    return Candidate(name, convolutions, head, built.parameters, buffers, layout)


def give_numbers(bench: Bench, candidate: Candidate, purpose: str) -> Numbers:
    """Draw numbers for everything that a candidate learns or keeps, and set them.

    Normalisations get other numbers each. Where it cannot be told which vectors belong together
    they stay as they begin; a convolution's bias, which should not be there, becomes 0.
    """
    layout = candidate.known()
    generator = torch.Generator().manual_seed(bench.check_seed(purpose))
    slots = {slot.name: slot for slot in candidate.slots}
    values: dict[str, torch.Tensor] = {}

    def normal(name: str, shape: tuple[int, ...], std: float) -> torch.Tensor:
        values[name] = std * torch.randn(shape, generator=generator)
        return values[name].double()

    weights = tuple(
        normal(name, shape, math.sqrt(2 / math.prod(shape[1:])))
        for name, shape in zip(layout.weights, candidate.convolutions, strict=True)
    )
    linear = tuple(
        normal(name, shape, SMALL / math.sqrt(shape[-1]))
        for name, shape in zip(layout.linear, candidate.linear, strict=True)
    )
    norms = [drawn_norm(generator, names.channels) for names in layout.norms]
    for names, norm in zip(layout.norms, norms, strict=True):
        for role in ("scale", "shift", "mean", "variance"):
            values[getattr(names, role)] = getattr(norm, role).float()
    values |= {name: torch.zeros(shape) for name, shape in layout.biases.items()}
    put(
        bench,
        candidate,
        {
            name: value.reshape(slots[name].shape) if name in slots else value
            for name, value in values.items()
        },
    )
    return Numbers(
        weights,
        tuple(norms) or tuple(fresh_norm(shape[0]) for shape in candidate.convolutions),
        linear,
    )


def put(bench: Bench, candidate: Candidate, values: dict[str, torch.Tensor]) -> None:
    """Set parameters and buffers by name."""
    request = SetParameters(handle=candidate.handle, names=list(values))
    replies.expect(bench.ask(MODULE, request, list(values.values())), Done)


def noise(bench: Bench, purpose: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Images of normal noise, of the size that `drawn_norm` reckons with."""
    generator = torch.Generator().manual_seed(bench.check_seed(f"images {purpose}"))
    return SCALE * torch.randn(shape, generator=generator)


def forward(
    bench: Bench,
    candidate: Candidate,
    images: torch.Tensor,
    *,
    train: bool = False,
    upstream: torch.Tensor | None = None,
    **kwargs: Value,
) -> Reply:
    """Run a candidate; with `upstream`, the gradients of its parameters come back too."""
    request = Forward(
        handle=candidate.handle,
        args=[Tensor(index=0)],
        kwargs=kwargs,
        train=train,
        grad_outputs=[] if upstream is None else [1],
        parameter_gradients=upstream is not None,
    )
    return bulky(bench, request, [images] if upstream is None else [images, upstream])


def tensor(reply: Reply, what: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The float32 tensor of this shape that a call returned; ends the check without one."""
    answer = replies.output(reply)
    if tuple(answer.shape) != shape:
        found = tuple(answer.shape)
        raise Judged(Outcome("fail", f"{what}: wrong shape {found}; expected {shape}"))
    if answer.dtype != torch.float32:
        raise Judged(Outcome("fail", f"{what}: wrong dtype {answer.dtype}; expected the input's"))
    return answer


def statistics(bench: Bench, candidate: Candidate) -> dict[str, torch.Tensor]:
    """Running means and variances: of the known normalisations, or all buffers that are vectors."""
    reply = bulky(bench, GetParameters(handle=candidate.handle))
    slots = replies.expect(reply, Parameters).buffers
    layout = candidate.layout
    norms = () if isinstance(layout, str) else layout.norms
    known = {name for norm in norms for name in (norm.mean, norm.variance)}
    return {
        slot.name: reply.arrays[slot.index].double()
        for slot in slots
        if slot.index is not None and len(slot.shape) == 1 and (not known or slot.name in known)
    }


def bulky(bench: Bench, request: msgspec.Struct, arrays: Sequence[torch.Tensor] = ()) -> Reply:
    """Ask for a reply that may hold a whole network."""
    (reply,) = bench.stream(MODULE, request, arrays, NETWORK_BYTES)
    return reply


def _shapes(slots: Sequence[Slot]) -> dict[str, tuple[int, ...]]:
    return {slot.name: tuple(slot.shape) for slot in slots}
