"""Parameters that a module makes at its first forward pass, as `nn.LazyLinear` does."""

from collections.abc import Sequence

import torch

from grader.bench import REPLY_BYTES, Bench
from grader.checks import replies
from grader.worker.messages import Forward, GetParameters, Parameters, Slot, Tensor


def waiting(slots: Sequence[Slot]) -> bool:
    """Whether some of them have no shape before a forward pass."""
    return any(slot.lazy for slot in slots)


def made(
    bench: Bench, module: str, handle: str, shape: tuple[int, ...], reply_bytes: int = REPLY_BYTES
) -> Parameters:
    """A fresh module's parameters and buffers after a forward pass in evaluation mode, which moves no statistics.

    Args:
        bench: where the submission is.
        module: the file of the module's class.
        handle: what the module was built as.
        shape: of an input that it takes; the numbers are 0.
        reply_bytes: the most that its parameters may have, or what it returns.
    """
    request = Forward(handle=handle, args=[Tensor(index=0)], train=False, no_grad=True)
    (reply,) = bench.stream(module, request, [torch.zeros(shape)], reply_bytes)
    replies.result(reply)
    (reply,) = bench.stream(module, GetParameters(handle=handle), [], reply_bytes)
    return replies.expect(reply, Parameters)
