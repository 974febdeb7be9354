"""Correct submissions to deliverable 1; each is a whole `mytorch.py`."""

from grader.selfcheck.mutant import Base

# As a student writes it, in plain PyTorch.
_UNFOLD = '''\
import torch
from torch import nn
import torch.nn.functional as F


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    n, c, h, w = input.shape
    o, _, kh, kw = weight.shape
    padded = F.pad(input, (padding, padding, padding, padding))
    windows = padded.unfold(2, kh, stride).unfold(3, kw, stride)
    output = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return output if bias is None else output + bias.view(1, -1, 1, 1)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.kernels = nn.Parameter(
            torch.randn(out_channels, in_channels, kernel_size, kernel_size) * 0.1
        )
        self.offset = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        return MyFConv2D(x, self.kernels, self.offset, self.stride, self.padding)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, x):
        k, s = self.kernel_size, self.stride
        return x.unfold(2, k, s).unfold(3, k, s).flatten(4).max(-1).values
'''

# With its backward passes written out, for faults of gradients.
_BY_HAND = '''\
import torch
from torch import nn


class Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, weight, bias, stride, padding):
        n, c, h, w = input.shape
        o, _, kh, kw = weight.shape
        oh = (h + 2 * padding - kh) // stride + 1
        ow = (w + 2 * padding - kw) // stride + 1
        padded = input.new_zeros(n, c, h + 2 * padding, w + 2 * padding)
        padded[:, :, padding : padding + h, padding : padding + w] = input
        output = input.new_zeros(n, o, oh, ow)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i, i + stride * (oh - 1) + 1, stride)
                columns = slice(j, j + stride * (ow - 1) + 1, stride)
                output += torch.einsum("nchw,oc->nohw", padded[:, :, rows, columns], weight[:, :, i, j])
        if bias is not None:
            output += bias[None, :, None, None]
        ctx.save_for_backward(padded, weight)
        ctx.sizes = h, w, stride, padding, bias is not None
        return output

    @staticmethod
    def backward(ctx, grad):
        padded, weight = ctx.saved_tensors
        h, w, stride, padding, has_bias = ctx.sizes
        o, _, kh, kw = weight.shape
        oh, ow = grad.shape[2:]
        grad_padded = torch.zeros_like(padded)
        grad_weight = torch.zeros_like(weight)
        for i in range(kh):
            for j in range(kw):
                rows = slice(i, i + stride * (oh - 1) + 1, stride)
                columns = slice(j, j + stride * (ow - 1) + 1, stride)
                kernel = weight[:, :, i, j]
                grad_padded[:, :, rows, columns] += torch.einsum("nohw,oc->nchw", grad, kernel)
                grad_weight[:, :, i, j] = torch.einsum("nohw,nchw->oc", grad, padded[:, :, rows, columns])
        grad_input = grad_padded[:, :, padding : padding + h, padding : padding + w]
        grad_bias = grad.sum((0, 2, 3)) if has_bias else None
        return grad_input, grad_weight, grad_bias, None, None


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    return Convolution.apply(input, weight, bias, stride, padding)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size) * 0.1)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        return MyFConv2D(x, self.weight, self.bias, self.stride, self.padding)


class Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k, s):
        n, c, h, w = x.shape
        oh, ow = (h - k) // s + 1, (w - k) // s + 1
        output = x.new_zeros(n, c, oh, ow)
        winner = torch.zeros(n, c, oh, ow, dtype=torch.long)
        for i in range(oh):
            for j in range(ow):
                window = x[:, :, i * s : i * s + k, j * s : j * s + k].flatten(2)
                output[:, :, i, j], winner[:, :, i, j] = window.max(2)
        ctx.save_for_backward(x, winner)
        ctx.sizes = k, s
        return output

    @staticmethod
    def backward(ctx, grad):
        x, winner = ctx.saved_tensors
        k, s = ctx.sizes
        grad_x = torch.zeros_like(x)
        for i in range(grad.shape[2]):
            for j in range(grad.shape[3]):
                share = x.new_zeros(*x.shape[:2], k * k)
                share.scatter_(2, winner[:, :, i, j, None], grad[:, :, i, j, None])
                grad_x[:, :, i * s : i * s + k, j * s : j * s + k] += share.unflatten(2, (k, k))
        return grad_x, None, None


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, x):
        return Pooling.apply(x, self.kernel_size, self.stride)
'''

UNFOLD = Base("unfold", 1, {"deliverable1_2/mytorch.py": _UNFOLD})
BY_HAND = Base("backward by hand", 1, {"deliverable1_2/mytorch.py": _BY_HAND})
