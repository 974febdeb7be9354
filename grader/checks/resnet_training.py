"""Checks of what deliverable 3's network does before and during a training.

Batch normalisation in both modes, gradients, and the initialisation.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from grader.bench import Bench, Judged
from grader.checks import replies
from grader.checks.resnet import BATCH, build_network, image_shape, logits
from grader.checks.resnet_parts import (
    MODULE,
    Candidate,
    Numbers,
    bulky,
    forward,
    give_numbers,
    noise,
    put,
    statistics,
)
from grader.declaration import Outcome
from grader.hints import below, initialisation, resnet
from grader.oracles.figure3 import Figure3
from grader.oracles.initialisation import he_fault
from grader.oracles.resnet_search import TOLERANCE, close
from grader.worker.messages import Forward, GetParameters, Named, Parameters

LARGEST_BIAS = 0.1  # "a small constant such as 0.01"
REPEATS = 7  # who flips all images or none, each with probability ½, is not seen once in 2⁷ runs
RANDOM = (
    "something is random there; draw in training mode only: F.dropout takes training=self.training, and augmentation "
    "belongs into train"
)
NEVER = "in training mode your network computes what it computes in evaluation mode: its normalisations stay in that"
SOME = "others move in the same pass: these normalisations are not used in it, or their momentum is 0"
SEEDED = "every number is the same: a seed is set, or constants are, where a network is built or initialised"


@dataclass(frozen=True)
class Training:
    """The checks of `MyResnet` in training and of `init_weights_kaiming`; each method is one."""

    figure: Figure3

    def batch_norm(self, bench: Bench) -> Outcome:
        """Statistics of the batch in training mode, running ones in evaluation mode."""
        net = build_network(bench, self.figure)
        numbers = _numbers_if_known(bench, net, "batch_norm")
        images = noise(bench, "batch_norm", image_shape(self.figure, BATCH))
        before = statistics(bench, net)
        if not before:
            return Outcome("fail", "the network keeps no running mean and variance")

        together = logits(bench, self.figure, net, images)
        for _ in range(REPEATS):
            if not close(logits(bench, self.figure, net, images), together.double()):
                reason = "in evaluation mode the same images get other logits when they come again"
                return Outcome("fail", below(reason, RANDOM))
        alone = logits(bench, self.figure, net, images[:1])
        if not close(alone, together[:1].double()):
            reason = (
                "in evaluation mode an image's logits depend on the images beside it; expected "
                "running statistics there"
            )
            trained = logits(bench, self.figure, net, images, train=True)
            return Outcome("fail", below(reason, resnet.of_modes(together, trained)))
        if moved := _moved(before, statistics(bench, net)):
            return Outcome("fail", f"evaluation changes {moved[0]}; only training may")

        trained = logits(bench, self.figure, net, images, train=True)
        after = statistics(bench, net)
        still = sorted(set(before) - set(_moved(before, after)))
        if still:
            reason = f"a pass in training mode leaves {', '.join(still)} as it was"
            moving = len(still) < len(before)
            said = SOME if moving else NEVER if resnet.of_modes(trained, together) else ""
            return Outcome("fail", below(reason, said))
        elsewhere = {name: 2 * value.float() + 1 for name, value in before.items()}
        put(bench, net, elsewhere)
        again = logits(bench, self.figure, net, images, train=True)
        if not close(again, trained.double()):
            return Outcome(
                "fail",
                "in training mode the logits depend on the running statistics; expected those "
                "of the batch, and nothing random",
            )
        once = statistics(bench, net)
        logits(bench, self.figure, net, images, train=True)
        if away := _leaving(elsewhere, once, statistics(bench, net)):
            return Outcome(
                "fail",
                f"{away[0]} moves farther with every pass over the same images in training mode; expected it to "
                "approach the batch's statistics, with a momentum from 0 to 1",
            )
        if numbers is None:
            return Outcome("pass")
        stem = [norm.mean for norm in net.known().norms if norm.channels == self.figure.stem]
        if len(stem) == 1:
            first = F.conv2d(images.double(), numbers.weights[0], padding="same")
            return _judge_step(stem[0], before, after, first.mean((0, 2, 3)))
        return Outcome("pass")

    def gradients(self, bench: Bench) -> Outcome:
        """A gradient that is not 0 reaches every parameter."""
        net = build_network(bench, self.figure)
        _numbers_if_known(bench, net, "gradients")
        images = noise(bench, "gradients", image_shape(self.figure, BATCH))
        # Random, since the sum over a softmax's outputs would have no gradient at all.
        upstream = noise(bench, "upstream", (BATCH, self.figure.classes))
        reply = forward(bench, net, images, train=True, upstream=upstream)
        found = replies.result(reply)
        if found.backward is not None:
            return replies.raised(found.backward, "backward: ")
        indices = {slot.name: found.parameter_gradients.get(slot.name) for slot in net.slots}
        idle = [
            name
            for name, index in indices.items()
            if index is None or not reply.arrays[index].any()
        ]
        if idle:
            arrived = {name: None if indices[name] is None else reply.arrays[indices[name]] for name in idle}
            reason = f"no gradient reaches {', '.join(idle)}"
            return Outcome("fail", below(reason, resnet.of_idle(idle, net.frozen, arrived)))
        wild = [name for name, index in indices.items() if not reply.arrays[index].isfinite().all()]
        if wild:
            return Outcome("fail", f"the gradient is not finite: {', '.join(wild)}")
        return Outcome("pass")

    def he(self, bench: Bench) -> Outcome:
        """`init_weights_kaiming` draws every weight with He's variance, and anew each time."""
        drawn = []
        for _ in range(2):
            parameters = self._initialised(bench, build_network(bench, self.figure))
            drawn.append({name: value for name, value in parameters.items() if value.dim() > 1})
        if not drawn[0] or drawn[0].keys() != drawn[1].keys():
            return Outcome("fail", "expected the weights of convolutions and a linear layer")
        if fault := he_fault(drawn[0]):
            return Outcome("fail", below(fault, initialisation.hint(drawn[0])))
        same = [name for name in drawn[0] if torch.equal(drawn[0][name], drawn[1][name])]
        if same:
            reason = f"two networks begin with the same numbers in {same[0]}"
            return Outcome("fail", below(reason, SEEDED if len(same) == len(drawn[0]) else ""))
        return Outcome("pass")

    def linear_bias(self, bench: Bench) -> Outcome:
        """`init_weights_kaiming` sets the linear layer's bias to one small number."""
        parameters = self._initialised(bench, build_network(bench, self.figure))
        wanted = (self.figure.classes,)
        name = next((name for name in parameters if parameters[name].shape == wanted), None)
        if name is None:
            return Outcome("fail", f"no parameter of shape {wanted}: has the linear layer a bias?")
        bias = parameters[name].double()
        low, high = bias.min().item(), bias.max().item()
        if low != high:
            return Outcome(
                "fail", f"{name} has values from {low:.3g} to {high:.3g}; expected a constant"
            )
        if not abs(low) <= LARGEST_BIAS:
            return Outcome("fail", f"{name} is {low:.3g}; expected a small number such as 0.01")
        return Outcome("pass")

    def _initialised(self, bench: Bench, net: Candidate) -> dict[str, torch.Tensor]:
        """All parameters after `net.apply(init_weights_kaiming)`."""
        function = Named(module=MODULE, name="init_weights_kaiming")
        replies.result(
            bulky(bench, Forward(handle=net.handle, method="apply", args=[function]))
        )
        reply = bulky(bench, GetParameters(handle=net.handle))
        slots = replies.expect(reply, Parameters).parameters
        missing = [slot.name for slot in slots if slot.index is None]
        if missing:
            raise Judged(Outcome("fail", f"the values of {missing[0]} cannot be read"))
        return {slot.name: reply.arrays[slot.index] for slot in slots}


def _numbers_if_known(bench: Bench, net: Candidate, purpose: str) -> Numbers | None:
    """The grader's numbers where it is known what is which; a network without stays as it began."""
    return None if isinstance(net.layout, str) else give_numbers(bench, net, purpose)


def _leaving(
    first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], third: dict[str, torch.Tensor]
) -> list[str]:
    """What took a longer step the second time. With momentum m and the same batch it is 1 − m times the first."""
    steps = {name: (second[name] - first[name], third[name] - second[name]) for name in second}
    return sorted(name for name, (one, other) in steps.items() if other.norm() > 1.01 * one.norm() + 1e-4)


def _moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    same = {name for name in after if name in before and torch.equal(before[name], after[name])}
    return [name for name in before if name not in same]


def _judge_step(
    name: str,
    before: dict[str, torch.Tensor],
    after: dict[str, torch.Tensor],
    batch_mean: torch.Tensor,
) -> Outcome:
    """A running mean goes a part of the way to the batch's, the same part in every channel."""
    way, gone = batch_mean - before[name], after[name] - before[name]
    momentum = (way @ gone / (way @ way)).item()  # least squares
    if (gone - momentum * way).abs().max() > TOLERANCE * way.abs().max() or not 0 < momentum <= 1:
        return Outcome(
            "fail",
            f"after a pass in training mode {name} has not moved towards the mean of the batch; "
            "is something before the first normalisation, or not the first convolution?",
        )
    return Outcome("pass")
