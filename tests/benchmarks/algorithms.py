"""Every product of every convolution of the suite by each of our algorithms, beside torch's two layouts.

    python -m tests.benchmarks.table --algorithms [--only REGEX] [--batches N ...]

This is what the choice of `auto` is made from. The products are called as the autograd functions call them, without
recording. An algorithm whose first call already took several times the fastest one's is not called again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from reference.kernels.conv import ALGORITHMS
from tests.benchmarks.peers import agree
from tests.benchmarks.suite import ConvShape
from tests.benchmarks.timing import Effort, in_turns, medians

PRODUCTS = ("forward", "input_grad", "weight_grad")
NOT_MEANT_HERE = {"naive", "cuda", "triton"}  # the definition as loops, and what is written for a GPU
HOPELESS = 4.0  # times the fastest contender's time
LAYOUTS = {"torch NCHW": torch.contiguous_format, "torch channels_last": torch.channels_last}


@dataclass(frozen=True)
class Products:
    """One product of one shape, with every contender's median seconds by its name, ours first."""

    shape: ConvShape
    batch: int
    product: str
    seconds: dict[str, float]

    @property
    def ours(self) -> dict[str, float]:
        return {name: seconds for name, seconds in self.seconds.items() if name not in LAYOUTS}

    @property
    def fastest(self) -> str:
        """The name of our fastest algorithm."""
        return min(self.ours, key=self.ours.get)

    @property
    def ratio(self) -> float:
        """The faster of torch's layouts / our fastest algorithm."""
        return min(self.seconds[name] for name in LAYOUTS) / self.ours[self.fastest]


def measure(shape: ConvShape, batch: int, product: str, effort: Effort) -> Products:
    """Time every algorithm of ours that takes the shape, and torch, in turns.

    Raises:
        ArithmeticError: they do not agree on the result.
    """
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, *shape.input), shape.weight, shape.weight[:1], (batch, *shape.output))
    operands = [torch.randn(size, generator=generator) for size in shapes]
    contenders = _ours(shape, product, *operands) | _torch(shape, product, *operands)
    agree({name: _result(function()) for name, function in contenders.items()}, f"{shape.name}, {batch}, {product}")
    first = {name: _seconds(function) for name, function in contenders.items()}
    hopeful = {
        name: function
        for name, function in contenders.items()
        if name in LAYOUTS or first[name] < HOPELESS * min(first.values())
    }
    return Products(shape, batch, product, first | medians(in_turns(hopeful, effort)))


def _ours(shape: ConvShape, product: str, images, weight, bias, grad) -> dict[str, Callable[[], object]]:
    geometry = shape.geometry
    calls = {
        "forward": lambda algorithm: algorithm.forward(images, weight, bias, geometry),
        "input_grad": lambda algorithm: algorithm.input_grad(grad, weight, geometry, shape.input[1:]),
        "weight_grad": lambda algorithm: algorithm.weight_grad(grad, images, geometry, shape.weight[2:]),
    }
    return {
        name: lambda algorithm=algorithm: calls[product](algorithm)
        for name, algorithm in ALGORITHMS.items()
        if name not in NOT_MEANT_HERE and algorithm.supports(images) and algorithm.takes(shape.weight, geometry)
    }


def _torch(shape: ConvShape, product: str, *operands) -> dict[str, Callable[[], object]]:
    def call(images, weight, bias, grad):
        if product == "forward":
            return lambda: F.conv2d(images, weight, bias, shape.stride, shape.padding, groups=shape.groups)
        wanted = [product == "input_grad", product == "weight_grad", False]
        numbers = ([shape.stride] * 2, [shape.padding] * 2, [1, 1], False, [0, 0], shape.groups)
        return lambda: torch.ops.aten.convolution_backward(grad, images, weight, None, *numbers, wanted)

    return {
        name: call(*(x.contiguous(memory_format=layout) if x.dim() == 4 else x for x in operands))
        for name, layout in LAYOUTS.items()
    }


def _result(found) -> torch.Tensor:
    """The one tensor in what a contender returns: torch has None for the gradients that nobody asked for."""
    return found if isinstance(found, torch.Tensor) else next(tensor for tensor in found if tensor is not None)


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
