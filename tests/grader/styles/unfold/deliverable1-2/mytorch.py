"""im2col by nn.functional.unfold and a matrix product; double quotes around everything that can have them."""
import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["MyFConv2D", "MyConv2D", "MyMaxPool2D"]


def MyFConv2D(
    input: "torch.Tensor",
    weight: "torch.Tensor",
    bias: "torch.Tensor | None" = None,
    stride: "int" = 1,
    padding: "int" = 0,
) -> "torch.Tensor":
    """The same as F.conv2d."""
    n, c, h, w = input.size()
    o, c, kh, kw = weight.size()
    columns = F.unfold(input, kernel_size=(kh, kw), padding=padding, stride=stride)
    output = weight.view(o, -1) @ columns
    if bias is not None:
        output = output + bias.unsqueeze(1)
    return output.view(n, o, (h + 2 * padding - kh) // stride + 1, (w + 2 * padding - kw) // stride + 1)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super(MyConv2D, self).__init__()
        self.stride = stride
        self.padding = padding
        self.register_parameter("weight", nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size)))
        self.register_parameter("bias", nn.Parameter(torch.zeros(out_channels)) if bias else None)
        nn.init.kaiming_uniform_(self.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, x):
        return MyFConv2D(x, self.weight, bias=self.bias, stride=self.stride, padding=self.padding)

    def extra_repr(self):
        return f"{tuple(self.weight.shape)}, stride={self.stride}"


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super(MyMaxPool2D, self).__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride

    def forward(self, x):
        n, c, h, w = x.size()
        k, s = self.kernel_size, self.stride
        windows = F.unfold(x.reshape(n * c, 1, h, w), k, stride=s)
        values, _ = torch.max(windows, dim=1)
        return values.view(n, c, (h - k) // s + 1, (w - k) // s + 1)
