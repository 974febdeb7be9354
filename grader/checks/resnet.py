"""Checks of deliverable 3's `MyResnet`: parameters, logits, and the map that they come from."""

from dataclasses import dataclass

import torch

from grader.bench import Bench
from grader.checks import replies
from grader.checks.resnet_parts import (
    Candidate,
    Numbers,
    build,
    forward,
    give_numbers,
    noise,
    tensor,
)
from grader.declaration import Outcome
from grader.hints import below, resnet
from grader.oracles.figure3 import Figure3, classify
from grader.oracles.resnet_search import close, network_fault
from grader.worker.messages import Plain

# One size for all checks: PyTorch prepares its convolutions anew for every size that it meets.
BATCH = 4


@dataclass(frozen=True)
class Network:
    """The checks of `MyResnet` against a figure; each method is one check."""

    figure: Figure3

    def shape(self, bench: Bench) -> Outcome:
        """A batch of images becomes one logit per class and image."""
        net = build_network(bench, self.figure)
        for batch in (1, BATCH):
            logits(bench, self.figure, net, torch.zeros(image_shape(self.figure, batch)))
        return Outcome("pass")

    def parameters(self, bench: Bench) -> Outcome:
        """The parameters are Figure 3's; a bias of a convolution is another check's matter."""
        net = build_network(bench, self.figure)
        if isinstance(net.layout, str):
            reason = f"{net.layout} ({net.count:,} parameters; Figure 3 has {self.figure.parameter_count:,})"
            said = resnet.of_parameters(self.figure, net.shapes, net.buffers)
            return Outcome("fail", below(reason, said))
        if net.frozen:
            listed = ", ".join(net.frozen)
            reason = f"requires_grad is False: {listed} would not train"
            return Outcome("fail", below(reason, "leave requires_grad as nn.Parameter has it, True"))
        return Outcome("pass")

    def no_bias(self, bench: Bench) -> Outcome:
        """No convolution has a bias: the normalisation behind it would take it away again."""
        net = build_network(bench, self.figure)
        biases = net.known().biases
        if biases:
            listed = ", ".join(f"{name} {shape}" for name, shape in biases.items())
            reason = f"a bias beside a convolution: {listed}; expected bias=False"
            return Outcome("fail", below(reason, resnet.of_biases(list(biases), net.shapes)))
        return Outcome("pass")

    def values(self, bench: Bench) -> Outcome:
        """The logits are what Figure 3 computes from the same parameters, in evaluation mode."""
        net, numbers = self._prepared(bench, "values")
        images = noise(bench, "values", image_shape(self.figure, 1))
        answer = logits(bench, self.figure, net, images)
        fault = network_fault(
            self.figure, images.double(), numbers.weights, numbers.norms, numbers.linear, answer
        )
        if fault == "":
            return Outcome("pass")
        reason = (
            "the parameters fit, but the logits are not what Figure 3 computes from them: look "
            "at what the checks of ResidualBlock say, at the first convolution (stride 1, "
            "normalisation, ReLU), and at the average over the whole map"
        )
        return Outcome("fail", below(reason, fault or ""))

    def embed(self, bench: Bench) -> Outcome:
        """`return_embed=True` adds the map that the classifier sees."""
        net, numbers = self._prepared(bench, "embed")
        images = noise(bench, "embed", image_shape(self.figure, BATCH))
        plain = logits(bench, self.figure, net, images)
        reply = forward(bench, net, images, return_embed=Plain(True))
        found = replies.result(reply).outputs
        size = self.figure.map_size
        wanted = ((BATCH, self.figure.classes), (BATCH, self.figure.linear[1], size, size))
        shapes = [None if value.index is None else tuple(value.shape or ()) for value in found]
        if sorted(shapes, key=str) != sorted(wanted, key=str):
            listed = " and ".join(
                value.type if shape is None else str(shape)
                for value, shape in zip(found, shapes, strict=True)
            )
            reason = (
                f"return_embed=True on {BATCH} images returned {listed or 'nothing'}; expected logits "
                f"{wanted[0]} and the last feature map as it is before the pooling, {wanted[1]}"
            )
            tensors = [reply.arrays[value.index] for value in found if value.index is not None]
            said = resnet.of_embedding(self.figure, tensors, plain, numbers.linear)
            return Outcome("fail", below(reason, said))
        again, features = (reply.arrays[found[shapes.index(shape)].index] for shape in wanted)
        if not close(again, plain.double()):
            return Outcome("fail", "return_embed=True changes the logits")
        if not close(again, classify(features.double(), *numbers.linear)):
            reason = (
                "the average of the returned map through the linear layer is not the logits; "
                "expected the very map that is pooled, after the last block's ReLU"
            )
            said = resnet.of_embedding(self.figure, [again, features], again, numbers.linear)
            return Outcome("fail", below(reason, said))
        return Outcome("pass")

    def _prepared(self, bench: Bench, purpose: str) -> tuple[Candidate, Numbers]:
        net = build_network(bench, self.figure)
        return net, give_numbers(bench, net, purpose)


def build_network(bench: Bench, figure: Figure3) -> Candidate:
    """A fresh `MyResnet()` and its layout."""
    return build(bench, "MyResnet", (), figure.convolutions(), figure.linear, images=image_shape(figure, 1))


def image_shape(figure: Figure3, batch: int) -> tuple[int, ...]:
    """(N, C, S, S)."""
    return (batch, figure.in_channels, figure.image_size, figure.image_size)


def logits(
    bench: Bench, figure: Figure3, net: Candidate, images: torch.Tensor, *, train: bool = False
) -> torch.Tensor:
    """The logits of images, (N, K); ends the check where they have another shape."""
    what = f"MyResnet() of images {tuple(images.shape)}"
    return tensor(forward(bench, net, images, train=train), what, (len(images), figure.classes))
