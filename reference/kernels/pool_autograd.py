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

from reference.kernels.pool_algorithm import PoolAlgorithm
from reference.kernels.pool_geometry import PoolGeometry


def positions(winners: torch.Tensor, geometry: PoolGeometry, width: int) -> torch.Tensor:
    """Winners as places in their plane, y*W + x, int64 (N, C, OH, OW); see `PoolAlgorithm.maxima` for their two forms.

    A tap's number is only ever used by kernels without padding and dilation.
    """
    if winners.dtype != torch.uint8:
        return winners.long()
    oh, ow = winners.shape[2:]
    tap = winners.long()
    rows = torch.arange(oh, device=winners.device)[:, None] * geometry.stride[0] + tap // geometry.kernel_size[1]
    columns = torch.arange(ow, device=winners.device) * geometry.stride[1] + tap % geometry.kernel_size[1]
    return rows * width + columns


class MaxPooling(torch.autograd.Function):
    """Every window's maximum, and who won: (output, winners)."""

    @staticmethod
    def forward(ctx, input, algorithm: PoolAlgorithm, geometry: PoolGeometry, positions_wanted: bool):
        wanted = positions_wanted or ctx.needs_input_grad[0]
        output, winners = algorithm.maxima(input.detach(), geometry, wanted)  # (N, C, OH, OW)
        ctx.set_materialize_grads(False)
        if winners is not None:
            ctx.mark_non_differentiable(winners)
            ctx.save_for_backward(winners)
        ctx.algorithm, ctx.geometry, ctx.size = algorithm, geometry, tuple(input.shape[2:])
        return output, winners

    @staticmethod
    def backward(ctx, grad, _):
        if grad is None:
            return None, None, None, None
        return Scatter.apply(grad, *ctx.saved_tensors, ctx.algorithm, ctx.geometry, ctx.size), None, None, None


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
        return algorithm.averages(input.detach(), geometry, rows, columns)  # (N, C, OH, OW)

    @staticmethod
    def backward(ctx, grad):
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
