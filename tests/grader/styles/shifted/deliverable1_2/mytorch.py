"""Shift and add: one product of the whole image per element of the kernel, from the corners inwards."""

import torch
from torch import nn


def shifts(x, rows, columns, stride, oh, ow):
    for i in range(rows):
        for j in range(columns):
            yield i, j, x[..., i : i + (oh - 1) * stride + 1 : stride, j : j + (ow - 1) * stride + 1 : stride]


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    *_, kh, kw = weight.shape
    x = nn.functional.pad(input, [padding] * 4) if padding else input
    oh, ow = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
    terms = (torch.tensordot(weight[:, :, i, j], part, ([1], [1])) for i, j, part in shifts(x, kh, kw, stride, oh, ow))
    output = sum(terms).transpose(0, 1)  # (O, N, OH, OW) → (N, O, OH, OW)
    return output if bias is None else output.add(bias[:, None, None])


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.stride, self.padding = stride, padding
        # The bias comes first, and the weight has its channels last.
        self.register_parameter("shift", nn.Parameter(torch.zeros(out_channels)) if bias else None)
        self.kernel = nn.Parameter(0.2 * torch.randn(out_channels, in_channels, kernel_size, kernel_size))

    def forward(self, x):
        return MyFConv2D(x, self.kernel, self.shift, self.stride, self.padding)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride if stride is not None else kernel_size

    def forward(self, x):
        k, s = self.kernel_size, self.stride
        oh, ow = (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1
        best = None
        for _, _, part in shifts(x, k, k, s, oh, ow):
            best = part if best is None else torch.maximum(best, part)
        return best
