"""What the faults of a convolution and of a pooling compute with, in float64."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.convolution import ConvolutionCase
from grader.oracles.pooling import PoolingCase


def row_major(tensor: Tensor) -> Tensor:
    """What lies in memory, read as if the rows of each channel followed each other: (N, C, H, W)."""
    return torch.as_strided(tensor, (tensor.numel(),), (1,), 0).reshape(tensor.shape)


@dataclass(frozen=True)
class Convolution:
    """One call.

    Args:
        case: as it was asked.
        x: the input, (N, C, H, W).
        memory: the same numbers in the order in which they lie in memory, (N, C, H, W).
        w: the weight, (O, C, KH, KW).
        b: the bias, (O,), 0 where there is none.
        g: the gradient of the output, (N, O, OH, OW).
        stride, padding: as given.
    """

    case: ConvolutionCase
    x: Tensor
    memory: Tensor
    w: Tensor
    b: Tensor
    g: Tensor
    stride: int
    padding: int

    @classmethod
    def of(cls, case: ConvolutionCase) -> "Convolution":
        exact = {name: tensor.double() for name, tensor in case.tensors().items()}
        none = torch.zeros(case.out_channels, dtype=torch.float64)
        return cls(
            case, exact["input"], row_major(exact["input"]), exact["weight"], exact.get("bias", none),
            exact["grad_output"], case.stride, case.padding,
        )  # fmt: skip

    def but(self, **changes: Tensor | int) -> "Convolution":
        """The same call with other operands."""
        return replace(self, **changes)

    @property
    def window(self) -> tuple[int, int]:
        """KH and KW."""
        return self.w.shape[2], self.w.shape[3]

    @property
    def taps(self) -> int:
        """Products that one output sums."""
        return self.w[0].numel()

    @property
    def bias(self) -> Tensor:
        """As the output has it: (1, O, 1, 1)."""
        return self.b.reshape(1, -1, 1, 1)

    @cached_property
    def output(self) -> Tensor:
        """(N, O, OH, OW)."""
        return F.conv2d(self.x, self.w, self.b, self.stride, self.padding)

    @property
    def products(self) -> Tensor:
        """The output without the bias, (N, O, OH, OW)."""
        return self.output - self.bias

    def padded(self, left: int, right: int, top: int, bottom: int, mode: str = "constant") -> Tensor:
        """The output with zeros, or what `mode` says, around the image in these widths."""
        return self.but(x=F.pad(self.x, (left, right, top, bottom), mode=mode), padding=0).output

    @cached_property
    def gradients(self) -> tuple[Tensor, Tensor]:
        """Of the input, (N, C, H, W), and of the weight, (O, C, KH, KW)."""
        x, w = self.x.clone().requires_grad_(), self.w.clone().requires_grad_()
        output = F.conv2d(x, w, None, self.stride, self.padding)
        return torch.autograd.grad(output, (x, w), self.g)


@dataclass(frozen=True)
class Pooling:
    """One call.

    Args:
        case: as it was asked.
        x: the input, (N, C, H, W).
        memory: the same numbers in the order in which they lie in memory, (N, C, H, W).
        g: the gradient of the output, (N, C, OH, OW).
        kernel: height and width of the window.
        stride: as it takes effect.
    """

    case: PoolingCase
    x: Tensor
    memory: Tensor
    g: Tensor
    kernel: int
    stride: int

    @classmethod
    def of(cls, case: PoolingCase) -> "Pooling":
        exact = {name: tensor.double() for name, tensor in case.tensors().items()}
        return cls(
            case, exact["input"], row_major(exact["input"]), exact["grad_output"], case.kernel_size,
            case.stride or case.kernel_size,
        )  # fmt: skip

    def but(self, **changes: Tensor | int) -> "Pooling":
        """The same call with other operands."""
        return replace(self, **changes)

    def output(self, rows: int = 0, columns: int = 0, **options: int | bool) -> Tensor:
        """(N, C, OH, OW), with other strides along height and width where they are given."""
        return F.max_pool2d(self.x, self.kernel, (rows or self.stride, columns or self.stride), **options)

    def windows(self, x: Tensor | None = None) -> Tensor:
        """(N, C, OH, OW, KH, KW), a view of the input or of a tensor of its shape."""
        x = self.x if x is None else x
        return x.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride)

    def scattered(self, shares: Tensor, *, add: bool = True) -> Tensor:
        """Shares of the windows, (N, C, OH, OW, KH, KW), put back to their pixels: (N, C, H, W).

        Args:
            add: whether windows that share a pixel add up; without, the last one in row-major order counts.
        """
        result = torch.zeros_like(self.x)
        for row in range(shares.shape[2]):
            for column in range(shares.shape[3]):
                top, left = row * self.stride, column * self.stride
                place = result[:, :, top : top + self.kernel, left : left + self.kernel]
                share = shares[:, :, row, column]
                if add:
                    place += share
                else:
                    place[share != 0] = share[share != 0]
        return result

    @cached_property
    def largest(self) -> Tensor:
        """1 at the largest element of each window, 0 elsewhere: (N, C, OH, OW, KH, KW)."""
        windows = self.windows()
        return (windows == windows.amax((4, 5), keepdim=True)).double()

    @cached_property
    def gradient(self) -> Tensor:
        """Of the input, (N, C, H, W)."""
        return self.scattered(self.largest * self.g[..., None, None])
