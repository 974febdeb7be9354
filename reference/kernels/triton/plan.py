"""Which pixels each tap of a gathered product reads: what the forward pass and the input gradient have in common.

Along one axis of the image (height and width are alike) the forward pass is

    output[y] = sum over taps i of  weight[i] * input[y * stride + i * dilation - padding]

and its adjoint asks, for a pixel h, which y and i met there: y = (h + padding - i * dilation) / stride, where that is
a whole number. That holds for the same taps at h, h + stride, h + 2*stride, ...: at one of `stride` phases, each of
which is a convolution with step 1 over every (stride / gcd(stride, dilation))-th tap. So both are sums

    output[first + output_step * m] = sum over a < taps of
        weight[weight_first + weight_step * a] * image[image_first + image_step * m + tap_step * a]

the forward pass with one phase and the input gradient with `stride` of them. A result is gathered, never scattered:
each number is written once, by one program, and the same way in every run.

Reference: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import NamedTuple

import torch

from reference.kernels.convolution.geometry import Geometry


class Phase(NamedTuple):
    """The part of a phase in the equation above; `count` is how many m there are."""

    first: int
    count: int
    taps: int
    image_first: int
    weight_first: int


class Axis(NamedTuple):
    """The equation above along one axis of the image."""

    output_step: int
    image_step: int
    tap_step: int
    weight_step: int
    phases: tuple[Phase, ...]


def forward_axis(stride: int, padding: int, dilation: int, kernel: int, count: int) -> Axis:
    """The forward pass to `count` outputs; `padding` is that before the first pixel."""
    return Axis(1, stride, dilation, 1, (Phase(0, count, kernel, -padding, 0),))


def input_grad_axis(stride: int, padding: int, dilation: int, kernel: int, length: int) -> Axis:
    """The input gradient of `length` pixels, where the image that is read is the output's gradient."""
    period = stride // gcd(stride, dilation)
    phases = tuple(_phase(first, stride, padding, dilation, kernel, length) for first in range(min(stride, length)))
    return Axis(stride, 1, -(period * dilation) // stride, period, phases)


def _phase(first: int, stride: int, padding: int, dilation: int, kernel: int, length: int) -> Phase:
    period, count = stride // gcd(stride, dilation), len(range(first, length, stride))
    for tap in range(min(period, kernel)):
        reach = first + padding - tap * dilation
        if reach % stride == 0:
            return Phase(first, count, len(range(tap, kernel, period)), reach // stride, tap)
    return Phase(first, count, 0, 0, 0)  # no window ever looks at these pixels


class Plan(NamedTuple):
    """Both axes of a gathered product, (height, width)."""

    rows: Axis
    columns: Axis

    @property
    def phases(self) -> int:
        """Number of pairs of a phase in height and one in width."""
        return len(self.rows.phases) * len(self.columns.phases)

    @property
    def pixels(self) -> int:
        """Outputs per image of the largest phase."""
        return max(p.count for p in self.rows.phases) * max(p.count for p in self.columns.phases)

    @property
    def taps(self) -> int:
        """Taps of the phase that has most."""
        return max(p.taps for p in self.rows.phases) * max(p.taps for p in self.columns.phases)


@lru_cache
def forward_plan(geometry: Geometry, kernel_size: tuple[int, int], size: tuple[int, int]) -> Plan:
    """The forward pass over images of `size` (H, W)."""
    counts = geometry.output_size(size, kernel_size)
    return Plan(*(forward_axis(*numbers) for numbers in _per_axis(geometry, kernel_size, counts)))


@lru_cache
def input_grad_plan(geometry: Geometry, kernel_size: tuple[int, int], size: tuple[int, int]) -> Plan:
    """The input gradient of images of `size` (H, W)."""
    return Plan(*(input_grad_axis(*numbers) for numbers in _per_axis(geometry, kernel_size, size)))


def _per_axis(geometry: Geometry, kernel_size, lengths):
    near = geometry.padding[0], geometry.padding[2]
    return zip(geometry.stride, near, geometry.dilation, kernel_size, lengths)


@lru_cache
def table(plan: Plan, device: torch.device) -> torch.Tensor:
    """The phases for a kernel to read: those of the height, then those of the width, int32 (phases, 5)."""
    return torch.tensor([*plan.rows.phases, *plan.columns.phases], dtype=torch.int32, device=device)
