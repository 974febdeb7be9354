"""The convolution of an image is one linear map: its whole matrix (O·OH·OW, C·H·W) is built, and multiplied once."""
import torch
from torch import nn


def matrix(weight, h, w, stride, padding):
    o, c, kh, kw = weight.shape
    oh, ow = (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1
    a = weight.new_zeros(o, oh, ow, c, h + 2 * padding, w + 2 * padding)
    for y in range(oh):
        for x in range(ow):
            a[:, y, x, :, y * stride : y * stride + kh, x * stride : x * stride + kw] = weight
    a = a[..., padding : padding + h, padding : padding + w]  # what meets the padding meets zeros
    return a.reshape(o * oh * ow, c * h * w), (o, oh, ow)


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    a, shape = matrix(weight, *input.shape[2:], stride, padding)
    out = nn.functional.linear(input.flatten(1), a).reshape(len(input), *shape)
    return out if bias is None else out + bias.reshape(-1, 1, 1)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        holder = nn.Linear(in_channels * kernel_size * kernel_size, out_channels, bias=bias)
        self.linear, self.shape = holder, (out_channels, in_channels, kernel_size, kernel_size)
        self.stride, self.padding = stride, padding

    def forward(self, x):
        return MyFConv2D(x, self.linear.weight.view(self.shape), self.linear.bias, self.stride, self.padding)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, x):
        rows = [x[:, :, y : y + self.kernel_size].amax(2) for y in range(0, x.shape[2] - self.kernel_size + 1, self.stride)]
        x = torch.stack(rows, 2)
        columns = [x[..., y : y + self.kernel_size].amax(3) for y in range(0, x.shape[3] - self.kernel_size + 1, self.stride)]
        return torch.stack(columns, 3)
