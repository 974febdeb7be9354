"""What convolution and pooling ask of their arguments, checked in one place.

Each check either returns the argument in its one normal form or raises a `TypeError` (wrong kind of
thing) or a `ValueError` (right kind, impossible value) that names the argument, what was expected and
what was found.
"""

from __future__ import annotations

import operator

import torch

FLOATING = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def pair(value, name: str, minimum: int) -> tuple[int, int]:
    """Normal form of an argument that is an int or one int for each of (height, width).

    Args:
        value: an int, or a tuple or list of one or two ints.
        name: the argument's name, for the message.
        minimum: the smallest value that makes sense (1 for a stride, 0 for padding).

    Returns:
        (height, width) as Python ints.

    Raises:
        TypeError: `value` is neither an int nor a tuple or list of ints.
        ValueError: not one or two entries, or an entry below `minimum`.
    """
    if type(value) is tuple and len(value) == 2:  # normal already, which nearly every layer's is
        height, width = value
        if type(height) is type(width) is int and height >= minimum and width >= minimum:
            return value
    entries = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(entries) not in (1, 2):
        raise ValueError(f"{name} must be an int or (height, width), found {len(entries)} entries: {value!r}")
    entries = tuple(_integer(entry, name, "an int or (height, width) of ints", value) for entry in entries)
    if min(entries) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, found {value!r}")
    return entries if len(entries) == 2 else entries * 2


def integer(value, name: str, minimum: int) -> int:
    """Normal form of an argument that is one int.

    Raises:
        TypeError: not an int.
        ValueError: below `minimum`.
    """
    number = _integer(value, name, "an int", value)
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, found {value!r}")
    return number


def _integer(entry, name: str, expected: str, value) -> int:
    # bool is an int to Python, but stride=True is a mistake in every call that was ever written.
    if not isinstance(entry, (bool, float)):
        try:
            return operator.index(entry)
        except TypeError:
            pass
    raise TypeError(f"{name} must be {expected}, found {value!r}")


def check_tensor(value, name: str) -> None:
    """Refuse what is not a tensor.

    Raises:
        TypeError: `value` is not a `torch.Tensor`.
    """
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, found {type(value).__name__}")


def check_floating(tensor: torch.Tensor, name: str) -> None:
    """Refuse integer, boolean and complex tensors.

    Raises:
        TypeError: the dtype is not one of float32, float64, float16, bfloat16.
    """
    if tensor.dtype not in FLOATING:
        raise TypeError(f"{name} must have a floating-point dtype, found {tensor.dtype}; convert it with .float()")


def check_alike(tensor: torch.Tensor, name: str, other: torch.Tensor, other_name: str) -> None:
    """Refuse two tensors that cannot be combined without a silent conversion or transfer.

    Raises:
        TypeError: dtypes differ.
        ValueError: devices differ.
    """
    if tensor.dtype != other.dtype:
        raise TypeError(
            f"{name} and {other_name} must have one dtype, found {tensor.dtype} and {other.dtype}; convert one of them"
        )
    if tensor.device != other.device:
        raise ValueError(
            f"{name} and {other_name} must be on one device, found {tensor.device} and {other.device}; move one of them"
        )


def batched(tensor: torch.Tensor, name: str) -> tuple[torch.Tensor, bool]:
    """A batch of images from a batch or from a single image.

    Args:
        tensor: (N, C, H, W) or (C, H, W).
        name: the argument's name, for the message.

    Returns:
        The tensor as (N, C, H, W), with N = 1 for a single image, and whether it came as a batch.

    Raises:
        ValueError: any other number of dimensions.
    """
    if tensor.dim() not in (3, 4):
        raise ValueError(
            f"{name} must have shape (N, C, H, W), or (C, H, W) for one image, found shape {tuple(tensor.shape)}"
        )
    return (tensor, True) if tensor.dim() == 4 else (tensor.unsqueeze(0), False)
