"""im2col by a table of indices into the flattened image, then matmul; as in the lectures of CS231n."""
import torch
import torch.nn as nn


def get_indices(height, width, kh, kw, stride):
    oh, ow = (height - kh) // stride + 1, (width - kw) // stride + 1
    corner = stride * torch.arange(oh)[:, None] * width + stride * torch.arange(ow)
    inside = torch.arange(kh)[:, None] * width + torch.arange(kw)
    return (corner.reshape(-1, 1) + inside.reshape(1, -1)), oh, ow


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    N, C, H, W = input.shape
    F, _, HH, WW = weight.shape
    rows = torch.zeros(N, C, padding, W, dtype=input.dtype)
    x_pad = torch.cat([rows, input, rows], dim=2)
    columns = torch.zeros(N, C, H + 2 * padding, padding, dtype=input.dtype)
    x_pad = torch.cat([columns, x_pad, columns], dim=3)
    indices, H_out, W_out = get_indices(H + 2 * padding, W + 2 * padding, HH, WW, stride)
    cols = x_pad.flatten(2)[:, :, indices]  # (N, C, L, HH·WW)
    cols = cols.permute(0, 2, 1, 3).reshape(N * H_out * W_out, C * HH * WW)
    out = torch.matmul(cols, weight.reshape(F, -1).t())
    if bias is not None:
        out = torch.add(out, bias)
    return out.reshape(N, H_out, W_out, F).permute(0, 3, 1, 2)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.conv_param = {"stride": stride, "pad": padding}
        self.W = nn.Parameter(torch.normal(0.0, 0.01, (out_channels, in_channels, kernel_size, kernel_size)))
        self.b = nn.Parameter(torch.zeros(out_channels), requires_grad=True) if bias else None

    def forward(self, x):
        return MyFConv2D(x, self.W, self.b, self.conv_param["stride"], self.conv_param["pad"])


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.pool_param = {"pool": kernel_size, "stride": kernel_size if stride is None else stride}

    def forward(self, x):
        N, C, H, W = x.shape
        k = self.pool_param["pool"]
        indices, H_out, W_out = get_indices(H, W, k, k, self.pool_param["stride"])
        return x.reshape(N * C, H * W)[:, indices].max(dim=-1)[0].reshape(N, C, H_out, W_out)
