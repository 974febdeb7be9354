"""Options by keyword only, dataclass-like checks of every argument, pairs accepted too."""
from typing import Optional, Tuple, Union

import torch
from torch import Tensor, nn

Pair = Union[int, Tuple[int, int]]


def _pair(value: Pair, name: str) -> Tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(part, int) for part in pair):
        raise ValueError(f"{name}: expected a number or two, got {value!r}")
    return pair


def MyFConv2D(input: Tensor, weight: Tensor, bias: Optional[Tensor] = None, *, stride: Pair = 1, padding: Pair = 0) -> Tensor:
    (sy, sx), (py, px) = _pair(stride, "stride"), _pair(padding, "padding")
    if input.ndim != 4 or weight.ndim != 4 or input.shape[1] != weight.shape[1]:
        raise ValueError(f"expected (N, C, H, W) and (O, C, KH, KW), got {input.shape} and {weight.shape}")
    padded = nn.ZeroPad2d((px, px, py, py))(input)
    windows = padded.unfold(2, weight.shape[2], sy).unfold(3, weight.shape[3], sx)
    output = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return output if bias is None else output + bias.view(1, -1, 1, 1)


class MyConv2D(nn.Module):
    weight: nn.Parameter

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Pair, *, stride: Pair = 1, padding: Pair = 0, bias: bool = True):
        super().__init__()
        self.options = {"stride": stride, "padding": padding}
        shape = (out_channels, in_channels, *_pair(kernel_size, "kernel_size"))
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(shape)))
        self.bias = nn.Parameter(torch.full((out_channels,), 0.1)) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return MyFConv2D(input, self.weight, self.bias, **self.options)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size: Pair, *, stride: Optional[Pair] = None):
        super().__init__()
        self.kernel_size = _pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else _pair(stride, "stride")

    def forward(self, input: Tensor) -> Tensor:
        for axis in (0, 1):
            input = input.unfold(2 + axis, self.kernel_size[axis], self.stride[axis]).amax(-1)
        return input
