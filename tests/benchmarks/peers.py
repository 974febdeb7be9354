"""Who is compared, and what each of them does: one call of a layer, forward or with gradients, on memory that is ready.

Torch computes a layer in two memory layouts, NCHW and channels_last, by different code. In the second, the input, the
weight and the upstream gradient lie channels last before the clock starts. Ours take NCHW.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from reference.kernels import avg_pool2d, conv2d, max_pool2d
from tests.benchmarks.suite import ConvShape, PoolShape


@dataclass(frozen=True)
class Peer:
    """An implementation of the layers in one memory layout."""

    name: str
    conv2d: Callable[..., torch.Tensor]
    poolings: dict[str, Callable[..., torch.Tensor]]
    layout: torch.memory_format


_OURS = {"max": max_pool2d, "average": avg_pool2d}
_TORCH = {"max": F.max_pool2d, "average": F.avg_pool2d}
PEERS = (
    Peer("ours", conv2d, _OURS, torch.contiguous_format),
    Peer("torch NCHW", F.conv2d, _TORCH, torch.contiguous_format),
    Peer("torch channels_last", F.conv2d, _TORCH, torch.channels_last),
)


@dataclass(frozen=True)
class Direction:
    """What of a layer is computed: the forward pass, and the gradients of some of its operands.

    Args:
        name: in words.
        needed: positions among (input, weight, bias) of the operands that need a gradient; a pooling has the first.
    """

    name: str
    needed: tuple[int, ...]


TOLERANCE = 1e-3  # of the greatest number, for sums of up to half a million float32 products

FORWARD = Direction("forward", ())
TRAINING = Direction("forward and backward", (0, 1, 2))
FIRST_LAYER = Direction("forward and backward, without the input gradient", (1, 2))
ATTACK = Direction("forward and backward, input gradient alone", (0,))


def directions(shape: ConvShape | PoolShape) -> tuple[Direction, ...]:
    """What is measured of a shape in training; inference is `FORWARD` alone."""
    if isinstance(shape, PoolShape):
        return FORWARD, TRAINING
    return FORWARD, TRAINING, *((FIRST_LAYER,) if shape.first_layer else ()), ATTACK


def work(shape: ConvShape | PoolShape, batch: int, direction: Direction) -> int:
    """What one call does at least: a convolution's operations (the bias's gradient not counted), a pooling's bytes.

    A pooling's backward pass reads as much as its forward pass writes, and the other way round.
    """
    if isinstance(shape, PoolShape):
        return shape.bytes_moved(batch) * (2 if 0 in direction.needed else 1)
    return shape.operations(batch) * (1 + sum(operand < 2 for operand in direction.needed))


def step(peer: Peer, shape: ConvShape | PoolShape, batch: int, direction: Direction) -> Callable[[], object]:
    """One call of the layer on noise in float32, as a function without arguments.

    It returns the output, or the gradients by an upstream gradient of noise. All peers get the same numbers.
    """
    generator = torch.Generator().manual_seed(0)

    def noise(*size: int) -> torch.Tensor:
        tensor = torch.randn(size, generator=generator)
        return tensor.contiguous(memory_format=peer.layout) if len(size) == 4 else tensor

    input, upstream = noise(batch, *shape.input), noise(batch, *shape.output)
    if isinstance(shape, PoolShape):
        operands = [input]
        wanted = direction.needed[:1]

        def layer() -> torch.Tensor:
            return peer.poolings[shape.kind](input, shape.kernel_size, shape.stride, shape.padding)

    else:
        operands = [input, noise(*shape.weight), noise(shape.weight[0])]
        wanted = direction.needed

        def layer() -> torch.Tensor:
            return peer.conv2d(*operands, stride=shape.stride, padding=shape.padding, groups=shape.groups)

    leaves = [operands[place].requires_grad_() for place in wanted]
    return (lambda: torch.autograd.grad(layer(), leaves, upstream)) if leaves else layer


def agree(results: dict[str, object], what: str) -> None:
    """See that all contenders computed the same: a fast wrong answer is not worth a time.

    Args:
        results: a tensor or several by each contender's name.
        what: the layer in words, for the message.

    Raises:
        ArithmeticError: a result differs from the first contender's by more than 0.1 % of the greatest number.
    """
    tensors = {name: (result,) if isinstance(result, torch.Tensor) else result for name, result in results.items()}
    first, *others = tensors
    for name in others:
        for expected, found in zip(tensors[first], tensors[name], strict=True):
            difference = (expected - found).abs().max() if expected.shape == found.shape else math.inf
            if not difference <= TOLERANCE * found.abs().max():  # not: NaN is no agreement
                raise ArithmeticError(f"{what}: {first} and {name} do not agree")
