"""Derivatives of convolution, of every order, from three products.

Write F(x, w) for the convolution of x with w. It is linear in each argument, so its derivatives are its
two adjoints: I(g, w), the gradient for the input, and W(g, x), the gradient for the weight, defined by

    <g, F(x, w)> = <I(g, w), x> = <W(g, x), w>      for all g, x, w.

I and W are bilinear as well, and differentiating the same identity once more gives

    F: dx = I(g, w)    dw = W(g, x)
    I: dg = F(u, w)    dw = W(g, u)      for an upstream gradient u shaped like x
    W: dg = F(x, u)    dx = I(g, u)      for an upstream gradient u shaped like w

so the three are closed under differentiation: each backward below calls the other two, and second and
higher derivatives need no further code.

Reference: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, section 4.
"""

from __future__ import annotations

import torch

from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry


class Convolution(torch.autograd.Function):
    """F(input, weight) + bias."""

    @staticmethod
    def forward(ctx, input, weight, bias, algorithm: Algorithm, geometry: Geometry):
        ctx.save_for_backward(input, weight)
        ctx.rest = algorithm, geometry
        return algorithm.forward(input, weight, bias, geometry)  # (N, O, OH, OW)

    @staticmethod
    def backward(ctx, grad):
        input, weight = ctx.saved_tensors
        for_input, for_weight, for_bias, _, _ = ctx.needs_input_grad
        algorithm, geometry = ctx.rest
        grad_input = grad_weight = grad_bias = None
        if not torch.is_grad_enabled():  # nobody will differentiate this again: no record of it
            if grad.is_cpu and not grad.is_contiguous():
                grad = grad.contiguous()  # once, not in each product
            if for_input:
                grad_input = algorithm.input_grad(grad, weight, geometry, tuple(input.shape[2:]))
            kernel_size = tuple(weight.shape[2:])
            if for_weight and for_bias and algorithm.weight_and_bias_grad is not None:
                grad_weight, grad_bias = algorithm.weight_and_bias_grad(grad, input, geometry, kernel_size)
                return grad_input, grad_weight, grad_bias, None, None
            if for_weight:
                grad_weight = algorithm.weight_grad(grad, input, geometry, kernel_size)
        else:
            if for_input:
                grad_input = InputGradient.apply(grad, weight, algorithm, geometry, input.shape[2:])
            if for_weight:
                grad_weight = WeightGradient.apply(grad, input, algorithm, geometry, weight.shape[2:])
        if for_bias:
            grad_bias = grad.sum((0, 2, 3))  # (O,)
        return grad_input, grad_weight, grad_bias, None, None


class InputGradient(torch.autograd.Function):
    """I(grad, weight)."""

    @staticmethod
    def forward(ctx, grad, weight, algorithm: Algorithm, geometry: Geometry, size):
        ctx.save_for_backward(grad, weight)
        ctx.algorithm, ctx.geometry = algorithm, geometry
        return algorithm.input_grad(grad, weight, geometry, tuple(size))  # (N, C, H, W)

    @staticmethod
    def backward(ctx, upstream):  # (N, C, H, W)
        grad, weight = ctx.saved_tensors
        for_grad = for_weight = None
        if ctx.needs_input_grad[0]:
            for_grad = Convolution.apply(upstream, weight, None, ctx.algorithm, ctx.geometry)
        if ctx.needs_input_grad[1]:
            for_weight = WeightGradient.apply(grad, upstream, ctx.algorithm, ctx.geometry, weight.shape[2:])
        return for_grad, for_weight, None, None, None


class WeightGradient(torch.autograd.Function):
    """W(grad, input)."""

    @staticmethod
    def forward(ctx, grad, input, algorithm: Algorithm, geometry: Geometry, kernel_size):
        ctx.save_for_backward(grad, input)
        ctx.algorithm, ctx.geometry = algorithm, geometry
        return algorithm.weight_grad(grad, input, geometry, tuple(kernel_size))  # (O, C/G, KH, KW)

    @staticmethod
    def backward(ctx, upstream):  # (O, C/G, KH, KW)
        grad, input = ctx.saved_tensors
        for_grad = for_input = None
        if ctx.needs_input_grad[0]:
            for_grad = Convolution.apply(input, upstream, None, ctx.algorithm, ctx.geometry)
        if ctx.needs_input_grad[1]:
            for_input = InputGradient.apply(grad, upstream, ctx.algorithm, ctx.geometry, input.shape[2:])
        return for_grad, for_input, None, None, None
