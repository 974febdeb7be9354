"""From what submitted code returns or raises to the messages that describe it, in the worker."""

import linecache
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch

from .forbid import ForbiddenOperator, short
from .messages import Frame, Message, Output, Raised, Slot
from .protocol import DTYPES, Array, clean

FRAMES = 12  # of a traceback: the innermost ones
LINE = 200  # characters of a source line
_TOLD = (type(None), bool, int, float, str)  # values that are shown, not only named


@dataclass
class Answer:
    """A message and the arrays that go with it."""

    message: Message
    arrays: list[Array] = field(default_factory=list)


class Parcel:
    """Collects arrays for one reply, up to the bytes that the grader asked for."""

    def __init__(self, reply_bytes: int) -> None:
        self.arrays: list[Array] = []
        self.left = reply_bytes

    def add(self, array: Array) -> tuple[int | None, str]:
        """Take a copy of one array along: its index, or None and why it stays behind."""
        if str(array.dtype).removeprefix("torch.") not in DTYPES:
            return None, f"dtype {array.dtype} is not sent"
        if isinstance(array, torch.Tensor):
            if array.layout != torch.strided or array.is_nested:
                return None, f"layout {array.layout} is not sent"
            if array.device.type == "meta":
                return None, "a meta tensor has no values"
        nbytes = prod(array.shape) * array.dtype.itemsize
        if nbytes > self.left:
            return None, f"{nbytes} bytes are more than the {self.left} that were asked for"
        # A plain tensor on the CPU, whatever the original is: nothing that submitted code
        # does later changes what is sent, and no method of theirs is called to send it.
        if isinstance(array, torch.Tensor):
            copy = torch.empty(array.shape, dtype=array.dtype).copy_(array)
        else:
            copy = np.array(array, order="C")
        self.left -= nbytes
        self.arrays.append(copy)
        return len(self.arrays) - 1, ""

    def output(self, value: object) -> Output:
        """Describe one returned value, and send it along if it is an array."""
        name = type_name(value)
        if not isinstance(value, torch.Tensor) and type(value) is not np.ndarray:
            return Output(name, detail=clean(repr(value), LINE) if type(value) in _TOLD else "")
        try:
            with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
                requires_grad = isinstance(value, torch.Tensor) and bool(value.requires_grad)
                shape, dtype = [int(size) for size in value.shape], clean(value.dtype, 32).removeprefix("torch.")
                index, detail = self.add(value)
        except Exception as error:  # subclasses without values of their own
            return Output(name, detail=clean(f"its values cannot be read: {clean(error)}", LINE))
        return Output(name, index, shape, dtype, requires_grad, clean(detail, LINE))

    def slot(self, name: str, tensor: torch.Tensor, values: bool) -> Slot:
        """Describe one parameter or buffer, with its values if wanted."""
        name, dtype = clean(name, LINE), clean(str(tensor.dtype).removeprefix("torch."), 32)
        if torch.nn.parameter.is_lazy(tensor):
            return Slot(name, [], dtype, tensor.requires_grad, lazy=True)
        index = self.add(tensor.detach())[0] if values else None
        return Slot(name, list(tensor.shape), dtype, tensor.requires_grad, index)


def type_name(value: object) -> str:
    """The name of a value's type, as its author would write it."""
    try:
        return clean(f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins."), LINE)
    except BaseException:  # a metaclass may answer with anything, SystemExit too
        return "<a type without a name>"


def raised(error: BaseException, folders: Sequence[str]) -> Raised:
    """Describe an exception, with the submission's own lines of its traceback only."""
    inside = tuple(os.path.join(folder, "") for folder in folders)
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename.startswith(inside):
            frames.append(_frame(code.co_filename, traceback.tb_lineno or 0, code.co_name, folders))
        traceback = traceback.tb_next
    message = clean(error)
    if isinstance(error, SyntaxError) and isinstance(error.filename, str) and error.filename.startswith(inside):
        message = clean(error.msg)
        frames.append(_frame(error.filename, error.lineno or 0, "<module>", folders))
    return Raised(type_name(error).rpartition(".")[2], message, frames[-FRAMES:], isinstance(error, ForbiddenOperator))


def _frame(file: str, line: int, function: str, folders: Sequence[str]) -> Frame:
    source = clean(linecache.getline(file, line).strip(), LINE)
    return Frame(short(file, folders), line, clean(function, LINE), source)
