"""One number of the output at a time, in Python loops; no operation beside + and *."""
import torch
from torch import nn


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    images, channels, height, width = input.shape
    filters, _, kernel_height, kernel_width = weight.shape
    rows = (height + 2 * padding - kernel_height) // stride + 1
    columns = (width + 2 * padding - kernel_width) // stride + 1
    numbers = []
    for n in range(images):
        for o in range(filters):
            for y in range(rows):
                for x in range(columns):
                    total = bias[o] if bias is not None else 0 * weight[o, 0, 0, 0]
                    for i in range(kernel_height):
                        for j in range(kernel_width):
                            row, column = y * stride + i - padding, x * stride + j - padding
                            if 0 <= row < height and 0 <= column < width:
                                total = total + (input[n, :, row, column] * weight[o, :, i, j]).sum()
                    numbers.append(total)
    if not numbers:
        return input.new_zeros(images, filters, rows, columns)
    return torch.stack(numbers).reshape(images, filters, rows, columns)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.filters = nn.Parameter(torch.rand(out_channels, in_channels, kernel_size, kernel_size) - 0.5)
        if bias:
            self.b = nn.Parameter(torch.rand(out_channels) - 0.5)
        self.has_bias = bias
        self.s = stride
        self.p = padding

    def forward(self, x):
        if self.has_bias:
            return MyFConv2D(x, self.filters, self.b, self.s, self.p)
        else:
            return MyFConv2D(x, self.filters, None, self.s, self.p)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.k = kernel_size
        if stride == None:
            stride = kernel_size
        self.s = stride

    def forward(self, x):
        N, C, H, W = x.shape
        OH = (H - self.k) // self.s + 1
        OW = (W - self.k) // self.s + 1
        result = torch.zeros(N, C, OH, OW, dtype=x.dtype)
        for n in range(N):
            for c in range(C):
                for y in range(OH):
                    for z in range(OW):
                        window = x[n, c, y * self.s : y * self.s + self.k, z * self.s : z * self.s + self.k]
                        result[n, c, y, z] = window.max()
        return result
