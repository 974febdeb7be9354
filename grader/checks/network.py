"""Checks of a network that is a plain CNN, by what it computes from numbers that the grader sets."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from grader.bench import Bench, Judged
from grader.checks import lazy, replies
from grader.declaration import Outcome
from grader.hints import below
from grader.oracles import plain_cnn, plain_layout
from grader.oracles.compare import mismatch
from grader.oracles.plain_cnn import Heads, PlainCNN, Trunk
from grader.oracles.plain_layout import Layout
from grader.worker import Reply
from grader.worker.messages import (
    Build,
    Built,
    Done,
    Forward,
    GetParameters,
    Parameters,
    SetParameters,
    Slot,
    Tensor,
)

BATCH = 4
SEARCHED = 2  # images that a wrong answer is compared with known faults on
# γ/√(variance + ε) with these two is 1 to five digits for any ε up to 1: no batch normalisation that
# begins as the identity changes a value by more, whatever its ε.
SCALE, VARIANCE = 2.0**8, 2.0**16
ORDER = (
    "the parameters fit, so look at the order of the layers, the ReLUs, and whether a softmax or a normalisation was "
    "added"
)
UNTOLD = (
    "it cannot be told which vectors are the biases: expected a batch normalisation's shift (bias) to begin with 0, as "
    "PyTorch's does, found other numbers"
)


@dataclass(frozen=True)
class Candidate:
    """A submission's network, with numbers of the grader's.

    Args:
        layout: which parameter is which.
        values: name → tensor.
    """

    layout: Layout
    values: dict[str, torch.Tensor]


@dataclass(frozen=True)
class Network:
    """The checks; each method is one.

    Args:
        network: what it must be like.
        module: the file of the class.
    """

    network: PlainCNN
    module: str

    def shape(self, bench: Bench) -> Outcome:
        """A batch of images becomes one logit per class and image."""
        self._build(bench)
        for batch in (1, 3):
            given, wanted = (batch, *self.network.image_shape), (batch, self.network.classes)
            shape = tuple(replies.output(self._forward(bench, torch.zeros(given))).shape)
            if shape != wanted:
                made = f"{self.network.handle}()(torch.zeros{given})"
                return Outcome("fail", f"{made} has shape {shape}; expected {wanted}")
        return Outcome("pass")

    def parameters(self, bench: Bench) -> Outcome:
        """The parameters are exactly the figure's, under any names."""
        self._build(bench)
        slots, values, _ = self._read(bench)
        found = _shapes(slots)
        layout = plain_layout.read(self.network, found, ones=_filled(values, 1))
        if isinstance(layout, str):
            hint = plain_cnn.hint(self.network, found)
            count = sum(torch.Size(shape).numel() for shape in found.values())
            reason = f"{layout} ({count:,} numbers; {self.network.figure} has {self.network.parameter_count:,})"
            return Outcome("fail", below(reason, hint))
        frozen = [slot.name for slot in slots if not slot.requires_grad]
        if frozen:
            return Outcome("fail", f"requires_grad is False: {', '.join(frozen)} would not train")
        return Outcome("pass")

    def values(self, bench: Bench) -> Outcome:
        """The logits are what the figure computes from the same numbers, in evaluation mode."""
        candidate = self._prepared(bench)
        images = self._images(bench)
        answer = replies.output(self._forward(bench, images))
        fault, said = self._fault(candidate, images, answer)
        if not fault:
            return Outcome("pass")
        again = replies.output(self._forward(bench, images))
        if answer.shape == again.shape and not torch.equal(answer, again):
            said = "the same images give other logits each time: dropout must rest in evaluation (self.training)"
        return Outcome("fail", below(fault, said))

    def gradients(self, bench: Bench) -> Outcome:
        """A gradient reaches every parameter."""
        names = [slot.name for slot in self._build(bench).parameters]
        generator = torch.Generator().manual_seed(bench.check_seed("upstream"))
        # Upstream numbers that differ: through a softmax, equal ones would give no gradient at all.
        upstream = torch.randn(BATCH, self.network.classes, generator=generator)
        reply = self._forward(bench, self._images(bench), upstream)
        message = replies.result(reply)
        if message.backward is not None:
            return replies.raised(message.backward, "backward: ")
        found = message.parameter_gradients
        idle = [name for name in names if found.get(name) is None or not reply.arrays[found[name]].any()]
        if idle:
            return Outcome("fail", f"no gradient reaches {', '.join(idle)}")
        return Outcome("pass")

    def computes(self, bench: Bench) -> Outcome:
        """Values and gradients in one check."""
        outcome = self.values(bench)
        return outcome if outcome.verdict != "pass" else self.gradients(bench)

    # -------------------------------------------------------------------- shared
    def _build(self, bench: Bench) -> Built:
        request = Build(module=self.module, name=self.network.handle, handle="net")
        message = replies.expect(bench.ask(self.module, request), Built)
        if not message.is_module:
            raise Judged(Outcome("fail", f"{self.network.handle}() made a {message.type}, not an nn.Module"))
        if lazy.waiting(message.parameters):  # a pass gives them their shapes, and their numbers
            replies.output(self._forward(bench, torch.zeros(1, *self.network.image_shape)))
        return message

    def _read(self, bench: Bench) -> tuple[list[Slot], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """The parameters as registered, their values, and those of the buffers."""
        reply = bench.ask(self.module, GetParameters(handle="net"))
        message = replies.expect(reply, Parameters)
        unread = [slot.name for slot in message.parameters if slot.index is None]
        if unread:
            why = f"the values of {', '.join(unread)} cannot be read: on the meta device?"
            raise Judged(Outcome("fail", why))
        return message.parameters, _values(reply, message.parameters), _values(reply, message.buffers)

    def _prepared(self, bench: Bench) -> Candidate:
        """A fresh network with numbers that keep every layer's values near 1."""
        self._build(bench)
        slots, values, buffers = self._read(bench)
        layout = plain_layout.read(self.network, _shapes(slots), ones=_filled(values, 1))
        if isinstance(layout, str):
            raise Judged(Outcome("fail", f"cannot be compared with {self.network.figure}: {layout}"))
        generator = torch.Generator().manual_seed(bench.check_seed("numbers"))
        given = {}
        for name in layout.weights:
            shape = values[name].shape
            given[name] = math.sqrt(2 / math.prod(shape[1:])) * torch.randn(shape, generator=generator)
        for width, names in layout.vectors.items():
            if not layout.shifts[width]:  # with shifts among them it cannot be seen which the biases are
                given |= {name: torch.randn(values[name].shape, generator=generator) for name in names}
        variances = _filled({name: value for name, value in buffers.items() if value.dim() > 0}, 1)
        if len(variances) == len(layout.scales):
            given |= {name: torch.full_like(values[name], SCALE) for name in layout.scales}
            given |= {name: torch.full_like(buffers[name], VARIANCE) for name in variances}
        request = SetParameters(handle="net", names=list(given))
        replies.expect(bench.ask(self.module, request, list(given.values())), Done)
        return Candidate(layout, values | given)

    def _fault(self, candidate: Candidate, images: torch.Tensor, answer: torch.Tensor) -> tuple[str, str]:
        """What is wrong with the logits of images, and its hint; "" if they are what a way that is open gives."""
        zeros = _filled(candidate.values, 0)
        orders = plain_layout.arrangements(self.network, candidate.layout, zeros)
        tensors = [plain_cnn.shaped(self.network, [candidate.values[name] for name in order]) for order in orders]
        if not tensors:
            return UNTOLD, ""
        wrong = mismatch("logits", answer, plain_cnn.logits(self.network, tensors[0], images))
        if wrong is None or self._explains(plain_cnn.accepted, tensors, images, answer) is not None:
            return "", ""
        few = self._explains(plain_cnn.faults, tensors, images[:SEARCHED], answer[:SEARCHED])
        return f"{wrong}; {ORDER}", few or ""

    def _explains(
        self,
        ways: Callable[[PlainCNN], Iterator[tuple[Trunk, Heads]]],
        tensors: Iterable[list[torch.Tensor]],
        images: torch.Tensor,
        answer: torch.Tensor,
    ) -> str | None:
        """What is said of the first of these ways that gives the answer; None if none does."""
        if answer.shape != (len(images), self.network.classes):
            return None
        for order in tensors:
            for trunk, heads in ways(self.network):
                sums = plain_cnn.hidden_sums(self.network, order, images, trunk)
                truths = plain_cnn.answers(self.network, order, sums, [head for head, _ in heads])
                for truth, (_, said) in zip(truths, heads, strict=True):
                    if mismatch("logits", answer, truth) is None:
                        return said
        return None

    def _images(self, bench: Bench) -> torch.Tensor:
        generator = torch.Generator().manual_seed(bench.check_seed("images"))
        return torch.randn(BATCH, *self.network.image_shape, generator=generator)

    def _forward(self, bench: Bench, images: torch.Tensor, upstream: torch.Tensor | None = None) -> Reply:
        """Logits in evaluation mode; gradients of the parameters for upstream numbers."""
        differentiate = upstream is not None
        request = Forward(
            handle="net",
            args=[Tensor(index=0)],
            train=False,
            grad_outputs=[1] if differentiate else [],
            parameter_gradients=differentiate,
        )
        return bench.ask(self.module, request, [images, upstream] if differentiate else [images])


def _shapes(slots: Iterable[Slot]) -> dict[str, tuple[int, ...]]:
    return {slot.name: tuple(slot.shape) for slot in slots}


def _values(reply: Reply, slots: Iterable[Slot]) -> dict[str, torch.Tensor]:
    return {slot.name: reply.arrays[slot.index] for slot in slots if slot.index is not None}


def _filled(values: dict[str, torch.Tensor], number: float) -> frozenset[str]:
    """The names of those that hold nothing but this number."""
    return frozenset(name for name, value in values.items() if (value == number).all())
