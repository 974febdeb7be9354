"""EEE7331 assignment 1, question 1: a customised CNN (part A), and with depth-wise separable convolutions (part B).

Everything of `torch.nn` is allowed.

Reference: Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications, 2017, section 3.1 (depth-wise separable convolution).
"""

from dataclasses import dataclass

# student: import torch
# student: import torch.nn.functional as F
from torch import Tensor, nn

# solution-only
from reference.nn import Conv2d, MaxPool2d
# end solution-only


@dataclass(frozen=True)
class Specification:
    """The network of the assignment's table, from the image to the logits."""

    image_size: int = 32  # pixels, height and width
    in_channels: int = 3  # red, green and blue
    stages: tuple[tuple[int, int], ...] = ((5, 32), (3, 64), (3, 128))  # (m, c): c filters of m×m, then ReLU
    stride: int = 1
    padding: int = 1  # also of the 5×5 filters: 32 pixels become 30
    pool_size: int = 2  # window and stride of the max-pooling after each stage; it rounds down
    hidden: int = 500  # units of the fully connected layer; the activation after it is yours to choose
    classes: int = 10


# solution-only
# By name: the project's own layers, and the stock ones. Both draw the same first numbers.
LAYERS = {"own": (Conv2d, MaxPool2d), "torch": (nn.Conv2d, nn.MaxPool2d)}
DROPOUT = 0.25  # of the hidden units: most weights are around them, and learn images by heart


def _network(*, separable: bool, layers: str, given: Specification = Specification()) -> nn.Sequential:
    """The layers of both parts, initialised.

    Args:
        separable: whether the stages after the first have a depth-wise separable convolution.
        layers: a key of LAYERS.

    Raises:
        ValueError: no such layers.
    """
    if layers not in LAYERS:
        raise ValueError(f"layers: expected one of {', '.join(LAYERS)}, found {layers!r}")
    convolution, pooling = LAYERS[layers]
    stack, channels, size = [], given.in_channels, given.image_size
    for stage, (kernel_size, out_channels) in enumerate(given.stages):
        window = {"kernel_size": kernel_size, "stride": given.stride, "padding": given.padding}
        if separable and stage:
            stack.append(convolution(channels, channels, **window, groups=channels))
            stack.append(convolution(channels, out_channels, 1))
        else:
            stack += [convolution(channels, out_channels, **window)]
        stack += [nn.ReLU(), pooling(given.pool_size, given.pool_size)]
        size = ((size + 2 * given.padding - kernel_size) // given.stride + 1) // given.pool_size
        channels = out_channels
    stack += [nn.Flatten(), nn.Linear(channels * size * size, given.hidden), nn.ReLU()]
    stack += [nn.Dropout(DROPOUT), nn.Linear(given.hidden, given.classes)]
    _initialise(stack)
    return nn.Sequential(*stack)


def _initialise(stack: list[nn.Module]) -> None:
    """He et al., Delving Deep into Rectifiers, ICCV 2015: without batch norm the signal would fade on its way."""
    for part, following in zip(stack, [*stack[1:], None], strict=True):
        if getattr(part, "weight", None) is not None:
            activation = "relu" if isinstance(following, nn.ReLU) else "linear"
            nn.init.kaiming_normal_(part.weight, nonlinearity=activation)
            nn.init.zeros_(part.bias)


# end solution-only
class CustomCNN(nn.Module):
    """Part A, for images of 32×32 pixels. No softmax at the end: cross-entropy has it already.

    Each stage is a convolution with bias, ReLU and max-pooling, as in `Specification`; then a
    fully connected layer, its activation, and the output. Dropout and batch normalisation are
    yours to add; say so in setup.md.
    """

    def __init__(
        self,
        # solution-only
        *,
        layers: str = "own",
        # end solution-only
    ):
        super().__init__()
        # solution: eee7331 assignment 1, question 1, part A: CustomCNN
        self.layers = _network(separable=False, layers=layers)
        # end solution

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, 32, 32) → logits (N, 10)."""
        # solution: eee7331 assignment 1, question 1, part A: CustomCNN
        return self.layers(x)
        # end solution


class SeparableCNN(nn.Module):
    """Part B: part A with a depth-wise separable convolution in the stages after the first.

    A depth-wise convolution (one filter per channel, so as many groups as channels; the stage's
    window, stride and padding) is followed by a point-wise one (1×1, no padding) to the stage's
    filters. Both have a bias; ReLU follows the point-wise one.
    """

    def __init__(
        self,
        # solution-only
        *,
        layers: str = "own",
        # end solution-only
    ):
        super().__init__()
        # solution: eee7331 assignment 1, question 1, part B: SeparableCNN
        self.layers = _network(separable=True, layers=layers)
        # end solution

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, 3, 32, 32) → logits (N, 10)."""
        # solution: eee7331 assignment 1, question 1, part B: SeparableCNN
        return self.layers(x)
        # end solution
