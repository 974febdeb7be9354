"""Pooling as Modules, with the constructors of their `torch.nn` namesakes."""

from __future__ import annotations

from torch import Tensor, nn

from reference.kernels.avg_pool import avg_pool2d
from reference.kernels.max_pool import max_pool2d


class MaxPool2d(nn.Module):
    """The greatest number in every window; a Module without parameters over `reference.kernels.max_pool2d`.

    Args:
        kernel_size: window size in taps, int or (height, width).
        stride: pixels between windows; `kernel_size` if None.
        padding: pixels around the image on each side, at most half of the window.
        dilation: pixels between a window's taps.
        return_indices: also return where the maxima are.
        ceil_mode: also count a last window that is only partly over the image.
        algorithm: as in `reference.kernels.max_pool2d`.

    Reference: hw3, deliverable 1; `torch.nn.MaxPool2d`.
    """

    def __init__(
        self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False,
        *, algorithm: str = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        self.algorithm = algorithm

    def forward(self, input: Tensor):
        """(N, C, H, W) or (C, H, W) to (N, C, OH, OW) or (C, OH, OW); a pair with the indices if these are wanted."""
        return max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices,
            algorithm=self.algorithm,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(nn.Module):
    """The mean of every window; a Module without parameters over `reference.kernels.avg_pool2d`.

    Args:
        kernel_size: window size in pixels, int or (height, width).
        stride: pixels between windows; `kernel_size` if None.
        padding: zeros around the image on each side, at most half of the window.
        ceil_mode: also count a last window that is only partly over the image.
        count_include_pad: whether the padding counts in the divisor.
        divisor_override: divide by this instead of the window's size.
        algorithm: as in `reference.kernels.avg_pool2d`.

    Reference: hw3, deliverable 3; `torch.nn.AvgPool2d`.
    """

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None,
        *, algorithm: str = "auto",
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        self.algorithm = algorithm

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to (N, C, OH, OW) or (C, OH, OW)."""
        return avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override, algorithm=self.algorithm,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
