"""HW3's Figure 1: which parameters it has, and what it computes, in float64.

A submission names its parameters as it likes; every tensor of this network has a shape of
its own, so shapes alone say which is which.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.compare import Expected


@dataclass(frozen=True)
class Figure1:
    """The network that is judged; edit it together with the reference's own."""

    image_size: int = 28  # pixels, height and width
    in_channels: int = 1  # grey
    out_channels: tuple[int, ...] = (3, 6)  # one convolution each, then ReLU, then max-pooling
    kernel_size: int = 3
    stride: int = 1
    padding: int = 1
    pool_size: int = 2  # window and stride of each max-pooling
    hidden: int = 128  # units between the two linear layers, with ReLU
    classes: int = 10

    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of weight and bias, layer by layer, as torch lays them out."""
        shapes, channels, size = [], self.in_channels, self.image_size
        for out_channels in self.out_channels:
            shapes += [(out_channels, channels, self.kernel_size, self.kernel_size)]
            shapes += [(out_channels,)]
            size = (size + 2 * self.padding - self.kernel_size) // self.stride + 1
            size //= self.pool_size
            channels = out_channels
        flat = channels * size * size
        return shapes + [
            (self.hidden, flat),
            (self.hidden,),
            (self.classes, self.hidden),
            (self.classes,),
        ]

    @property
    def parameter_count(self) -> int:
        """39,248 for the network of the assignment."""
        return sum(torch.Size(shape).numel() for shape in self.shapes())


def match(figure: Figure1, found: dict[str, tuple[int, ...]]) -> list[str] | str:
    """Which of a net's parameters is which of the figure's, by shape.

    Args:
        figure: the network that is judged.
        found: the submission's parameters, name → shape.

    Returns:
        the names in the order of `figure.shapes()`, or a sentence that says what differs.
    """
    remaining, names = dict(found), []
    for shape in figure.shapes():
        name = next((name for name in remaining if same_role(remaining[name], shape)), None)
        if name is None:
            listed = ", ".join(str(tuple(shape)) for shape in found.values()) or "none"
            return f"no parameter of shape {shape}; Net's parameters have the shapes {listed}"
        names.append(name)
        del remaining[name]
    if remaining:
        extra = ", ".join(f"{name} {tuple(shape)}" for name, shape in remaining.items())
        return f"parameters that Figure 1 does not have: {extra}"
    return names


def same_role(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a parameter can be the wanted one: its shape, flattened or not, as rows per output.

    (O, C, K, K) may be kept as (O, C·K·K), and (O,) as (O, 1, 1) or (1, O, 1, 1).
    """
    if len(wanted) == 1:
        return tuple(extent for extent in found if extent != 1) == tuple(
            extent for extent in wanted if extent != 1
        )
    return (
        len(found) >= 2
        and found[0] == wanted[0]
        and torch.Size(found).numel() == torch.Size(wanted).numel()
    )


def logits(figure: Figure1, parameters: list[Tensor], images: Tensor) -> Expected:
    """What Figure 1 computes with these parameters.

    Args:
        figure: the network that is judged.
        parameters: in the order of `figure.shapes()`, reshaped to these.
        images: (N, C, S, S), float32.

    Returns:
        logits (N, classes). The tolerance is 1e-4 of the largest logit: the rounding errors of
        the four layers in float32 stay near 1e-6 of it, a wrong layer changes it by more than
        a tenth.
    """
    x = images.double()  # (N, C, S, S)
    tensors = [
        parameter.double().reshape(shape)
        for parameter, shape in zip(parameters, figure.shapes(), strict=True)
    ]
    for layer in range(len(figure.out_channels)):
        weight, bias = tensors[2 * layer : 2 * layer + 2]
        x = F.relu(F.conv2d(x, weight, bias, figure.stride, figure.padding))
        x = F.max_pool2d(x, figure.pool_size)
    weight, bias, out_weight, out_bias = tensors[-4:]
    x = F.linear(F.relu(F.linear(x.flatten(1), weight, bias)), out_weight, out_bias)
    return Expected(x, torch.full_like(x, 1e-4 * x.abs().max().item()), images.dtype)
