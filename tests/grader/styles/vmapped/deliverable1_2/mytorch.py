"""Written for one image and one filter, and mapped over both by torch.func.vmap; the pooling is TorchScript."""
import torch
from torch import Tensor, nn
from torch.func import vmap


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    def one(image, kernel):  # (C, H, W), (C, KH, KW)
        windows = image.unfold(1, kernel.shape[1], stride).unfold(2, kernel.shape[2], stride)
        return (windows * kernel[:, None, None]).sum((0, 3, 4))

    if len(input) == 0:
        size = [(length + 2 * padding - k) // stride + 1 for length, k in zip(input.shape[2:], weight.shape[2:])]
        return input.new_zeros(0, len(weight), *size)
    padded = nn.functional.pad(input, (padding,) * 4)
    out = vmap(vmap(one, in_dims=(None, 0)), in_dims=(0, None))(padded, weight)
    return out if bias is None else out + bias[:, None, None]


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(out_channels, in_channels, kernel_size, kernel_size)))
        self.bias = nn.Parameter(torch.randn(out_channels)) if bias else None
        self.stride, self.padding = stride, padding

    def forward(self, x):
        return MyFConv2D(x, self.weight, self.bias, self.stride, self.padding)


@torch.jit.script
def pooled(x: Tensor, k: int, s: int) -> Tensor:
    best = torch.full([x.size(0), x.size(1), (x.size(2) - k) // s + 1, (x.size(3) - k) // s + 1], -float("inf"), dtype=x.dtype)
    for i in range(k):
        for j in range(k):
            part = x[:, :, i : i + (best.size(2) - 1) * s + 1 : s, j : j + (best.size(3) - 1) * s + 1 : s]
            best = torch.where(part > best, part, best)
    return best


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, x):
        return pooled(x, self.kernel_size, self.stride)
