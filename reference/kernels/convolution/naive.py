"""Convolution as its definition: seven loops.

    output[n, o, y, x] = bias[o] + sum over c, i, j of
        weight[o, c, i, j] * input[n, group(o)*C/G + c, y*sh + i*dh - top, x*sw + j*dw - left]

with zero where the input is asked for a pixel outside the image. Both gradients run over the very same
loops: each product above sends the output's gradient to one pixel and to one weight.

Cost: 2*N*O*C/G*KH*KW*OH*OW operations in scalar arithmetic, no memory beside the result.
Measured error in float32: at most 1.1 (forward), 1.4 (input gradient), 1.3 (weight gradient) times
sqrt(terms) * eps/2 * the sum of the absolute products.
`definition`, `definition_input_grad` and `definition_weight_grad` are plain Python over numpy arrays; the
names that end in `_compiled` are the same functions after numba.
"""

from __future__ import annotations

from reference.kernels.compiled import compiled
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.operands import arrays, supports


def definition(input, weight, stride, corner, dilation, output):
    """Add the convolution to `output`.

    Args:
        input: (N, C, H, W). weight: (O, C/G, KH, KW). output: (N, O, OH, OW), where the result is added.
        stride, dilation: (height, width). corner: rows and columns of padding at the top and left.
    """
    per_group, per_group_out = weight.shape[1], output.shape[1] * weight.shape[1] // input.shape[1]
    for n in range(output.shape[0]):
        for o in range(output.shape[1]):
            first = o // per_group_out * per_group
            for y in range(output.shape[2]):
                for x in range(output.shape[3]):
                    for c in range(per_group):
                        for i in range(weight.shape[2]):
                            row = y * stride[0] + i * dilation[0] - corner[0]
                            for j in range(weight.shape[3]):
                                column = x * stride[1] + j * dilation[1] - corner[1]
                                if 0 <= row < input.shape[2] and 0 <= column < input.shape[3]:
                                    output[n, o, y, x] += weight[o, c, i, j] * input[n, first + c, row, column]


def definition_input_grad(grad, weight, stride, corner, dilation, total):
    """Add the gradient for the input to `total` (N, C, H, W); arguments as in `definition`."""
    per_group, per_group_out = weight.shape[1], grad.shape[1] * weight.shape[1] // total.shape[1]
    for n in range(grad.shape[0]):
        for o in range(grad.shape[1]):
            first = o // per_group_out * per_group
            for y in range(grad.shape[2]):
                for x in range(grad.shape[3]):
                    for c in range(per_group):
                        for i in range(weight.shape[2]):
                            row = y * stride[0] + i * dilation[0] - corner[0]
                            for j in range(weight.shape[3]):
                                column = x * stride[1] + j * dilation[1] - corner[1]
                                if 0 <= row < total.shape[2] and 0 <= column < total.shape[3]:
                                    total[n, first + c, row, column] += weight[o, c, i, j] * grad[n, o, y, x]


def definition_weight_grad(grad, input, stride, corner, dilation, total):
    """Add the gradient for the weight to `total` (O, C/G, KH, KW); arguments as in `definition`."""
    per_group, per_group_out = total.shape[1], grad.shape[1] * total.shape[1] // input.shape[1]
    for n in range(grad.shape[0]):
        for o in range(grad.shape[1]):
            first = o // per_group_out * per_group
            for y in range(grad.shape[2]):
                for x in range(grad.shape[3]):
                    for c in range(per_group):
                        for i in range(total.shape[2]):
                            row = y * stride[0] + i * dilation[0] - corner[0]
                            for j in range(total.shape[3]):
                                column = x * stride[1] + j * dilation[1] - corner[1]
                                if 0 <= row < input.shape[2] and 0 <= column < input.shape[3]:
                                    total[o, c, i, j] += grad[n, o, y, x] * input[n, first + c, row, column]


definition_compiled = compiled(definition)
definition_input_grad_compiled = compiled(definition_input_grad)
definition_weight_grad_compiled = compiled(definition_weight_grad)


def forward(input, weight, bias, geometry: Geometry):
    size = geometry.output_size(tuple(input.shape[2:]), tuple(weight.shape[2:]))
    output = input.new_zeros(input.shape[0], weight.shape[0], *size)
    if bias is not None:
        output += bias[:, None, None]
    definition_compiled(*arrays(input, weight), *_numbers(geometry), output.numpy())
    return output


def input_grad(grad, weight, geometry: Geometry, size: tuple[int, int]):
    total = grad.new_zeros(grad.shape[0], weight.shape[1] * geometry.groups, *size)
    definition_input_grad_compiled(*arrays(grad, weight), *_numbers(geometry), total.numpy())
    return total


def weight_grad(grad, input, geometry: Geometry, kernel_size: tuple[int, int]):
    total = grad.new_zeros(grad.shape[1], input.shape[1] // geometry.groups, *kernel_size)
    definition_weight_grad_compiled(*arrays(grad, input), *_numbers(geometry), total.numpy())
    return total


def _numbers(geometry: Geometry):
    return geometry.stride, (geometry.padding[0], geometry.padding[2]), geometry.dilation


NAIVE = Algorithm("naive", forward, input_grad, weight_grad, supports)
