"""Where a kernel's taps fall: the integer arithmetic that every convolution algorithm shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch


@dataclass(frozen=True)
class Geometry:
    """Everything about a convolution except its numbers.

    Args:
        stride: steps between windows, (height, width).
        padding: zeros around the image, (top, bottom, left, right). `'same'` with an even kernel
            needs one more zero at the bottom and the right, hence four numbers.
        dilation: steps between taps, (height, width).
        groups: number of independent convolutions that share the call.
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Image size with its padding, (height, width)."""
        top, bottom, left, right = self.padding
        return height + top + bottom, width + left + right

    def extent(self, kernel_size: tuple[int, int]) -> tuple[int, int]:
        """Pixels from a dilated kernel's first tap to its last, both included, (height, width)."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, kernel_size))

    @lru_cache(maxsize=1024)
    def output_size(self, size: tuple[int, int], kernel_size: tuple[int, int]) -> tuple[int, int]:
        """Number of windows that fit, (OH, OW)."""
        padded, extent = self.padded_size(*size), self.extent(kernel_size)
        return tuple((p - e) // s + 1 for p, e, s in zip(padded, extent, self.stride))

    def pad(self, image: torch.Tensor) -> torch.Tensor:
        """`image` (N, C, H, W) inside its zeros, as a copy where there are any."""
        if not any(self.padding):
            return image
        top, bottom, left, right = self.padding
        n, c, h, w = image.shape
        padded = image.new_zeros(n, c, *self.padded_size(h, w))
        padded[:, :, top : top + h, left : left + w] = image
        return padded

    def unpad(self, padded: torch.Tensor) -> torch.Tensor:
        """The image inside `padded` (N, C, H + top + bottom, W + left + right), as a view."""
        top, bottom, left, right = self.padding
        return padded[:, :, top : padded.shape[2] - bottom, left : padded.shape[3] - right]

    def windows(self, padded: torch.Tensor, kernel_size: tuple[int, int]) -> torch.Tensor:
        """Every window of a padded image as a view that shares its memory.

        Args:
            padded: (N, C, HP, WP), the image with its padding.
            kernel_size: (KH, KW).

        Returns:
            (N, C, OH, OW, KH, KW); entry [n, c, y, x, i, j] is the pixel that tap (i, j) of the window
            at (y, x) sees.
        """
        n, c, hp, wp = padded.shape
        sn, sc, sh, sw = padded.stride()
        (oh, ow), (kh, kw) = self.window_count((hp, wp), kernel_size), kernel_size
        return padded.as_strided(
            (n, c, oh, ow, kh, kw),
            (sn, sc, sh * self.stride[0], sw * self.stride[1], sh * self.dilation[0], sw * self.dilation[1]),
        )

    def window_count(self, padded_size: tuple[int, int], kernel_size: tuple[int, int]) -> tuple[int, int]:
        """Number of windows in an image whose size already counts its padding, (OH, OW)."""
        extent = self.extent(kernel_size)
        return tuple((p - e) // s + 1 for p, e, s in zip(padded_size, extent, self.stride))
