"""Known faults of a convolution's gradients, where its output is right.

∂x is the full correlation of the dilated ∂y with the kernel turned by 180°, ∂w the correlation of the
padded input with the dilated ∂y, ∂b the sum of ∂y over images and positions.

Reference: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, chapter 4.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.hints.matching import Fault
from grader.hints.operands import Convolution

OVERLAP = "where windows overlap, your gradient of the input holds one window's share only; add the shares up"


def _input(c: Convolution) -> Tensor:
    return c.gradients[0]


def _weight(c: Convolution) -> Tensor:
    return c.gradients[1]


def _bias(c: Convolution) -> Tensor:
    return c.g.sum((0, 2, 3))


def _of_padded(c: Convolution) -> Tensor:
    """Gradient of the padded input, (N, C, H + 2P, W + 2P)."""
    return c.but(x=F.pad(c.x, [c.padding] * 4), padding=0).gradients[0]


def _cut(gradient: Tensor, c: Convolution, row: int, column: int) -> Tensor:
    height, width = c.x.shape[2:]
    return gradient[:, :, row : row + height, column : column + width]


def _last_window_counts(c: Convolution) -> Tensor:
    """Windows one after the other, each replacing what was there."""
    gradient = torch.zeros_like(_of_padded(c))
    height, width = c.window
    for row in range(c.g.shape[2]):
        for column in range(c.g.shape[3]):
            top, left = row * c.stride, column * c.stride
            share = torch.einsum("no,ochw->nchw", c.g[:, :, row, column], c.w)
            gradient[:, :, top : top + height, left : left + width] = share
    return _cut(gradient, c, c.padding, c.padding)


def _last_tap_counts(c: Convolution) -> Tensor:
    """Elements of the kernel one after the other, each replacing what was there."""
    gradient = torch.zeros_like(_of_padded(c))
    height, width = c.window
    rows, columns = c.g.shape[2] * c.stride, c.g.shape[3] * c.stride
    for row in range(height):
        for column in range(width):
            share = torch.einsum("nohw,oc->nchw", c.g, c.w[:, :, row, column])
            gradient[:, :, row : row + rows : c.stride, column : column + columns : c.stride] = share
    return _cut(gradient, c, c.padding, c.padding)


def _undilated(c: Convolution) -> Tensor:
    """The gradient as if the windows followed each other at a stride of 1, with zeros after them."""
    found = F.conv_transpose2d(c.g, c.w)
    full = F.pad(c.x, [c.padding] * 4).shape
    found = F.pad(found, (0, full[3] - found.shape[3], 0, full[2] - found.shape[2]))
    return _cut(found, c, c.padding, c.padding)


def _weight_undilated(c: Convolution) -> Tensor:
    """∂w as if the windows followed each other at a stride of 1: (O, C, KH, KW)."""
    height, width = c.window
    padded = F.pad(c.x, [c.padding] * 4)
    padded = padded[:, :, : c.g.shape[2] + height - 1, : c.g.shape[3] + width - 1]
    return F.conv2d(padded.transpose(0, 1), c.g.transpose(0, 1)).transpose(0, 1)


def _positions(c: Convolution) -> int:
    return c.g.shape[2] * c.g.shape[3]


def _of_image(c: Convolution, image: int) -> Convolution:
    return c.but(x=c.x[image : image + 1], g=c.g[image : image + 1])


def _averages(name: str, truth) -> tuple[Fault, ...]:
    """What any gradient may have too much or too little."""
    return (
        Fault(f"your gradient of the {name} has the opposite sign", lambda c: -truth(c)),
        Fault(f"your gradient of the {name} is zero everywhere", lambda c: torch.zeros_like(truth(c))),
        Fault(f"your gradient of the {name} is twice what it should be: it is counted two times",
              lambda c: 2 * truth(c)),
        Fault(f"your gradient of the {name} is half of what it should be", lambda c: truth(c) / 2),
        Fault(
            f"your gradient of the {name} is divided by the number of images; the loss does that where it averages",
            lambda c: truth(c) / len(c.x),
        ),
        Fault(f"your gradient of the {name} is divided by the number of output positions",
              lambda c: truth(c) / _positions(c)),
        Fault(
            f"your gradient of the {name} is divided by the numbers of images and of output positions",
            lambda c: truth(c) / (len(c.x) * _positions(c)),
        ),
        Fault(
            f"your gradient of the {name} does not depend on the gradient that arrives: multiply by it",
            lambda c: truth(c.but(g=torch.ones_like(c.g))),
        ),
    )  # fmt: skip


def _first_and_last(name: str, truth) -> tuple[Fault, ...]:
    """What a gradient that sums over the batch may miss."""
    return (
        Fault(f"your gradient of the {name} is that of the first image only; sum over the batch",
              lambda c: truth(_of_image(c, 0))),
        Fault(
            f"your gradient of the {name} is that of the last image only: each replaces the one before, "
            "sum over the batch",
            lambda c: truth(_of_image(c, len(c.x) - 1)),
        ),
    )  # fmt: skip


INPUT: tuple[Fault, ...] = (
    *_averages("input", _input),
    Fault(
        "your gradient of the input takes the kernel turned by 180° the wrong way round: where the output correlates, "
        "the gradient of the input has the flipped kernel",
        lambda c: c.but(w=c.w.flip(2, 3)).gradients[0],
    ),
    Fault("your gradient of the input takes a kernel whose height and width are swapped",
          lambda c: c.but(w=c.w.mT).gradients[0]),
    Fault("your gradient of the input is the transpose: its height and width are swapped", lambda c: _input(c).mT),
    Fault("your gradient of the input is what a stride of 1 gives: windows lie a stride apart", _undilated),
    Fault(OVERLAP, _last_window_counts),
    Fault(OVERLAP, _last_tap_counts),
    Fault(
        "your gradient of the input is not shifted by the padding: cut off the first rows and columns of the "
        "padded one, too",
        lambda c: _cut(_of_padded(c), c, 0, 0),
    ),
    Fault(
        "your gradient of the input is shifted by the padding twice: cut off as many rows and columns at the end",
        lambda c: _cut(_of_padded(c), c, 2 * c.padding, 2 * c.padding),
    ),
    Fault(
        "your gradient of the input is that of the first output channel only; sum over the output channels",
        lambda c: c.but(w=c.w[:1], b=c.b[:1], g=c.g[:, :1]).gradients[0],
    ),
    Fault(
        "your gradient of the input is that of the last output channel only: each replaces the one before, "
        "sum over them",
        lambda c: c.but(w=c.w[-1:], b=c.b[-1:], g=c.g[:, -1:]).gradients[0],
    ),
)  # fmt: skip

WEIGHT: tuple[Fault, ...] = (
    *_averages("weight", _weight),
    *_first_and_last("weight", _weight),
    Fault("your gradient of the weight is turned by 180°; where the output correlates, it is not",
          lambda c: _weight(c).flip(2, 3)),
    Fault("your gradient of the weight is the transpose: its height and width are swapped", lambda c: _weight(c).mT),
    Fault("your gradient of the weight is what a stride of 1 gives: windows lie a stride apart", _weight_undilated),
    Fault(
        "your gradient of the weight has the first input channel's in every input channel",
        lambda c: _weight(c)[:, :1].expand_as(c.w),
    ),
    Fault(
        "your gradient of the weight is the mean over the window's elements in each of them",
        lambda c: _weight(c).mean((2, 3), keepdim=True).expand_as(c.w),
    ),
)  # fmt: skip

BIAS: tuple[Fault, ...] = (
    *_averages("bias", _bias),
    *_first_and_last("bias", _bias),
    Fault("your gradient of the bias is that of the first output position only; sum over all",
          lambda c: c.g[:, :, 0, 0].sum(0)),
    Fault("your gradient of the bias is that of the last output position only; sum over all",
          lambda c: c.g[:, :, -1, -1].sum(0)),
    Fault("your gradient of the bias is 1 per channel; it is the sum of the gradient that arrives",
          lambda c: torch.ones_like(c.b)),
    Fault("your gradient of the bias is the sum over all channels in each of them", lambda c: c.g.sum().expand_as(c.b)),
    Fault("your gradient of the bias has its channels in reverse order", lambda c: _bias(c).flip(0)),
)  # fmt: skip
