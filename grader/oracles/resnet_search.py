"""Which batch normalisation belongs where, found by what a submission computes.

The vectors of a block's three normalisations have the same shapes, and their order of
registration is the author's. The grader gives each of them other numbers, so at most one
arrangement computes what the submission answered.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import torch
from torch import Tensor

from grader.oracles.figure3 import (
    BLOCK_FAULTS,
    HEAD_FAULTS,
    RIGHT,
    BlockForm,
    Figure3,
    Norm,
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
    across = torch.nn.functional.conv2d(x, weight, stride=stride)
    return any(close(answer, norm(across).relu()) for norm in norms)


def network_fault(
    figure: Figure3,
    images: Tensor,
    weights: Sequence[Tensor],
    norms: Sequence[Norm],
    linear: Sequence[Tensor],
    answer: Tensor,
) -> str | None:
    """Why logits are not Figure 3's: "" if they are, a known fault, or None for none of these.

    Args:
        figure: the network that is judged.
        images: (N, 3, S, S), float64.
        weights: in the order of `figure.convolutions()`.
        norms: as registered; those of a block in any order.
        linear: weight and bias of the classifier.
        answer: what the submission computed, (N, K).
    """
    # 216 arrangements: found in float32, which is twelve times as fast here, judged in float64.
    quick = [[part.float() for part in parts] for parts in (weights, linear)]
    singles = [Norm(*(vector.float() for vector in vars(norm).values())) for norm in norms]
    for order, features in _maps(figure, images.float(), quick[0], singles):
        for head, fault in ((classify, ""), *HEAD_FAULTS):
            if close(answer, head(features, *quick[1])):
                exact = dict(_maps(figure, images, weights, norms, orders=[order]))[order]
                if close(answer, head(exact, *linear)):
                    return fault
    return None


Order = tuple[tuple[int, ...], ...]  # per block: which of its norms, as registered, comes where


def _orders(blocks: int) -> list[Order]:
    """Every arrangement; those with the same one in all blocks first, as one class has it."""
    orders = product(permutations(range(3)), repeat=blocks)
    return sorted(orders, key=lambda order: len(set(order)))


def _maps(
    figure: Figure3,
    images: Tensor,
    weights: Sequence[Tensor],
    norms: Sequence[Norm],
    orders: Sequence[Order] | None = None,
) -> Iterator[tuple[Order, Tensor]]:
    """The last feature map under these arrangements of the normalisations, or under all."""
    waiting = list(norms)

    def take(channels: int, count: int) -> list[Norm]:
        taken = [norm for norm in waiting if len(norm.scale) == channels][:count]
        waiting[:] = [norm for norm in waiting if not any(norm is other for other in taken)]
        return taken

    known = {(): stem(images, weights[0], *take(figure.stem, 1))}
    blocks = [
        (weights[1 + 3 * place : 4 + 3 * place], take(channels, 3), stride)
        for place, (channels, stride) in enumerate(figure.blocks)
    ]
    for order in orders or _orders(len(blocks)):
        for depth, (kernels, own, stride) in enumerate(blocks):
            if order[: depth + 1] not in known:
                arranged = [own[place] for place in order[depth]]
                known[order[: depth + 1]] = residual_block(
                    known[order[:depth]], kernels, arranged, stride
                )
        yield order, known[order]
