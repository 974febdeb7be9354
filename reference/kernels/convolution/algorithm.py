"""What a convolution algorithm is: three products over one geometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from reference.kernels.convolution.geometry import Geometry


@dataclass(frozen=True)
class Algorithm:
    """One way to compute a convolution and its two adjoints.

    A convolution is linear in the input and linear in the weight, so the three products below are all
    that any derivative of any order needs (see `autograd`). Each takes and returns plain tensors, all
    of one dtype on one device, and records nothing for differentiation.

    Args:
        name: what a caller writes as `algorithm=`.
        forward: (input (N, C, H, W), weight (O, C/G, KH, KW), bias (O,) or None, geometry)
            -> output (N, O, OH, OW).
        input_grad: (grad (N, O, OH, OW), weight, geometry, (H, W)) -> (N, C, H, W), the sum over every
            output pixel that an input pixel touched.
        weight_grad: (grad (N, O, OH, OW), input, geometry, (KH, KW)) -> (O, C/G, KH, KW), the sum over
            every place where a weight was used.
        supports: (tensor) -> whether tensors of this dtype on this device can be taken.
        takes: (weight's shape, geometry) -> whether it is made for such a convolution; most are made for all.
        weight_and_bias_grad: as `weight_grad`, with the bias's gradient (O,) beside its result, from one reading of
            `grad`; None where that takes two.
    """

    name: str
    forward: Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, Geometry], torch.Tensor]
    input_grad: Callable[[torch.Tensor, torch.Tensor, Geometry, tuple[int, int]], torch.Tensor]
    weight_grad: Callable[[torch.Tensor, torch.Tensor, Geometry, tuple[int, int]], torch.Tensor]
    supports: Callable[[torch.Tensor], bool]
    takes: Callable[[tuple[int, ...], Geometry], bool] = lambda weight_shape, geometry: True
    weight_and_bias_grad: (
        Callable[[torch.Tensor, torch.Tensor, Geometry, tuple[int, int]], tuple[torch.Tensor, torch.Tensor]] | None
    ) = None
