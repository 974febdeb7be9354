"""HW3 deliverable 1: convolution and max-pooling from scratch.

Built-in functions of PyTorch are allowed, its convolution and pooling functions are not
(`nn.Conv2d`, `nn.functional.conv2d`, `nn.MaxPool2d`, `nn.functional.max_pool2d` and their kin).
`torch.nn.functional.unfold` and `Tensor.unfold` are allowed.

The layers must be differentiable: training in deliverable 2 calls `backward` through them.
"""

import math

import torch
# student: import torch
from torch import Tensor, nn

# solution-only
from reference import kernels
# end solution-only


def MyFConv2D(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
) -> Tensor:
    """Two-dimensional convolution, as `torch.nn.functional.conv2d` computes it.

        output[n, o, y, x] = bias[o] + Σ_{c, i, j} weight[o, c, i, j] ·
                             padded[n, c, y · stride + i, x · stride + j]

    Args:
        input: (N, C, H, W), float32 or float64, any strides in memory. N may be 0.
        weight: (O, C, KH, KW), the same dtype; KH and KW may differ.
        bias: (O,), or None.
        stride: step of the window in both directions, at least 1.
        padding: rows and columns of zeros added on every side, at least 0.

    Returns:
        (N, O, OH, OW) with OH = (H + 2·padding − KH) // stride + 1 and OW alike, in the dtype
        of `input`, differentiable in input, weight and bias. The arguments stay unchanged.
    """
    # solution: hw3 deliverable 1: MyFConv2D
    return kernels.conv2d(input, weight, bias, stride=stride, padding=padding)
    # end solution


class MyConv2D(nn.Module):
    """A convolution layer with its own parameters, as `torch.nn.Conv2d`.

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output.
        kernel_size: height and width of the window.
        stride: step of the window in both directions.
        padding: rows and columns of zeros added on every side.
        bias: whether a number per output channel is learnt and added.

    The weight (O, C, K, K) and the bias (O,) are `nn.Parameter`s under names of your choice,
    drawn at random by default (`nn.Conv2d` draws both from ±1/√(C·K·K)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        bias: bool = True,
    ):
        super().__init__()
        # solution: hw3 deliverable 1: MyConv2D
        self.stride, self.padding = stride, padding
        bound = 1 / math.sqrt(in_channels * kernel_size**2)
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound)) if bias else None
        # end solution

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) → (N, O, OH, OW); see `MyFConv2D`."""
        # solution: hw3 deliverable 1: MyConv2D
        return MyFConv2D(input, self.weight, self.bias, self.stride, self.padding)
        # end solution


class MyMaxPool2D(nn.Module):
    """The largest value of every window, as `torch.nn.MaxPool2d`.

    Args:
        kernel_size: K, height and width of the window.
        stride: step of the window in both directions; None means `kernel_size`.
    """

    def __init__(self, kernel_size: int, stride: int | None = None):
        super().__init__()
        # solution: hw3 deliverable 1: MyMaxPool2D
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        # end solution

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, (H − K) // stride + 1, (W − K) // stride + 1).

        A row or column that no whole window reaches is left out. The gradient of each output
        goes to the element that it was taken from.
        """
        # solution: hw3 deliverable 1: MyMaxPool2D
        return kernels.max_pool2d(input, self.kernel_size, self.stride)
        # end solution
