"""Convolution as one matrix product: write out every window, then multiply.

    columns[n, (c, i, j), (y, x)] = padded[n, c, y*sh + i*dh, x*sw + j*dw]
    output[n] = weight (O, C*KH*KW)  @  columns[n] (C*KH*KW, OH*OW)

Cost: 2*N*O*C*KH*KW*OH*OW operations, all of them in a matrix product, and N*C*KH*KW*OH*OW numbers of
memory for the columns: KH*KW times the image. Plain torch on any device, any floating-point dtype.

Measured error in float32: at most 1.1 (forward), 1.4 (input gradient), 0.9 (weight gradient) times
sqrt(terms) * eps/2 * the sum of the absolute products.

Reference: Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
processing", 2006.
"""

from __future__ import annotations

import torch

from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry


def columns(input: torch.Tensor, geometry: Geometry, kernel_size: tuple[int, int]) -> torch.Tensor:
    """Every window of `input` as a column.

    Args:
        input: (N, C, H, W).
        geometry: stride, padding, dilation and groups.
        kernel_size: (KH, KW).

    Returns:
        (N, G, C/G*KH*KW, OH*OW).
    """
    windows = geometry.windows(geometry.pad(input), kernel_size)  # (N, C, OH, OW, KH, KW)
    n, c, oh, ow, kh, kw = windows.shape
    per_group = c // geometry.groups * kh * kw
    return windows.permute(0, 1, 4, 5, 2, 3).reshape(n, geometry.groups, per_group, oh * ow)


def forward(input, weight, bias, geometry: Geometry):
    n, groups, out_channels = input.shape[0], geometry.groups, weight.shape[0]
    kernel_size = tuple(weight.shape[2:])
    per_group = weight[0].numel()
    cols = columns(input, geometry, kernel_size)  # (N, G, C/G*KH*KW, OH*OW)
    rows = weight.reshape(groups, out_channels // groups, per_group)  # (G, O/G, C/G*KH*KW)
    output = torch.matmul(rows, cols)  # (N, G, O/G, OH*OW)
    output = output.reshape(n, out_channels, *geometry.output_size(tuple(input.shape[2:]), kernel_size))
    return output if bias is None else output.add_(bias[:, None, None])


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    n, out_channels, oh, ow = grad.shape
    groups, (kh, kw) = geometry.groups, tuple(weight.shape[2:])
    rows = weight.reshape(groups, out_channels // groups, -1)  # (G, O/G, C/G*KH*KW)
    cols = rows.transpose(1, 2) @ grad.reshape(n, groups, out_channels // groups, oh * ow)
    channels = weight.shape[1] * groups
    cols = cols.reshape(n, channels, kh, kw, oh, ow)
    padded = grad.new_zeros(n, channels, *geometry.padded_size(*size))
    # Windows overlap, so their columns are added one tap at a time: within a tap no pixel occurs twice.
    taps = geometry.windows(padded, (kh, kw))  # (N, C, OH, OW, KH, KW), a view
    for i in range(kh):
        for j in range(kw):
            taps[..., i, j] += cols[:, :, i, j]
    return geometry.unpad(padded)


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    n, out_channels, oh, ow = grad.shape
    groups = geometry.groups
    cols = columns(input, geometry, kernel_size)  # (N, G, C/G*KH*KW, OH*OW)
    grad = grad.reshape(n, groups, out_channels // groups, oh * ow)
    # One product over (image, pixel) at once would copy both operands; a product per image does not.
    total = torch.matmul(grad, cols.transpose(2, 3)).sum(0)  # (G, O/G, C/G*KH*KW)
    return total.reshape(out_channels, input.shape[1] // groups, *kernel_size)


def supports(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point()


IM2COL = Algorithm("im2col", forward, input_grad, weight_grad, supports)
