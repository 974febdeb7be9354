"""From a worker's reply to tensors, or to the outcome that it already is."""

import torch

from grader.declaration import Outcome
from grader.bench import Judged
from grader.worker import Reply, messages


def raised(error: messages.Raised, during: str = "") -> Outcome:
    """The outcome of a check whose code raised."""
    return Outcome("error", f"{during}{error}")


def result(reply: Reply) -> messages.Result:
    """The result of a call; ends the check where there is none."""
    return expect(reply, messages.Result)


def expect(reply: Reply, kind: type):
    """The reply's message if it is of this kind; ends the check if the code raised instead."""
    message = reply.message
    if isinstance(message, messages.Raised):
        raise Judged(raised(message))
    if isinstance(message, messages.Refused):
        raise Judged(Outcome("error", message.reason))
    if not isinstance(message, kind):
        raise Judged(
            Outcome("invalid", f"the worker answered {type(message).__name__}, not {kind.__name__}")
        )
    return message


def output(reply: Reply) -> torch.Tensor:
    """The one tensor that a call returned; ends the check where it returned something else."""
    message = result(reply)
    if message.sequence or len(message.outputs) != 1:
        raise Judged(
            Outcome("fail", f"expected one tensor, got a sequence of {len(message.outputs)} values")
        )
    returned = message.outputs[0]
    if returned.index is None or returned.type == "numpy.ndarray":
        detail = f" ({returned.detail})" if returned.detail else ""
        raise Judged(Outcome("fail", f"expected a torch.Tensor, got {returned.type}{detail}"))
    return reply.arrays[returned.index]


def gradient(reply: Reply, place: int) -> torch.Tensor | None:
    """The gradient with respect to the request's tensor number `place`; None without one."""
    message = result(reply)
    if not any(returned.requires_grad for returned in message.outputs):
        raise Judged(
            Outcome(
                "fail",
                "the output does not require a gradient: something between input and output "
                "leaves autograd (.data, .detach(), .numpy(), no_grad, a new tensor filled in)",
            )
        )
    if message.backward is not None:
        raise Judged(raised(message.backward, "backward: "))
    index = message.gradients[place] if place < len(message.gradients) else None
    return None if index is None else reply.arrays[index]
