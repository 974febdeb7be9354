"""numpy inside of autograd Functions: forward and backward are written out."""
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.autograd import Function


class _Conv(Function):
    @staticmethod
    def forward(ctx, x, w, b, stride, padding):
        x_np, w_np = x.detach().numpy(), w.detach().numpy()
        padded = np.pad(x_np, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        windows = sliding_window_view(padded, w_np.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        out = np.tensordot(windows, w_np, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
        if b is not None:
            out = out + b.detach().numpy()[:, None, None]
        ctx.numbers = windows, w_np, padded.shape, stride, padding, b is not None
        return torch.from_numpy(np.ascontiguousarray(out))

    @staticmethod
    def backward(ctx, grad):
        windows, w, shape, stride, padding, biased = ctx.numbers
        g = grad.numpy()
        dw = np.tensordot(g, windows, axes=([0, 2, 3], [0, 2, 3]))
        parts = np.tensordot(g, w, axes=([1], [0]))  # (N, OH, OW, C, KH, KW)
        dx = np.zeros(shape, dtype=g.dtype)
        for y in range(g.shape[2]):
            for z in range(g.shape[3]):
                top, left = y * stride, z * stride
                dx[:, :, top : top + w.shape[2], left : left + w.shape[3]] += parts[:, y, z]
        dx = dx[:, :, padding : shape[2] - padding, padding : shape[3] - padding]
        db = torch.from_numpy(g.sum((0, 2, 3))) if biased else None
        return torch.from_numpy(dx.copy()), torch.from_numpy(np.ascontiguousarray(dw)), db, None, None


class _Pool(Function):
    @staticmethod
    def forward(ctx, x, k, s):
        a = x.detach().numpy()
        windows = sliding_window_view(a, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        flat = windows.reshape(*windows.shape[:4], k * k)
        ctx.where, ctx.shape, ctx.k, ctx.s = flat.argmax(-1), a.shape, k, s
        return torch.from_numpy(flat.max(-1))

    @staticmethod
    def backward(ctx, grad):
        dx = np.zeros(ctx.shape, dtype=grad.numpy().dtype)
        n, c, y, z = np.indices(ctx.where.shape)
        np.add.at(dx, (n, c, y * ctx.s + ctx.where // ctx.k, z * ctx.s + ctx.where % ctx.k), grad.numpy())
        return torch.from_numpy(dx), None, None


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    return _Conv.apply(input, weight, bias, stride, padding)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        w = np.random.randn(out_channels, in_channels, kernel_size, kernel_size).astype("float32")
        self.w = nn.Parameter(torch.from_numpy(w * np.float32(np.sqrt(2 / w[0].size))))
        self.b = nn.Parameter(torch.from_numpy(np.zeros(out_channels, np.float32))) if bias else None
        self.args = stride, padding

    def forward(self, x):
        return MyFConv2D(x, self.w, self.b, *self.args)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.args = kernel_size, stride or kernel_size

    def forward(self, x):
        return _Pool.apply(x, *self.args)
