"""Known faults of a max-pooling. A new one is one line in `OUTPUT` or `GRADIENT`."""

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.hints.matching import Fault
from grader.hints.operands import Pooling

OVERLAP = "where windows overlap, your gradient of the input holds one window's share only; add the shares up"


def _absolute(p: Pooling) -> Tensor:
    """The element of each window that is farthest from 0."""
    windows = p.windows().flatten(4)
    return windows.gather(-1, windows.abs().argmax(-1, keepdim=True)).squeeze(-1)


def _without_last(p: Pooling, rows: int, columns: int) -> Tensor:
    height, width = p.g.shape[2:]
    return p.output()[:, :, : height - rows, : width - columns]


def _square(p: Pooling, kernel: int, stride: int) -> Tensor:
    return F.max_pool2d(p.x, kernel, stride)


def _even(p: Pooling) -> Tensor:
    """1 everywhere in each window."""
    return torch.ones_like(p.largest)


def _element(p: Pooling, index: int) -> Tensor:
    """1 at one element of each window."""
    shares = torch.zeros_like(p.largest).flatten(4)
    shares[..., index] = 1
    return shares.reshape(p.largest.shape)


def _zero_is_larger(p: Pooling) -> Tensor:
    """The gradient where a maximum starts at 0: windows that are all negative get none."""
    positive = (p.output() > 0)[..., None, None]
    return p.scattered(p.largest * p.g[..., None, None] * positive)


def _last_window_counts(p: Pooling) -> Tensor:
    """Windows one after the other, each replacing what was there, its zeros, too."""
    gradient = torch.zeros_like(p.x)
    for row in range(p.g.shape[2]):
        for column in range(p.g.shape[3]):
            top, left = row * p.stride, column * p.stride
            share = p.largest[:, :, row, column] * p.g[:, :, row, column, None, None]
            gradient[:, :, top : top + p.kernel, left : left + p.kernel] = share
    return gradient


def _spread(p: Pooling, shares: Tensor) -> Tensor:
    return p.scattered(shares * p.g[..., None, None])


OUTPUT: tuple[Fault, ...] = (
    # Stride and kernel.
    Fault("your output is what a stride of 1 gives; without a stride, a pooling takes its kernel size",
          lambda p: _square(p, p.kernel, 1)),
    Fault("your output is what a stride of 2 gives; without a stride, a pooling takes its kernel size",
          lambda p: _square(p, p.kernel, 2)),
    Fault("your output is what the kernel size as stride gives, although a stride was given",
          lambda p: _square(p, p.kernel, p.kernel)),
    Fault("your output is what the stride as kernel size gives", lambda p: _square(p, p.stride, p.stride)),
    Fault("your output is what a kernel of 2 × 2 gives", lambda p: _square(p, 2, p.stride)),
    Fault("your output is what a kernel smaller by 1 gives",
          lambda p: _square(p, p.kernel - 1, p.stride) if p.kernel > 1 else None),
    Fault("your output takes the stride along the height only", lambda p: p.output(columns=1)),
    Fault("your output takes the stride along the width only", lambda p: p.output(rows=1)),
    Fault("your output takes the stride along the height, and the kernel size along the width",
          lambda p: p.output(columns=p.kernel)),
    Fault("your output takes the stride along the width, and the kernel size along the height",
          lambda p: p.output(rows=p.kernel)),
    Fault(
        "your output has windows that reach beyond the image; a rest that no whole window reaches is left out",
        lambda p: p.output(ceil_mode=True),
    ),
    Fault("your output misses the last row and the last column", lambda p: _without_last(p, 1, 1)),
    Fault("your output misses the last row", lambda p: _without_last(p, 1, 0)),
    Fault("your output misses the last column", lambda p: _without_last(p, 0, 1)),
    # What is taken from a window.
    Fault(
        "your output has 0 where all values of a window are below 0: start from the window's own values, or from -inf",
        lambda p: p.output().clamp(min=0),
    ),
    Fault("your output is the mean of each window, not its maximum", lambda p: p.windows().mean((4, 5))),
    Fault("your output is the sum of each window, not its maximum", lambda p: p.windows().sum((4, 5))),
    Fault("your output is the minimum of each window, not its maximum", lambda p: p.windows().amin((4, 5))),
    Fault("your output is the absolute maximum of each window", lambda p: p.windows().abs().amax((4, 5))),
    Fault("your output is the value farthest from 0 of each window, not its maximum", _absolute),
    Fault("your output is the first element of each window, not its maximum", lambda p: p.windows()[..., 0, 0]),
    Fault("your output is the last element of each window, not its maximum", lambda p: p.windows()[..., -1, -1]),
    Fault("your output is the maximum of each window's first row only", lambda p: p.windows()[..., 0, :].amax(-1)),
    Fault("your output is the maximum of each window's first column only", lambda p: p.windows()[..., 0].amax(-1)),
    # Images and channels.
    Fault(
        "your output is the maximum over all channels; each channel has its own",
        lambda p: p.output().amax(1, keepdim=True).expand_as(p.g),
    ),
    Fault("your output is the maximum over all channels, without their dimension", lambda p: p.output().amax(1)),
    Fault("your output is the maximum over all images; each image has its own",
          lambda p: p.output().amax(0, keepdim=True).expand_as(p.g)),
    Fault("your output is the transpose: its height and width are swapped", lambda p: p.output().mT),
    Fault("your output is that of the first channel in every channel", lambda p: p.output()[:, :1].expand_as(p.g)),
    Fault("your output has the opposite sign", lambda p: -p.output()),
    Fault(
        "your output is what the input's memory gives when it is read row by row: this input has other strides, "
        "use input.contiguous() or the tensor's own indices",
        lambda p: p.but(x=p.memory).output(),
    ),
)  # fmt: skip

GRADIENT: tuple[Fault, ...] = (
    Fault("your gradient of the input has the opposite sign", lambda p: -p.gradient),
    Fault("your gradient of the input is zero everywhere", lambda p: torch.zeros_like(p.x)),
    Fault("your gradient of the input is twice what it should be", lambda p: 2 * p.gradient),
    Fault("your gradient of the input is divided by the number of images", lambda p: p.gradient / len(p.x)),
    Fault(
        "your gradient of the input is divided by the number of elements in a window, as for a mean",
        lambda p: p.gradient / p.kernel**2,
    ),
    Fault(
        "your gradient of the input is shared by all elements of a window, as for a mean; it goes to the largest alone",
        lambda p: _spread(p, _even(p) / p.kernel**2),
    ),
    Fault("your gradient of the input goes to every element of a window; it goes to the largest alone",
          lambda p: _spread(p, _even(p))),
    Fault("your gradient of the input goes to the first element of each window; it goes to the largest",
          lambda p: _spread(p, _element(p, 0))),
    Fault("your gradient of the input goes to the last element of each window; it goes to the largest",
          lambda p: _spread(p, _element(p, -1))),
    Fault(OVERLAP, lambda p: p.scattered(p.largest * p.g[..., None, None], add=False)),
    Fault(OVERLAP, _last_window_counts),
    Fault(
        "your gradient of the input does not depend on the gradient that arrives: multiply by it",
        lambda p: p.scattered(p.largest),
    ),
    Fault(
        "your gradient of the input is 1 at each largest element, however many windows share it",
        lambda p: p.scattered(p.largest, add=False),
    ),
    Fault(
        "your gradient of the input is multiplied by the values; the derivative of a maximum is 1",
        lambda p: p.gradient * p.x,
    ),
    Fault("your gradient of the input misses the windows whose values are all below 0", _zero_is_larger),
    Fault("your gradient of the input is the transpose: its height and width are swapped", lambda p: p.gradient.mT),
)  # fmt: skip
