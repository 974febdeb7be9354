"""What kind of layer a module is, told from what it has and not from its class.

torch's layers, the project's, and a student's own have the same attributes under the same names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

Shape = tuple[int, ...]  # of one image: (C, H, W), or (features,)


@dataclass(frozen=True)
class Kind:
    """What the table says of one layer apart from its shapes and weights.

    Args:
        name: "conv", "dw" (depth-wise), "pw" (point-wise), "pool" or "linear"; of others that of the class.
        settings: filters/window/stride/padding; "-" where there is nothing of the sort.
        multiply_adds: for one image; a bias's additions and a pooling's comparisons are none. None of a layer of
            another kind, whose arithmetic is not known here.
        has_neurons: whether its outputs are neurons.
    """

    name: str
    settings: str
    multiply_adds: int | None
    has_neurons: bool = True


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a row by itself, even if it has modules inside (as a parametrised one has)."""
    return _is_convolution(module) or _is_linear(module) or _is_norm(module)


def kind_of(module: nn.Module, given: Shape, made: Shape) -> Kind | None:
    """What a module is; None where the table has no row for it: activations, dropout, flattening.

    Args:
        module: that was called.
        given: shape of its input, without the batch.
        made: shape of its output, likewise.
    """
    if _is_convolution(module):
        # Each weight meets each place once: of the output, or of a transposed convolution's input.
        places = given[1:] if getattr(module, "transposed", False) else made[1:]
        return Kind(_convolution(module), _convolution_settings(module), math.prod(places) * module.weight.numel())
    if _is_linear(module):
        places = math.prod(made) // module.out_features
        return Kind("linear", str(module.out_features), places * module.weight.numel())
    if _is_norm(module):
        # It rescales what the layer before it gave, and makes no neurons of its own.
        return Kind(type(module).__name__, "-", math.prod(made), has_neurons=False)
    if _is_pooling(module, given, made):
        return Kind("pool", _pooling_settings(module, given, made), 0)
    return Kind(type(module).__name__, "-", None) if any(True for _ in module.parameters()) else None


def _has(module: nn.Module, *names: str) -> bool:
    return all(hasattr(module, name) for name in names)


def _is_convolution(module: nn.Module) -> bool:
    return _has(module, "kernel_size", "stride", "padding", "in_channels", "out_channels", "weight")


def _is_linear(module: nn.Module) -> bool:
    return _has(module, "in_features", "out_features", "weight")


def _is_norm(module: nn.Module) -> bool:
    sizes = ("num_features", "num_channels", "normalized_shape")  # of batch, group and layer normalisation
    return _has(module, "eps") and any(_has(module, name) for name in sizes)


def _is_pooling(module: nn.Module, given: Shape, made: Shape) -> bool:
    """Windows over each channel by itself, and no weights; unfolding and unpooling have those attributes too."""
    windows = _has(module, "kernel_size", "stride") or _has(module, "output_size")
    shrinks = len(given) == len(made) > 1 and given[0] == made[0] and all(map(int.__ge__, given[1:], made[1:]))
    return windows and shrinks and not any(True for _ in module.parameters())


def _convolution(module: nn.Module) -> str:
    if getattr(module, "groups", 1) == module.in_channels > 1:
        return "dw"
    return "pw" if set(_sizes(module.kernel_size, 1)) == {1} else "conv"


def _convolution_settings(module: nn.Module) -> str:
    axes = module.weight.dim() - 2
    dilation, groups = getattr(module, "dilation", 1), getattr(module, "groups", 1)
    cells = [str(module.out_channels), _window(module.kernel_size, axes)]
    cells += [_step(module.stride, axes), _step(module.padding, axes)]
    notes = f" dilation {_step(dilation, axes)}" if set(_sizes(dilation, 1)) != {1} else ""
    notes += f" groups {groups}" if 1 < groups < module.in_channels else ""
    return "/".join(cells) + notes


def _pooling_settings(module: nn.Module, given: Shape, made: Shape) -> str:
    axes = len(made) - 1
    if _has(module, "kernel_size", "stride"):
        window, padding = module.kernel_size, getattr(module, "padding", 0)
        stride = window if module.stride is None else module.stride
    elif any(many % few for many, few in zip(given[1:], made[1:], strict=True)):
        return "adaptive"  # windows of several sizes
    else:
        window = stride = tuple(many // few for many, few in zip(given[1:], made[1:], strict=True))
        padding = 0
    return f"{_window(window, axes)}/{_step(stride, axes)}/{_step(padding, axes)}"


def _window(value: object, axes: int) -> str:
    """A size along every axis: "3x3"."""
    return "x".join(map(str, _sizes(value, axes)))


def _step(value: object, axes: int) -> str:
    """One number where it is the same along every axis; a word, such as "same", as it is."""
    sizes = _sizes(value, axes)
    return str(sizes[0]) if len(set(sizes)) == 1 else _window(value, axes)


def _sizes(value: object, axes: int) -> tuple:
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return sizes * axes if len(sizes) == 1 else sizes
