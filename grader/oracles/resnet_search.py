"""Which batch normalisation belongs where, found by what a submission computes.

The vectors of a block's three normalisations have the same shapes, and their order of
registration is the author's. The grader gives each of them other numbers, so at most one
arrangement computes what the submission answered.
"""

from collections.abc import Sequence
from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.figure3 import (
    BLOCK_FAULTS,
    HEAD_FAULTS,
    RIGHT,
    STEM_FAULTS,
    BlockForm,
    Figure3,
    Head,
    Norm,
    Stem,
    classify,
    residual_block,
    stem,
)

# Of the largest value. Rounding in float32 stays near 1e-6 of it (tests/grader/test_oracles_resnet),
# a wrong layer changes it by more than a hundredth.
TOLERANCE = 1e-4


def close(answer: Tensor, truth: Tensor) -> bool:
    """Whether an answer of the right shape agrees with the truth."""
    if answer.shape != truth.shape or not torch.isfinite(answer).all():
        return False
    error = (answer.double() - truth).abs().max()
    return bool(error <= TOLERANCE * truth.abs().max())


def block_form(
    x: Tensor, weights: Sequence[Tensor], norms: Sequence[Norm], stride: int, answer: Tensor
) -> tuple[BlockForm, str] | None:
    """The form of block that gave this answer: `RIGHT`, a known fault, or None for neither.

    Args:
        x: (N, C, H, W), float64.
        weights: first convolution, second, shortcut.
        norms: the block's three, in any order.
        stride: of the block.
        answer: what the submission computed.
    """
    for form, fault in ((RIGHT, ""), *BLOCK_FAULTS):
        for order in permutations(norms):
            if close(answer, residual_block(x, weights, order, stride, form)):
                return form, fault
    return None


def is_shortcut(
    x: Tensor, weight: Tensor, norms: Sequence[Norm], stride: int, answer: Tensor
) -> bool:
    """Whether the answer is ReLU(BN(Conv1×1(x))), with any one of these normalisations."""
    across = F.conv2d(x, weight, stride=stride)
    return any(close(answer, norm(across).relu()) for norm in norms)


def network_fault(
    figure: Figure3,
    image: Tensor,
    weights: Sequence[Tensor],
    norms: Sequence[Norm],
    linear: Sequence[Tensor],
    answer: Tensor,
) -> str | None:
    """Why logits are not Figure 3's: "" if they are, a known fault, or None for none of these.

    Args:
        figure: the network that is judged.
        image: a single one, (1, 3, S, S), float64.
        weights: in the order of `figure.convolutions()`.
        norms: as registered; those of a block in any order.
        linear: weight and bias of the classifier.
        answer: what the submission computed, (1, K).
    """
    waiting = list(norms)

    def take(channels: int, count: int) -> list[Norm]:
        taken = [place for place, norm in enumerate(waiting) if len(norm.scale) == channels]
        return [waiting.pop(place) for place in reversed(taken[:count])]

    first = take(figure.stem, 1)
    of_blocks = [take(channels, 3) for channels, _ in figure.blocks]

    def explained(start: Stem, heads: Sequence[tuple[Head, str]]) -> str | None:
        features = start(image, weights[0], *first)
        for place, (_, stride) in enumerate(figure.blocks):
            kernels = weights[1 + 3 * place : 4 + 3 * place]
            features = _all_arrangements(features, kernels, of_blocks[place], stride)
        for head, fault in heads:
            if any(close(answer, logits[None]) for logits in head(features, *linear)):
                return fault
        return None

    found = explained(stem, ((classify, ""), *HEAD_FAULTS))
    for start, fault in STEM_FAULTS:
        if found is None:
            found = explained(start, ((classify, fault),))
    return found


def _all_arrangements(
    x: Tensor, weights: Sequence[Tensor], norms: Sequence[Norm], stride: int
) -> Tensor:
    """A block under each of the six arrangements of its normalisations: (M, …) → (6·M, …).

    As one batch, and with each convolution once per input: 216 maps for the three blocks of the
    figure cost a second, and one by one eight.
    """
    first, second, across = weights
    padding = first.shape[-1] // 2
    branch = F.conv2d(x, first, stride=stride, padding=padding)
    branches = [F.conv2d(norm(branch).relu(), second, padding=padding) for norm in norms]
    shortcut = F.conv2d(x, across, stride=stride)
    return torch.cat(
        [
            (norms[b](branches[a]) + norms[c](shortcut)).relu()
            for a, b, c in permutations(range(3))
        ]
    )
