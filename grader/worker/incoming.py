"""From the values of a request to Python objects, in the worker."""

from collections.abc import Callable, Sequence
from types import ModuleType

import torch

from .messages import Layout, Named, Object, Plain, Tensor, Value


class Inputs:
    """The arguments of one call, and what they were before it.

    Args:
        arrays: the frame's arrays.
        objects: what the session has built, by handle.
        module: imports a module of the submission.
    """

    def __init__(
        self, arrays: Sequence[torch.Tensor], objects: dict[str, object], module: Callable[[str], ModuleType]
    ) -> None:
        self._arrays, self._objects, self._module = arrays, objects, module
        self._tensors: dict[int, torch.Tensor] = {}
        self._before: dict[int, torch.Tensor] = {}

    def value(self, value: Value) -> object:
        """The Python object that `value` stands for; one tensor per array index."""
        if isinstance(value, Plain):
            return value.value
        if isinstance(value, Object):
            return self._objects[value.handle]
        if isinstance(value, Named):
            return getattr(self._module(value.module), value.name)
        if isinstance(value, Tensor):
            return self.tensor(value.index, value.layout, value.requires_grad)
        items = [self.value(item) for item in value.items]
        return tuple(items) if value.tuple else items

    def tensor(self, index: int, layout: Layout = "contiguous", requires_grad: bool = False) -> torch.Tensor:
        """Array `index` as a leaf tensor; its values are remembered."""
        if index not in self._tensors:
            array = self._arrays[index]
            self._before[index] = array.clone()
            tensor = lay_out(array, layout)
            self._tensors[index] = tensor.requires_grad_() if requires_grad else tensor
        return self._tensors[index]

    def changed(self) -> list[int]:
        """Indices of the tensors whose values, shape or dtype are no longer what they were."""
        return [index for index, tensor in self._tensors.items() if not _same(tensor, self._before[index])]


def lay_out(array: torch.Tensor, layout: Layout) -> torch.Tensor:
    """The same values with other strides."""
    if layout == "channels_last" and array.dim() == 4:
        return array.contiguous(memory_format=torch.channels_last)
    if layout == "transposed" and array.dim() >= 2:
        return array.transpose(-1, -2).contiguous().transpose(-1, -2)
    if layout == "sliced" and array.dim() >= 1:
        wider = array.new_zeros(*array.shape[:-1], 2 * array.shape[-1])
        wider[..., ::2] = array
        return wider[..., ::2]
    return array


def _same(tensor: torch.Tensor, before: torch.Tensor) -> bool:
    if tensor.shape != before.shape or tensor.dtype != before.dtype:
        return False
    with torch.no_grad():
        # Bit by bit: NaN is equal to itself, and -0 is not 0.
        now = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        return torch.equal(now, before.contiguous().reshape(-1).view(torch.uint8))
