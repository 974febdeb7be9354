"""Checks of deliverable 3's `ResidualBlock`: shapes, the shortcut, what it computes."""

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
    put,
    tensor,
)
from grader.declaration import Outcome
from grader.hints import below
from grader.hints.asking import WRITES
from grader.oracles.figure3 import RIGHT, Figure3, block_convolutions
from grader.oracles.resnet_search import block_form, is_shortcut

# Narrow, so that it is quick; the image is no square, so that height and width are told apart.
CHANNELS, STRIDE, IMAGE = (6, 10), 2, (8, 12)
SMALLER = (2, 10, 4, 6)  # shape of the output for two such images


@dataclass(frozen=True)
class Block:
    """The checks of `ResidualBlock` against a figure; each method is one check."""

    figure: Figure3

    def shape(self, bench: Bench) -> Outcome:
        """Every block of the figure maps its input to the next stage's shape."""
        channels, size = self.figure.stem, self.figure.image_size
        for out_channels, stride in self.figure.blocks:
            block = self._build(bench, channels, out_channels, stride)
            reply = forward(bench, block, torch.zeros(2, channels, size, size))
            call = f"ResidualBlock({channels}, {out_channels}, {self.figure.kernel_size}, {stride})"
            after = -(-size // stride)
            tensor(reply, f"{call} of {(2, channels, size, size)}", (2, out_channels, after, after))
            channels, size = out_channels, after
        return Outcome("pass")

    def shortcut(self, bench: Bench) -> Outcome:
        """Without its branch, a block is the activated shortcut: ReLU(BN(Conv1×1(x)))."""
        block, numbers, x = self._prepared(bench, "shortcut")
        layout = block.known()
        norms = layout.norms
        # Which normalisation ends the branch is not known: it is the one whose silence
        # leaves the shortcut. Where they cannot be told apart, the last convolution is silenced.
        silences = [[norm.scale, norm.shift] for norm in norms] or [[layout.weights[1]]]
        shapes = {slot.name: slot.shape for slot in block.slots}
        for place, names in enumerate(silences):
            if place:
                give_numbers(bench, block, "shortcut")
            put(bench, block, {name: torch.zeros(shapes[name]) for name in names})
            answer = tensor(forward(bench, block, x), "output", SMALLER)
            others = [norm for other, norm in enumerate(numbers.norms) if other != place or not norms]
            if is_shortcut(x.double(), numbers.weights[2], others, STRIDE, answer):
                return Outcome("pass")
        reason = (
            "with the branch's last normalisation set to 0, the block is not "
            "ReLU(BN(Conv1×1(x))): add the shortcut to the branch, then apply the ReLU"
        )
        give_numbers(bench, block, "shortcut")
        answer = tensor(forward(bench, block, x), "output", SMALLER)
        found = block_form(x.double(), numbers.weights, numbers.norms, STRIDE, answer)
        return Outcome("fail", below(reason, found[1] if found else ""))

    def values(self, bench: Bench) -> Outcome:
        """ReLU(BN(Conv(ReLU(BN(Conv(x))))) + BN(Conv1×1(x))), in evaluation mode."""
        block, numbers, x = self._prepared(bench, "block")
        reply = forward(bench, block, x)
        answer = tensor(reply, "output", SMALLER)
        if replies.result(reply).changed_inputs:
            return Outcome("fail", below("the block changes its input in place", WRITES))
        found = block_form(x.double(), numbers.weights, numbers.norms, STRIDE, answer)
        form, fault = found or (None, "")
        if form == RIGHT:
            return Outcome("pass")
        reason = (
            "its output is not what its parameters give in Figure 3's order: "
            "ReLU(BN(Conv(ReLU(BN(Conv(x))))) + BN(Conv1×1(x))); look at padding, strides "
            "and the order of the layers"
        )
        return Outcome("fail", below(reason, fault))

    def _build(self, bench: Bench, in_channels: int, out_channels: int, stride: int) -> Candidate:
        kernel = self.figure.kernel_size
        return build(
            bench,
            "ResidualBlock",
            (in_channels, out_channels, kernel, stride),
            block_convolutions(in_channels, out_channels, kernel),
            images=(1, in_channels, *IMAGE),
        )

    def _prepared(
        self, bench: Bench, purpose: str
    ) -> tuple[Candidate, Numbers, torch.Tensor]:
        """A narrow block, the numbers that it was given, and two images for it."""
        block = self._build(bench, *CHANNELS, STRIDE)
        numbers = give_numbers(bench, block, purpose)
        return block, numbers, noise(bench, purpose, (2, CHANNELS[0], *IMAGE))
