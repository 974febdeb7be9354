"""Every convolution and pooling that is measured: one list for `pytest --benchmark-only` and for the table.

The shapes are those of the course: HW3's own layers, first layers on MNIST and CIFAR-10, and the middle layers of
small networks.
"""

from __future__ import annotations

from dataclasses import dataclass

from reference.kernels.convolution.geometry import Geometry

BATCHES = (64, 128)
INFERENCE_BATCHES = (1, 500)  # of these only the forward pass is timed


@dataclass(frozen=True)
class ConvShape:
    """A convolution layer with bias, without its batch size.

    Args:
        input: (C, H, W).
        weight: (O, C/groups, KH, KW).
        stride, padding: the same for height and width.
        groups: as in `conv2d`.
        first_layer: whether it sees the images of a data set, which need no gradient in training.
    """

    input: tuple[int, int, int]
    weight: tuple[int, int, int, int]
    stride: int = 1
    padding: int = 0
    groups: int = 1
    first_layer: bool = False

    @property
    def name(self) -> str:
        """Channels in and out, image size, kernel, and what is unusual: `64-128 @32 3x3 stride 2`."""
        channels, height, _ = self.input
        out_channels, _, kh, kw = self.weight
        kind = f"{channels} depthwise" if self.groups == channels > 1 else f"{channels}-{out_channels}"
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        unusual = f" padding {self.padding}" if self.padding != kh // 2 else ""
        return f"{kind} @{height} {kh}x{kw}{stride}{unusual}"

    @property
    def geometry(self) -> Geometry:
        return Geometry((self.stride,) * 2, (self.padding,) * 4, (1, 1), self.groups)

    @property
    def output(self) -> tuple[int, int, int]:
        """(O, OH, OW)."""
        return self.weight[0], *self.geometry.output_size(self.input[1:], self.weight[2:])

    def operations(self, batch: int) -> int:
        """Multiplications and additions of one of the three products by its definition, whatever the algorithm.

        2 * N * O * C/groups * KH * KW * OH * OW, taps in the padding included.
        """
        out_channels, oh, ow = self.output
        per_output = self.weight[1] * self.weight[2] * self.weight[3]
        return 2 * batch * out_channels * oh * ow * per_output


@dataclass(frozen=True)
class PoolShape:
    """A pooling layer, without its batch size.

    Args:
        kind: `"max"` or `"average"`.
        input: (C, H, W).
        kernel_size, stride, padding: the same for height and width.
    """

    kind: str
    input: tuple[int, int, int]
    kernel_size: int
    stride: int
    padding: int = 0

    @property
    def name(self) -> str:
        """Kind, window and stride, channels, image size: `max 2/2 32 @28`."""
        channels, height, _ = self.input
        window = "global" if self.kernel_size == height else f"{self.kernel_size}/{self.stride}"
        padding = f" padding {self.padding}" if self.padding else ""
        return f"{self.kind} {window} {channels} @{height}{padding}"

    @property
    def output(self) -> tuple[int, int, int]:
        """(C, OH, OW)."""
        channels, *size = self.input
        return channels, *((extent + 2 * self.padding - self.kernel_size) // self.stride + 1 for extent in size)

    def bytes_moved(self, batch: int) -> int:
        """Bytes that a float32 forward pass reads and writes at least: the input and the output, once each."""
        (c, h, w), (_, oh, ow) = self.input, self.output
        return 4 * batch * c * (h * w + oh * ow)


def _conv(channels: int, out_channels: int, size: int, kernel: int = 3, stride: int = 1, padding: int | None = None,
          *, groups: int = 1, first_layer: bool = False) -> ConvShape:  # fmt: skip
    return ConvShape(
        (channels, size, size),
        (out_channels, channels // groups, kernel, kernel),
        stride,
        kernel // 2 if padding is None else padding,
        groups,
        first_layer,
    )


CONVOLUTIONS = (
    # HW3's networks: Figure 1 on MNIST, and the ResNet on CIFAR-10 with its shortcuts.
    _conv(1, 3, 28, first_layer=True),
    _conv(3, 6, 14),
    _conv(3, 64, 32, first_layer=True),
    _conv(64, 128, 32, stride=2),
    _conv(128, 128, 16),
    _conv(128, 256, 16, stride=2),
    _conv(256, 256, 8),
    _conv(256, 512, 8, stride=2),
    _conv(512, 512, 4),
    _conv(64, 128, 32, 1, stride=2),
    _conv(128, 256, 16, 1, stride=2),
    _conv(256, 512, 8, 1, stride=2),
    # First layers.
    _conv(1, 16, 28, first_layer=True),
    _conv(1, 32, 28, first_layer=True),
    _conv(1, 16, 28, 5, first_layer=True),
    _conv(1, 32, 28, 5, first_layer=True),
    _conv(3, 16, 32, first_layer=True),
    _conv(3, 32, 32, first_layer=True),
    _conv(3, 32, 32, 5, padding=1, first_layer=True),
    _conv(3, 32, 32, 5, padding=2, first_layer=True),
    _conv(3, 64, 32, 11, padding=0, first_layer=True),
    # 3x3, stride 1.
    _conv(16, 16, 32),
    _conv(32, 32, 16),
    _conv(32, 64, 14),
    _conv(64, 64, 16),
    _conv(64, 64, 8),
    _conv(64, 128, 16),
    _conv(128, 128, 8),
    _conv(256, 256, 4),
    # 3x3 with stride 2, and 5x5.
    _conv(16, 32, 32, stride=2),
    _conv(32, 32, 16, 5),
    _conv(32, 64, 8, 5),
    # 1x1, and depthwise.
    _conv(32, 64, 15, 1),
    _conv(64, 128, 16, 1),
    _conv(16, 32, 32, 1, stride=2),
    _conv(32, 32, 15, groups=32),
    _conv(64, 64, 7, groups=64),
)

POOLINGS = (
    PoolShape("max", (3, 28, 28), 2, 2),
    PoolShape("max", (6, 14, 14), 2, 2),
    *(PoolShape("max", (channels, size, size), 2, 2) for size in (28, 32) for channels in (16, 32, 64)),
    PoolShape("max", (32, 32, 32), 3, 2),
    PoolShape("max", (64, 15, 15), 3, 2),
    PoolShape("max", (32, 15, 15), 2, 2),
    PoolShape("max", (64, 7, 7), 2, 2),
    PoolShape("average", (32, 32, 32), 2, 2),
    PoolShape("average", (64, 15, 15), 2, 2),
    PoolShape("average", (32, 32, 32), 3, 2, 1),
    PoolShape("average", (512, 4, 4), 4, 4),
    PoolShape("average", (64, 8, 8), 8, 8),
)
