"""What calls of convolution and pooling have in common before any of their arithmetic."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch.autograd import forward_ad

_MOST = 1024  # calls that are remembered


class Known:
    """Calls that were checked, under a key of all that the checks look at: one like them is not checked again.

    Arguments that are not tensors belong into a key by their `id`: to a dictionary True is 1 and 2.0 is 2, and to hash
    tuples takes longer. So a key is remembered only if they can never change, and keeps them alive, so that no other
    object gets their `id`.
    """

    def __init__(self):
        self._calls: dict[Hashable, tuple] = {}
        self.get = self._calls.get

    def remember(self, key: Hashable, found: tuple, tensors: tuple, arguments: tuple) -> None:
        """Let `get(key)` return `found` and more, if this is a usual call: plain tensors of the CPU, plain arguments."""
        usual = all(tensor is None or (type(tensor) in _PLAIN and tensor.is_cpu) for tensor in tensors)
        if usual and all(map(_fixed, arguments)):
            if len(self._calls) >= _MOST:
                self._calls.clear()
            self._calls[key] = (*found, arguments)


_PLAIN = (torch.Tensor, torch.nn.Parameter)


def _fixed(argument) -> bool:
    if type(argument) is tuple:
        return all(type(entry) is int for entry in argument)
    return argument is None or type(argument) in (int, bool, str)


def recorded(*tensors: torch.Tensor | None) -> bool:
    """Whether anybody may differentiate a function of these tensors, so that it has to be an autograd function.

    Where nobody can, such a function only costs time: a few microseconds per call.
    """
    if torch.is_grad_enabled():  # first: the usual reason
        for tensor in tensors:
            if tensor is not None and tensor.requires_grad:
                return True
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
