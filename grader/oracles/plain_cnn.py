"""A plain CNN: stages of convolution, ReLU and max-pooling, then two linear layers, in float64.

HW3's Figure 1 and the networks of EEE7331 are instances. What an assignment's text leaves open is
part of the description, so that every reading of it is accepted and none beside it.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.compare import Expected

ACTIVATIONS = {
    "none": lambda x: x,
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "LeakyReLU(0.01)": F.leaky_relu,
    "LeakyReLU(0.1)": lambda x: F.leaky_relu(x, 0.1),
    "LeakyReLU(0.2)": lambda x: F.leaky_relu(x, 0.2),
    "ELU": F.elu,
    "SELU": F.selu,
    "GELU": F.gelu,
    "GELU(tanh)": lambda x: F.gelu(x, approximate="tanh"),
    "SiLU": F.silu,
    "Mish": F.mish,
    "Hardswish": F.hardswish,
    "Softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
USUAL = 3  # ways between convolutions that a known fault is looked for with


@dataclass(frozen=True)
class Stage:
    """One stage: convolution, ReLU, max-pooling.

    Args:
        kernel_size: height and width of its filters.
        out_channels: its filters.
        stride: of the convolution.
        padding: of the convolution.
        separable: whether it is a depth-wise convolution of this kernel, stride and padding, and a
            point-wise one to `out_channels`.
        pool_size: window of the pooling.
        pool_stride: its stride.
    """

    kernel_size: int
    out_channels: int
    stride: int = 1
    padding: int = 1
    separable: bool = False
    pool_size: int = 2
    pool_stride: int = 2


@dataclass(frozen=True)
class Convolution:
    """One convolution with bias of an image (in_channels, in_size, in_size)."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    padding: int
    in_size: int
    depthwise: bool = False

    @property
    def out_size(self) -> int:
        return (self.in_size + 2 * self.padding - self.kernel_size) // self.stride + 1

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of weight and bias."""
        seen = 1 if self.depthwise else self.in_channels
        return [(self.out_channels, seen, self.kernel_size, self.kernel_size), (self.out_channels,)]


@dataclass(frozen=True)
class Pooling:
    """One max-pooling without padding of an image (channels, in_size, in_size)."""

    channels: int
    window: int
    stride: int
    in_size: int
    rounds_up: bool = False  # what torch calls ceil_mode; no figure has it, submissions do

    @property
    def out_size(self) -> int:
        moved = self.in_size - self.window + (self.stride - 1 if self.rounds_up else 0)
        return moved // self.stride + 1

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """It learns nothing."""
        return []


@dataclass(frozen=True)
class Linear:
    """One linear layer with bias."""

    in_features: int
    out_features: int

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of weight and bias."""
        return [(self.out_features, self.in_features), (self.out_features,)]


Layer = Convolution | Pooling | Linear


@dataclass(frozen=True)
class PlainCNN:
    """A network that is judged.

    Args:
        handle: the class that must be like it, "Net".
        figure: what messages call it, "Figure 1".
        in_channels: of the images.
        image_size: their height and width.
        stages: from the image on.
        hidden: units of the first linear layer.
        classes: units of the second one.
        activations: what may stand behind the hidden layer; keys of `ACTIVATIONS`, the expected one first.
        between: what may stand between a depth-wise and its point-wise convolution.
        normalises: whether batch normalisation may be added anywhere.
    """

    handle: str
    figure: str
    in_channels: int
    image_size: int
    stages: tuple[Stage, ...]
    hidden: int
    classes: int
    activations: tuple[str, ...] = ("ReLU",)
    between: tuple[str, ...] = ("none",)
    normalises: bool = False
    rounds_up: bool = field(default=False, repr=False)  # whether poolings do: a known fault, see `hint`

    def layers(self) -> dict[str, Layer]:
        """Name → layer, in order; names as in the table that EEE7331 asks for."""
        layers: dict[str, Layer] = {}
        channels, size = self.in_channels, self.image_size
        for number, stage in enumerate(self.stages, 1):
            filters = (stage.kernel_size, stage.stride, stage.padding)
            if stage.separable:
                depthwise = Convolution(channels, channels, *filters, size, depthwise=True)
                layers[f"Conv{number}-dw"] = depthwise
                last = Convolution(channels, stage.out_channels, 1, 1, 0, depthwise.out_size)
                layers[f"Conv{number}-pw"] = last
            else:
                last = layers[f"Conv{number}-1"] = Convolution(channels, stage.out_channels, *filters, size)
            channels = stage.out_channels
            pooling = Pooling(channels, stage.pool_size, stage.pool_stride, last.out_size, self.rounds_up)
            layers[f"Pool-{number}"] = pooling
            size = pooling.out_size
        layers["FC"] = Linear(channels * size * size, self.hidden)
        layers["Output"] = Linear(self.hidden, self.classes)
        return layers

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of weight and bias, layer by layer, as torch lays them out."""
        return [shape for layer in self.layers().values() for shape in layer.shapes]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        return (self.in_channels, self.image_size, self.image_size)

    @property
    def flat(self) -> int:
        """How many numbers the first linear layer takes."""
        return self.layers()["FC"].in_features

    @property
    def parameter_count(self) -> int:
        """39,248 for HW3's Figure 1."""
        return sum(torch.Size(shape).numel() for shape in self.shapes())


@dataclass(frozen=True)
class Trunk:
    """One way to compute the layers up to the hidden one: what a figure leaves open, or one known fault."""

    between: str = "none"  # a depth-wise and its point-wise convolution
    without_relu: str = ""  # the convolution that has none
    averages: bool = False  # average-pooling


@dataclass(frozen=True)
class Head:
    """One way to go on from the hidden layer's sums to the answer."""

    activation: str
    ending: str = ""  # "softmax" or "log_softmax"


# Ways to go on, each with what is to be done about it; "" where it is right.
Heads = list[tuple[Head, str]]


def hidden_sums(network: PlainCNN, parameters: list[Tensor], images: Tensor, trunk: Trunk) -> Tensor:
    """What the hidden layer's activation is given.

    Args:
        network: the network that is judged.
        parameters: in the order of `network.shapes()`, reshaped to these.
        images: (N, C, S, S).
        trunk: how it is computed.

    Returns:
        (N, hidden) in float64.
    """
    x = images.double()  # (N, C, S, S)
    tensors = iter(shaped(network, parameters))
    for name, layer in network.layers().items():
        match layer:
            case Convolution():
                groups = layer.in_channels if layer.depthwise else 1
                x = F.conv2d(x, next(tensors), next(tensors), layer.stride, layer.padding, groups=groups)
                if layer.depthwise:
                    x = ACTIVATIONS[trunk.between](x)
                elif name != trunk.without_relu:
                    x = F.relu(x)
            case Pooling():
                pool = F.avg_pool2d if trunk.averages else F.max_pool2d
                x = pool(x, layer.window, layer.stride)
            case Linear():
                return F.linear(x.flatten(1), next(tensors), next(tensors))


def answers(network: PlainCNN, parameters: list[Tensor], sums: Tensor, heads: Sequence[Head]) -> list[Expected]:
    """What follows from the hidden layer's sums, for each way to go on.

    Returns:
        logits (N, classes), of float32. The tolerance is 1e-4 of the largest logit: the rounding errors
        of the layers in float32 stay near 1e-6 of it, a wrong layer changes it by more than a tenth.
    """
    hidden = torch.stack([ACTIVATIONS[head.activation](sums) for head in heads])  # (H, N, hidden)
    logits = F.linear(hidden, *shaped(network, parameters)[-2:])  # (H, N, classes)
    values = [
        getattr(torch, head.ending)(each, 1) if head.ending else each for head, each in zip(heads, logits, strict=True)
    ]
    return [Expected(x, torch.full_like(x, 1e-4 * x.abs().max().item()), torch.float32) for x in values]


def logits(network: PlainCNN, parameters: list[Tensor], images: Tensor) -> Expected:
    """What a figure computes, with what is expected wherever it leaves a choice; see `hidden_sums` and `answers`."""
    sums = hidden_sums(network, parameters, images, Trunk(network.between[0]))
    return answers(network, parameters, sums, [Head(network.activations[0])])[0]


def accepted(network: PlainCNN) -> Iterator[tuple[Trunk, Heads]]:
    """All that the figure leaves open, the expected ways first."""
    for between in network.between:
        yield Trunk(between), [(Head(activation), "") for activation in network.activations]


def faults(network: PlainCNN) -> Iterator[tuple[Trunk, Heads]]:
    """Known faults of a network whose parameters are right, with the usual choices where there is one."""
    for trunk, heads in itertools.islice(accepted(network), USUAL):
        yield (
            trunk,
            [
                (
                    replace(head, ending=ending),
                    f"these are the {ending} of the logits: return the logits themselves, since cross-entropy "
                    "has the softmax in it",
                )
                for head, _ in heads
                for ending in ("softmax", "log_softmax")
            ],
        )
        said = "this is what average-pooling gives; the figure's takes the maximum"
        yield replace(trunk, averages=True), [(head, said) for head, _ in heads]
        for name, layer in network.layers().items():
            if isinstance(layer, Convolution) and not layer.depthwise:
                said = f"one of the ReLUs is missing: this is what the network gives without that of {name}"
                yield replace(trunk, without_relu=name), [(head, said) for head, _ in heads]


def shaped(network: PlainCNN, parameters: list[Tensor]) -> list[Tensor]:
    """Parameters in the order of `network.shapes()` as these, in float64; copied only where they are not that."""
    shapes = zip(parameters, network.shapes(), strict=True)
    return [parameter.double().reshape(shape) for parameter, shape in shapes]


def hint(network: PlainCNN, found: dict[str, tuple[int, ...]]) -> str:
    """What explains that parameters of other shapes were found; "" if nothing that is known does.

    Args:
        network: the network that is judged.
        found: the submission's parameters, name → shape.
    """
    shapes = set(found.values())
    for name, layer in network.layers().items():
        if isinstance(layer, Convolution) and layer.depthwise:
            dense = (layer.out_channels, layer.in_channels, layer.kernel_size, layer.kernel_size)
            if layer.shapes[0] not in shapes and dense in shapes:
                return f"{name} is no depth-wise convolution: there each filter sees one channel, groups = in_channels"
    flat = next((shape[1] for shape in found.values() if len(shape) == 2 and shape[0] == network.hidden), network.flat)
    if flat == network.flat:
        return ""
    gives = [said for said, other in _slips(network) if other.flat == flat]
    explained = f", as {' or '.join(gives)} gives it" if gives else ""
    return f"the first linear layer takes {flat:,} numbers{explained}; expected {network.flat:,}"


def _slips(network: PlainCNN) -> Iterator[tuple[str, PlainCNN]]:
    """Slips by which the images come to another size."""
    yield "pooling that rounds up", replace(network, rounds_up=True)
    for number, stage in enumerate(network.stages, 1):
        others = {
            f"a padding of {stage.kernel_size // 2} in stage {number}": replace(stage, padding=stage.kernel_size // 2),
            f"no padding in stage {number}": replace(stage, padding=0),
            f"a stride of {stage.stride + 1} in stage {number}": replace(stage, stride=stage.stride + 1),
            f"no pooling in stage {number}": replace(stage, pool_size=1, pool_stride=1),
        }
        for said, other in others.items():
            if other != stage:
                stages = (*network.stages[: number - 1], other, *network.stages[number:])
                yield said, replace(network, stages=stages)
