"""From Python objects to the values of a request, in the grader."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from .messages import Layout, Object, Plain, Tensor, Value, Values


@dataclass(frozen=True)
class Argument:
    """A tensor with more to say about it than its values."""

    tensor: torch.Tensor
    requires_grad: bool = False
    layout: Layout = "contiguous"


@dataclass(frozen=True)
class Handle:
    """What `Build` made under this name."""

    name: str


def pack(args: Sequence[object], kwargs: Mapping[str, object], arrays: list[torch.Tensor]) -> tuple[list, dict]:
    """Values for `args` and `kwargs`; their tensors are appended to `arrays`.

    Args:
        args: tensors, `Argument`s, `Handle`s, numbers, texts, None, lists and tuples.
        kwargs: the same by name.
        arrays: the arrays of the request, in order.

    Raises:
        TypeError: an argument of another type.
    """
    packed = [_value(arg, arrays) for arg in args]
    return packed, {name: _value(arg, arrays) for name, arg in kwargs.items()}


def _value(value: object, arrays: list[torch.Tensor]) -> Value:
    if isinstance(value, torch.Tensor):
        value = Argument(value)
    if isinstance(value, Argument):
        arrays.append(value.tensor)
        return Tensor(len(arrays) - 1, value.requires_grad, value.layout)
    if isinstance(value, Handle):
        return Object(value.name)
    if isinstance(value, list | tuple):
        return Values([_value(item, arrays) for item in value], tuple=isinstance(value, tuple))
    if value is None or isinstance(value, bool | int | float | str):
        return Plain(value)
    raise TypeError(f"expected a tensor, a number, a text, None, a list or a tuple, found {type(value).__name__}")
