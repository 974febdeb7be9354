"""HW3's Figure 3: which parameters it has, and what it computes, in float64.

Written down from the figure, with the batch normalisations in evaluation mode. A block can also
be computed with one fault in it, so that a wrong submission is told which fault it has.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# PyTorch's default; the numbers of `drawn_norm` make the choice of another one invisible.
EPSILON = 1e-5

# Size of the images and of what a normalisation lets through: with variances around 225, an
# ε of 1e-3 in place of 1e-5 changes an output by 2e-6 of its size.
SCALE = 15.0


@dataclass(frozen=True)
class Figure3:
    """The network that is judged; edit it together with the reference's own."""

    image_size: int = 32  # pixels, height and width
    in_channels: int = 3  # red, green, blue
    stem: int = 64  # channels out of the first convolution, at stride 1
    blocks: tuple[tuple[int, int], ...] = ((128, 2), (256, 2), (512, 2))  # (out_channels, stride)
    kernel_size: int = 3  # of every convolution but the shortcuts', which have 1
    classes: int = 10

    def convolutions(self) -> list[tuple[int, ...]]:
        """Shapes of the weights: the stem's, then first, second and shortcut of each block."""
        k = self.kernel_size
        shapes, channels = [(self.stem, self.in_channels, k, k)], self.stem
        for out_channels, _ in self.blocks:
            shapes += block_convolutions(channels, out_channels, k)
            channels = out_channels
        return shapes

    @property
    def linear(self) -> tuple[int, int]:
        """Shape of the classifier's weight."""
        return (self.classes, self.blocks[-1][0])

    @property
    def map_size(self) -> int:
        """Height and width of the last feature map."""
        size = self.image_size
        for _, stride in self.blocks:
            size = -(-size // stride)
        return size

    @property
    def parameter_count(self) -> int:
        """4,829,258 for the network of the assignment."""
        convolutions = sum(torch.Size(shape).numel() for shape in self.convolutions())
        norms = sum(2 * shape[0] for shape in self.convolutions())
        return convolutions + norms + self.linear[0] * self.linear[1] + self.linear[0]


def block_convolutions(
    in_channels: int, out_channels: int, kernel_size: int
) -> list[tuple[int, ...]]:
    """Shapes of a block's weights: first convolution, second, shortcut."""
    return [
        (out_channels, in_channels, kernel_size, kernel_size),
        (out_channels, out_channels, kernel_size, kernel_size),
        (out_channels, in_channels, 1, 1),
    ]


@dataclass(frozen=True)
class Norm:
    """A batch normalisation in evaluation mode; four vectors (C,), float64."""

    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape."""
        return F.batch_norm(x, self.mean, self.variance, self.scale, self.shift, eps=EPSILON)


def fresh_norm(channels: int) -> Norm:
    """As every batch normalisation begins."""
    one, zero = torch.ones(channels).double(), torch.zeros(channels).double()
    return Norm(one, zero, zero, one)


def drawn_norm(generator: torch.Generator, channels: int) -> Norm:
    """Numbers that no two channels and no two normalisations share; exact in float32."""

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand(channels, generator=generator)
        return (low + (high - low) * drawn).double()

    return Norm(
        scale=uniform(0.5 * SCALE, 1.5 * SCALE),
        shift=uniform(-0.5 * SCALE, 0.5 * SCALE),
        mean=uniform(-0.5 * SCALE, 0.5 * SCALE),
        variance=uniform(0.5 * SCALE**2, 1.5 * SCALE**2),
    )


@dataclass(frozen=True)
class BlockForm:
    """What a block computes: the default is Figure 3's, every other one is a known fault."""

    downsample: str = "first"  # which convolution of the branch has the stride; or "second"
    inner_relu: bool = True  # between the two convolutions
    branch_relu: bool = False  # after the branch's last normalisation
    shortcut_relu: bool = False
    final_relu: bool = True  # after the sum
    added: bool = True  # whether the shortcut is added at all
    relu_first: bool = False  # before the first normalisation in place of after it
    inner_norm: bool = True
    branch_norm: bool = True
    shortcut_norm: bool = True
    shared_norm: bool = False  # the branch's first normalisation again, in place of its second


RIGHT = BlockForm()

BLOCK_FAULTS: tuple[tuple[BlockForm, str], ...] = (
    (BlockForm(final_relu=False), "the ReLU after the sum is missing"),
    (
        BlockForm(branch_relu=True, final_relu=False),
        "the last ReLU comes before the sum; it belongs after it",
    ),
    (BlockForm(branch_relu=True), "the branch has a ReLU of its own before the sum"),
    (
        BlockForm(branch_relu=True, shortcut_relu=True, final_relu=False),
        "branch and shortcut each have a ReLU before the sum; there is one, after it",
    ),
    (BlockForm(shortcut_relu=True), "the shortcut has a ReLU of its own before the sum"),
    (BlockForm(inner_relu=False), "the ReLU between the two convolutions is missing"),
    (
        BlockForm(downsample="second"),
        "the second convolution has the stride; Figure 3 gives it to the first",
    ),
    (BlockForm(added=False), "the shortcut is not added"),
    (
        BlockForm(relu_first=True),
        "the ReLU between the two convolutions comes before the normalisation; it belongs after it",
    ),
    (BlockForm(inner_norm=False), "the normalisation of the first convolution is missing"),
    (BlockForm(branch_norm=False), "the normalisation of the second convolution is missing"),
    (BlockForm(shortcut_norm=False), "the normalisation of the shortcut is missing"),
    (BlockForm(shared_norm=True), "both convolutions of the branch use the same normalisation; each has its own"),
)


def residual_block(
    x: Tensor,
    weights: Sequence[Tensor],
    norms: Sequence[Norm],
    stride: int,
    form: BlockForm = RIGHT,
) -> Tensor:
    """What a block computes.

    Args:
        x: (N, C, H, W), float64.
        weights: first convolution (O, C, K, K), second (O, O, K, K), shortcut (O, C, 1, 1).
        norms: of the same three.
        stride: of the block.
        form: Figure 3's, or one of the faults.

    Returns:
        (N, O, ⌈H / stride⌉, ⌈W / stride⌉).
    """
    first, second, across = weights
    padding = first.shape[-1] // 2
    strides = (stride, 1) if form.downsample == "first" else (1, stride)
    y = F.conv2d(x, first, stride=strides[0], padding=padding)
    y = F.relu(y) if form.relu_first else y
    y = norms[0](y) if form.inner_norm else y
    y = F.relu(y) if form.inner_relu and not form.relu_first else y
    y = F.conv2d(y, second, stride=strides[1], padding=padding)
    y = norms[0 if form.shared_norm else 1](y) if form.branch_norm else y
    y = F.relu(y) if form.branch_relu else y
    if form.added:
        beside = F.conv2d(x, across, stride=stride)
        beside = norms[2](beside) if form.shortcut_norm else beside
        y = y + (F.relu(beside) if form.shortcut_relu else beside)
    return F.relu(y) if form.final_relu else y


def stem(images: Tensor, weight: Tensor, norm: Norm) -> Tensor:
    """The layers before the first block: (N, 3, S, S) → (N, stem, S, S)."""
    return F.relu(norm(F.conv2d(images, weight, padding=weight.shape[-1] // 2)))


Stem = Callable[[Tensor, Tensor, Norm], Tensor]

STEM_FAULTS: tuple[tuple[Stem, str], ...] = (
    (
        lambda images, weight, norm: norm(F.conv2d(images, weight, padding=weight.shape[-1] // 2)),
        "the ReLU after the first convolution is missing",
    ),
    (
        lambda images, weight, norm: F.relu(F.conv2d(images, weight, padding=weight.shape[-1] // 2)),
        "the normalisation of the first convolution is missing",
    ),
    (
        lambda images, weight, norm: norm(F.relu(F.conv2d(images, weight, padding=weight.shape[-1] // 2))),
        "the ReLU after the first convolution comes before the normalisation; it belongs after it",
    ),
    (
        lambda images, weight, norm: stem(images, weight, norm)[:, :, ::2, ::2],
        "the first convolution has a stride of 2; Figure 3's has 1",
    ),
    (
        lambda images, weight, norm: F.max_pool2d(stem(images, weight, norm), 3, 2, 1),
        "max-pooling follows the first convolution; in Figure 3 the first block does",
    ),
    (
        lambda images, weight, norm: stem(images.mT, weight, norm),
        "the images are transposed: their height and width are swapped",
    ),
)


def classify(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Average pooling and the linear layer: (N, C, h, w) → (N, K)."""
    return F.linear(features.mean((2, 3)), weight, bias)


Head = Callable[[Tensor, Tensor, Tensor], Tensor]

HEAD_FAULTS: tuple[tuple[Head, str], ...] = (
    (
        lambda features, weight, bias: F.linear(features.amax((2, 3)), weight, bias),
        "the last feature map is max-pooled; Figure 3 averages it",
    ),
    (
        lambda *head: classify(*head).softmax(1),
        "a softmax was added; cross-entropy has it already",
    ),
    (
        lambda *head: classify(*head).log_softmax(1),
        "a log-softmax was added; cross-entropy has it already",
    ),
    (lambda *head: F.relu(classify(*head)), "a ReLU was added after the linear layer"),
    (
        lambda features, weight, bias: F.linear(features.sum((2, 3)), weight, bias),
        "the last feature map is added up; Figure 3 averages it",
    ),
    (
        lambda features, weight, bias: F.linear(features[:, :, 0, 0], weight, bias),
        "the first place of the last feature map is taken; Figure 3 averages all",
    ),
    (
        lambda features, weight, bias: F.linear(features.mean((2, 3)), weight),
        "the linear layer's bias is missing",
    ),
)
