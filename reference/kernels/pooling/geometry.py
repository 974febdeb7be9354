"""Where a pooling window's taps fall: the integer arithmetic that max- and average-pooling share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from reference.kernels.arguments import pair


@dataclass(frozen=True)
class PoolGeometry:
    """Everything about a pooling except its numbers; every pair is (height, width).

    Args:
        kernel_size: taps per window.
        stride: steps between windows.
        padding: rows and columns around the image on each side; they never win and add nothing.
        dilation: steps between taps (average-pooling has none).
        ceil_mode: whether a last window that is only partly over the image counts.
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    ceil_mode: bool = False

    @classmethod
    def parse(cls, kernel_size, stride, padding, dilation, ceil_mode) -> PoolGeometry:
        """Normal form of the arguments of `torch.nn.functional.max_pool2d`.

        Raises:
            TypeError: an argument is not an int or ints.
            ValueError: an impossible value, or padding wider than half of the window.
        """
        arguments = (kernel_size, stride, padding, dilation, ceil_mode)
        # Plain ints are nearly every call there is: remembered, so that a small image does not wait for the checks.
        # Only exact ints: to a cache, True is 1 and 2.0 is 2.
        plain = (
            type(kernel_size) is type(padding) is type(dilation) is int
            and (stride is None or type(stride) is int)
            and type(ceil_mode) is bool
        )
        return cls._remembered(*arguments) if plain else cls._checked(*arguments)

    @classmethod
    def _checked(cls, kernel_size, stride, padding, dilation, ceil_mode) -> PoolGeometry:
        kernel_size = pair(kernel_size, "kernel_size", 1)
        # torch takes an empty stride as a missing one, and a missing one as the kernel size.
        missing = stride is None or (isinstance(stride, (tuple, list)) and len(stride) == 0)
        stride = kernel_size if missing else pair(stride, "stride", 1)
        padding = pair(padding, "padding", 0)
        dilation = pair(dilation, "dilation", 1)
        extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel_size))
        if any(p > e // 2 for p, e in zip(padding, extent)):
            raise ValueError(
                f"padding should be at most half of the effective kernel size, found padding={padding} with windows "
                f"{extent} pixels large (kernel_size={kernel_size}, dilation={dilation}); a wider one would put whole "
                f"windows outside the image"
            )
        return cls(kernel_size, stride, padding, dilation, bool(ceil_mode))

    _remembered = classmethod(lru_cache(_checked.__func__))

    @lru_cache
    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Number of windows over an image of `size` (H, W), as (OH, OW).

        Raises:
            ValueError: not even one window fits.
        """
        counts = tuple(self._count(axis, size[axis]) for axis in (0, 1))
        if min(counts) < 1:
            raise ValueError(
                f"input of {size[0]}x{size[1]} pixels with padding={self.padding} is too small for windows of "
                f"kernel_size={self.kernel_size}, dilation={self.dilation}: the output would be {counts[0]}x{counts[1]}"
            )
        return counts

    def _count(self, axis: int, length: int) -> int:
        kernel, stride, padding = self.kernel_size[axis], self.stride[axis], self.padding[axis]
        steps = length + 2 * padding - self.dilation[axis] * (kernel - 1) - 1
        if not self.ceil_mode:
            return steps // stride + 1
        count = -(-steps // stride) + 1
        # torch's odd rule: a window that would start in the far padding is dropped, not rounded up to.
        return count - 1 if (count - 1) * stride >= length + padding else count

    @lru_cache
    def first_tap(self, axis: int, length: int) -> np.ndarray:
        """For each output along `axis`, the pixel of its first tap that is not in the near padding, int64 (O,).

        With a dilation above 1 that pixel can lie beyond the image: then the window has no tap inside at all.
        """
        start = np.arange(self._count(axis, length), dtype=np.int64) * self.stride[axis] - self.padding[axis]
        skipped = -(np.minimum(start, 0) // self.dilation[axis])
        return start + skipped * self.dilation[axis]

    @lru_cache
    def window_length(self, axis: int, length: int, *, count_padding: bool) -> np.ndarray:
        """For each output along `axis`, how many pixels its window covers, int64 (O,).

        Args:
            axis: 0 for the height, 1 for the width.
            length: the image's pixels along it.
            count_padding: whether pixels of the padding count too; what lies beyond them never does.
        """
        start = np.arange(self._count(axis, length), dtype=np.int64) * self.stride[axis] - self.padding[axis]
        end = np.minimum(start + self.kernel_size[axis], length + self.padding[axis])
        return end - start if count_padding else np.minimum(end, length) - np.maximum(start, 0)

    def padded(self, image: torch.Tensor, fill) -> torch.Tensor:
        """`image` (N, C, H, W) in a frame of `fill`, just large enough that every window lies inside it."""
        n, c, h, w = image.shape
        counts = self.output_size((h, w))
        last = [(o - 1) * s + d * (k - 1) + 1 for o, s, d, k in
                zip(counts, self.stride, self.dilation, self.kernel_size)]  # fmt: skip
        top, left = self.padding
        height, width = max(last[0], top + h), max(last[1], left + w)
        if (height, width) == (h, w):
            return image
        frame = image.new_full((n, c, height, width), fill)
        frame[:, :, top : top + h, left : left + w] = image
        return frame

    def windows(self, padded: torch.Tensor, counts: tuple[int, int]) -> torch.Tensor:
        """Every window of a padded image as a view that shares its memory, (N, C, OH, OW, KH, KW).

        Args:
            padded: what `padded` returned, or a tensor like it, (N, C, HP, WP).
            counts: (OH, OW).
        """
        n, c = padded.shape[:2]
        sn, sc, sh, sw = padded.stride()
        return padded.as_strided(
            (n, c, *counts, *self.kernel_size),
            (sn, sc, sh * self.stride[0], sw * self.stride[1], sh * self.dilation[0], sw * self.dilation[1]),
            padded.storage_offset(),
        )
