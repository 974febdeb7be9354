"""Derivatives of pooling, of every order.

Max-pooling copies the number of each window's winner. Near the input the winners do not change, so the
derivative is the linear map G that gathers them, and its adjoint S scatters a gradient back to where
the winners were. Each is the derivative of the other:

    max:  dx = S(g)       S:  dg = G(u)       G:  dimage = S(u)

Average-pooling A is linear, so it is its own derivative, beside its adjoint A*:

    average:  dx = A*(g)  A*: dg = A(u)
"""

from __future__ import annotations

import torch

from reference.kernels.pooling.algorithm import PoolAlgorithm
from reference.kernels.pooling.geometry import PoolGeometry


def positions(winners: torch.Tensor, geometry: PoolGeometry, width: int) -> torch.Tensor:
    """Winners as places in their plane, y*W + x, int64 (N, C, OH, OW), from either form of `PoolAlgorithm.maxima`."""
    if winners.dtype not in (torch.uint8, torch.int16):
        return winners.long()
    tap, columns_of_window = winners.long(), geometry.kernel_size[1]
    taps = tap // columns_of_window, tap % columns_of_window
    row, column = (
        torch.arange(count, device=winners.device) * stride - padding
        for count, stride, padding in zip(winners.shape[2:], geometry.stride, geometry.padding)
    )
    rows, columns = (
        start + tap * dilation for start, tap, dilation in zip((row[:, None], column), taps, geometry.dilation)
    )
    return rows * width + columns


class MaxPooling(torch.autograd.Function):
    """Every window's maximum, and beside it who won if `winners_wanted`."""

    @staticmethod
    def forward(ctx, input, algorithm: PoolAlgorithm, geometry: PoolGeometry, winners_wanted: bool):
        wanted = winners_wanted or ctx.needs_input_grad[0]
        output, winners = algorithm.maxima(input, geometry, wanted)  # (N, C, OH, OW)
        if winners is not None:
            ctx.save_for_backward(winners)
        ctx.rest = algorithm, geometry, tuple(input.shape[2:])
        if not winners_wanted:
            return output
        ctx.set_materialize_grads(False)  # none for the winners
        ctx.mark_non_differentiable(winners)
        return output, winners

    @staticmethod
    def backward(ctx, grad, _=None):
        if grad is None:
            return None, None, None, None
        (winners,), (algorithm, geometry, size) = ctx.saved_tensors, ctx.rest
        if not torch.is_grad_enabled():  # nobody will differentiate this again: no record of it
            return algorithm.scatter(grad, winners, geometry, size), None, None, None
        return Scatter.apply(grad, winners, algorithm, geometry, size), None, None, None


class Scatter(torch.autograd.Function):
    """S: each number of (N, C, OH, OW) added to the pixel of (N, C, H, W) that won its window."""

    @staticmethod
    def forward(ctx, grad, winners, algorithm: PoolAlgorithm, geometry: PoolGeometry, size):
        ctx.save_for_backward(winners)
        ctx.algorithm, ctx.geometry, ctx.size = algorithm, geometry, size
        return algorithm.scatter(grad.detach(), winners, geometry, size)

    @staticmethod
    def backward(ctx, upstream):  # (N, C, H, W)
        values = Gather.apply(upstream, *ctx.saved_tensors, ctx.algorithm, ctx.geometry, ctx.size)
        return values, None, None, None, None


class Gather(torch.autograd.Function):
    """G: for each window the number at the pixel that won it, (N, C, H, W) to (N, C, OH, OW)."""

    @staticmethod
    def forward(ctx, image, winners, algorithm: PoolAlgorithm, geometry: PoolGeometry, size):
        ctx.save_for_backward(winners)
        ctx.algorithm, ctx.geometry, ctx.size = algorithm, geometry, size
        places = positions(winners, geometry, size[1]).flatten(2)  # (N, C, OH*OW)
        # A window without any tap in the image points beyond its plane and reads nothing.
        inside = places < size[0] * size[1]
        values = image.flatten(2).gather(2, torch.where(inside, places, 0))
        return torch.where(inside, values, 0).view(winners.shape)

    @staticmethod
    def backward(ctx, upstream):  # (N, C, OH, OW)
        image = Scatter.apply(upstream, *ctx.saved_tensors, ctx.algorithm, ctx.geometry, ctx.size)
        return image, None, None, None, None


class AveragePooling(torch.autograd.Function):
    """A: every window's sum over its divisor."""

    @staticmethod
    def forward(ctx, input, algorithm: PoolAlgorithm, geometry: PoolGeometry, rows, columns):
        ctx.rest, ctx.size = (algorithm, geometry, rows, columns), tuple(input.shape[2:])
        return algorithm.averages(input, geometry, rows, columns)  # (N, C, OH, OW)

    @staticmethod
    def backward(ctx, grad):
        if not torch.is_grad_enabled():
            algorithm, *rest = ctx.rest
            return algorithm.spread(grad, *rest, ctx.size), None, None, None, None
        return Spread.apply(grad, *ctx.rest, ctx.size), None, None, None, None


class Spread(torch.autograd.Function):
    """A*: each window's number, over its divisor, added to all pixels that the window sees."""

    @staticmethod
    def forward(ctx, grad, algorithm: PoolAlgorithm, geometry: PoolGeometry, rows, columns, size):
        ctx.rest = (algorithm, geometry, rows, columns)
        return algorithm.spread(grad.detach(), geometry, rows, columns, size)  # (N, C, H, W)

    @staticmethod
    def backward(ctx, upstream):
        return AveragePooling.apply(upstream, *ctx.rest), None, None, None, None, None
