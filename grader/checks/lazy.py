"""Parameters that a module makes at its first forward pass, as `nn.LazyLinear` does."""

from collections.abc import Sequence

import torch

from grader.bench import Bench
from grader.checks import replies
from grader.worker.messages import Forward, GetParameters, Parameters, Slot, Tensor


def made(bench: Bench, module: str, handle: str, slots: Sequence[Slot], shape: tuple[int, ...]) -> list[Slot]:
    """A fresh module's parameters, after a forward pass where they have no shape before it.

    Args:
        bench: where the submission is.
        module: the file of the module's class.
        handle: what the module was built as.
        slots: its parameters, as it was built.
        shape: of an input that it takes; the numbers are 0.
    """
    if slots and not any(slot.lazy for slot in slots):
        return list(slots)
    request = Forward(handle=handle, args=[Tensor(index=0)], no_grad=True)
    replies.result(bench.ask(module, request, [torch.zeros(shape)]))
    return replies.expect(bench.ask(module, GetParameters(handle=handle)), Parameters).parameters
