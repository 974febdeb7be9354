"""Known faults of a convolution's output. A new one is one line in `FAULTS`."""

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.hints.matching import Fault
from grader.hints.operands import Convolution


def _strides(c: Convolution, rows: int, columns: int) -> Tensor:
    return F.conv2d(c.x, c.w, c.b, (rows, columns), c.padding)


def _window_turned(c: Convolution, *, kernel_too: bool) -> Tensor:
    """Windows of KW × KH; the kernel is turned with them, or only read in their shape."""
    height, width = c.window
    shape = (*c.w.shape[:2], width, height)
    return c.but(w=c.w.mT if kernel_too else c.w.reshape(shape)).output


def _repeated(c: Convolution, image: int) -> Tensor | None:
    return c.output[image : image + 1].expand_as(c.output) if len(c.x) > 1 else None


def _of_channel(c: Convolution, channel: int) -> Tensor:
    one = torch.zeros_like(c.w)
    one[:, channel] = c.w[:, channel]
    return c.but(w=one).output


def _without_last(c: Convolution, rows: int, columns: int) -> Tensor:
    height, width = c.output.shape[2:]
    return c.output[:, :, : height - rows, : width - columns]


FAULTS: tuple[Fault, ...] = (
    # Bias.
    Fault("your output is what the convolution gives without its bias", lambda c: c.products),
    Fault("your output has the bias added once per product; it is added once per output",
          lambda c: c.products + c.taps * c.bias),
    Fault(
        "your output has the bias added once per input channel; it is added once per output",
        lambda c: c.products + c.x.shape[1] * c.bias,
    ),
    Fault(
        "your output has the bias added once per element of the window; it is added once per output",
        lambda c: c.products + c.w[0, 0].numel() * c.bias,
    ),
    Fault("your output has the bias added twice", lambda c: c.products + 2 * c.bias),
    Fault("your output has the bias subtracted; it is added", lambda c: c.products - c.bias),
    Fault("your output has the bias multiplied; it is added", lambda c: c.products * c.bias),
    Fault("your output has the first channel's bias in every channel", lambda c: c.products + c.b[0]),
    Fault("your output has the sum of all biases in every channel", lambda c: c.products + c.b.sum()),
    Fault("your output has the mean of all biases in every channel", lambda c: c.products + c.b.mean()),
    Fault("your output has the biases of the output channels in reverse order", lambda c: c.products + c.bias.flip(1)),
    # Kernel.
    Fault(
        "your output is what a kernel turned by 180° gives; a network's convolution does not flip it",
        lambda c: c.but(w=c.w.flip(2, 3)).output,
    ),
    Fault("your output is what a kernel with its rows in reverse order gives", lambda c: c.but(w=c.w.flip(2)).output),
    Fault("your output is what a kernel with its columns in reverse order gives",
          lambda c: c.but(w=c.w.flip(3)).output),
    Fault(
        "your output is what a transposed kernel gives: its height and width are swapped",
        lambda c: _window_turned(c, kernel_too=True),
    ),
    Fault(
        "your output is what windows with the kernel's height and width swapped give",
        lambda c: _window_turned(c, kernel_too=False),
    ),
    Fault("your output is the mean of the products over the window; a convolution sums them",
          lambda c: c.products / c.w[0, 0].numel() + c.bias),
    Fault("your output is the mean of all products; a convolution sums them", lambda c: c.products / c.taps + c.bias),
    Fault("your output is the mean over the input channels; a convolution sums over them",
          lambda c: c.products / c.x.shape[1] + c.bias),
    Fault("your output has the opposite sign before the bias", lambda c: -c.products + c.bias),
    Fault("your output has the opposite sign", lambda c: -c.output),
    Fault("your output is cut off at 0: the ReLU is another layer", lambda c: c.output.relu()),
    # Images and channels.
    Fault("your output is the transpose: its height and width are swapped", lambda c: c.output.mT),
    Fault("your output is what transposed images give: their height and width are swapped",
          lambda c: c.but(x=c.x.mT).output),
    Fault("your output is that of the first input channel only", lambda c: _of_channel(c, 0)),
    Fault("your output is that of the last input channel only: each channel replaces the one before",
          lambda c: _of_channel(c, -1)),
    Fault("your output is what input channels in reverse order give", lambda c: c.but(x=c.x.flip(1)).output),
    Fault("your output has its channels in reverse order", lambda c: c.output.flip(1)),
    Fault("your output has that of the first filter in every channel", lambda c: c.output[:, :1].expand_as(c.output)),
    Fault("your output has the first image's in place of every image's", lambda c: _repeated(c, 0)),
    Fault("your output has the last image's in place of every image's", lambda c: _repeated(c, len(c.x) - 1)),
    Fault(
        "your output is what the input's memory gives when it is read row by row: this input has other strides, "
        "use input.contiguous() or the tensor's own indices",
        lambda c: c.but(x=c.memory).output,
    ),
    # Stride.
    Fault("your output is what a stride of 1 gives", lambda c: c.but(stride=1).output),
    Fault("your output is what a stride of 2 gives", lambda c: c.but(stride=2).output),
    Fault("your output is what a stride larger by 1 gives", lambda c: c.but(stride=c.stride + 1).output),
    Fault("your output is what the stride applied twice gives", lambda c: c.but(stride=c.stride**2).output),
    Fault("your output takes the stride along the height only", lambda c: _strides(c, c.stride, 1)),
    Fault("your output takes the stride along the width only", lambda c: _strides(c, 1, c.stride)),
    Fault("your output is what windows that begin one pixel later give",
          lambda c: c.but(x=F.pad(c.x, [c.padding] * 4)[:, :, 1:, 1:], padding=0).output),
    Fault("your output misses the last row and the last column", lambda c: _without_last(c, 1, 1)),
    Fault("your output misses the last row", lambda c: _without_last(c, 1, 0)),
    Fault("your output misses the last column", lambda c: _without_last(c, 0, 1)),
    # Padding.
    Fault("your output is what no padding gives", lambda c: c.but(padding=0).output),
    Fault("your output is what a padding of 1 gives", lambda c: c.but(padding=1).output),
    Fault("your output is what the padding applied twice gives", lambda c: c.but(padding=2 * c.padding).output),
    Fault("your output is what a padding wider by 1 gives", lambda c: c.but(padding=c.padding + 1).output),
    Fault("your output is padded along the height only", lambda c: c.padded(0, 0, c.padding, c.padding)),
    Fault("your output is padded along the width only", lambda c: c.padded(c.padding, c.padding, 0, 0)),
    Fault("your output is padded at the top and left only", lambda c: c.padded(c.padding, 0, c.padding, 0)),
    Fault("your output is padded at the bottom and right only", lambda c: c.padded(0, c.padding, 0, c.padding)),
    Fault("your output has the whole padding at the top and left",
          lambda c: c.padded(2 * c.padding, 0, 2 * c.padding, 0)),
    Fault("your output has the whole padding at the bottom and right",
          lambda c: c.padded(0, 2 * c.padding, 0, 2 * c.padding)),
    Fault("your output is what a padding with the image's edge gives; the padding is zeros",
          lambda c: c.padded(*[c.padding] * 4, mode="replicate")),
    Fault("your output is what a padding with the mirrored image gives; the padding is zeros",
          lambda c: c.padded(*[c.padding] * 4, mode="reflect")),
    Fault("your output is what a padding with the image's other side gives; the padding is zeros",
          lambda c: c.padded(*[c.padding] * 4, mode="circular")),
    Fault("your output is what a padding with ones gives; the padding is zeros",
          lambda c: c.but(x=F.pad(c.x, [c.padding] * 4, value=1.0), padding=0).output),
)  # fmt: skip
