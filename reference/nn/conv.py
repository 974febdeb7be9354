"""`Conv2d`, interchangeable with `torch.nn.Conv2d`: its parameters, its first values, its behaviour."""

from __future__ import annotations

import math

import torch
from torch import nn

from reference.kernels.arguments import integer, pair
from reference.kernels.conv import conv2d

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Conv2d(nn.Module):
    """A convolution with learned kernels.

    Args:
        in_channels: C of the input.
        out_channels: O of the output.
        kernel_size: an int or (height, width).
        stride: steps between windows, an int or (height, width).
        padding: pixels on either side, an int or (height, width), or `'valid'` or `'same'`.
        dilation: steps between taps, an int or (height, width).
        groups: groups of channels that are convolved separately.
        bias: whether a learned number per output channel is added.
        padding_mode: what the padding holds: `'zeros'`, `'reflect'`, `'replicate'` or `'circular'`.
        device: where the parameters live.
        dtype: the parameters' floating-point type.
        algorithm: see `reference.kernels.conv2d`.

    Attributes:
        weight: (out_channels, in_channels/groups, KH, KW), drawn from U(-k, k) with
            k = 1/sqrt(in_channels/groups * KH * KW).
        bias: (out_channels,), drawn from the same distribution, or None.

    Raises:
        TypeError, ValueError: an argument that no convolution can have, by its name.

    Reference: HW3, deliverable 1. He et al., "Delving deep into rectifiers", 2015: the distribution is
        their equation 10 with a negative slope of sqrt(5), which is what `torch.nn.Conv2d` starts from.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
        *,
        algorithm: str = "auto",
    ):
        super().__init__()
        self.in_channels = integer(in_channels, "in_channels", 1)
        self.out_channels = integer(out_channels, "out_channels", 1)
        self.kernel_size = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.padding = padding if isinstance(padding, str) else pair(padding, "padding", 0)
        self.dilation = pair(dilation, "dilation", 1)
        self.groups = integer(groups, "groups", 1)
        self.padding_mode = padding_mode
        self.algorithm = algorithm
        self._check()
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = nn.Parameter(torch.empty(self.out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(self) -> None:
        for name, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name} must be divisible by groups, found {name}={channels}, groups={self.groups}")
        if self.padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {PADDING_MODES}, found {self.padding_mode!r}")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"padding must be 'valid', 'same' or numbers, found {self.padding!r}")
            if self.padding == "same" and self.stride != (1, 1):
                raise ValueError(f"padding='same' keeps the image's size, which needs stride 1, found {self.stride}")

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from torch's generator in the order in which `torch.nn.Conv2d` draws them."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # (N, C, H, W) -> (N, O, OH, OW)
        padding = self.padding
        if self.padding_mode != "zeros":
            input = nn.functional.pad(input, self._sides(), mode=self.padding_mode)
            padding = 0
        return conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups, algorithm=self.algorithm
        )

    def _sides(self) -> list[int]:
        """Padding as `torch.nn.functional.pad` wants it: left, right, top, bottom."""
        if self.padding == "valid":
            return [0, 0, 0, 0]
        if self.padding == "same":
            total_h, total_w = (d * (k - 1) for d, k in zip(self.dilation, self.kernel_size))
            return [total_w // 2, total_w - total_w // 2, total_h // 2, total_h - total_h // 2]
        return [self.padding[1], self.padding[1], self.padding[0], self.padding[0]]

    def extra_repr(self) -> str:
        """The arguments, those that differ from their defaults by name, as `torch.nn.Conv2d` prints them."""
        parts = [f"{self.in_channels}, {self.out_channels}", f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)
