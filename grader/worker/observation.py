"""What passes through a network while a submission trains it: images, outputs, and the gradients that come back.

What is observed runs in the same process and could disturb it. That gains nothing: by what is seen here points are
only taken away. What a network has learnt is measured from its logits for images that the grader chose, and those
points rest on nothing in this file. Whoever makes the observation show a right loop keeps what nobody would take if it
were not there; whoever makes it see nothing loses what rests on it, since the grader passes no loop that it has not
seen. An error in here is never the submission's: it is caught, and what was not seen is missing.

The network's class gets another `forward` for as long as it is watched, so that `net(x)`, `net.forward(x)`, copies,
pickles and what asks for its source find what they always do. A script or a compiled copy of it is another network,
and not seen.
"""

import contextlib
import inspect
import types
from collections.abc import Callable, Iterator

import torch
from torch import nn

from .messages import Observed
from .outgoing import Parcel

LOOKED_AT = 100  # backward passes of an epoch after each of which the gradient is looked at; then it is two of
PAIRS = 16


class Observation:
    """Watches one network; a context.

    Args:
        network: that is trained.
        most: images per epoch whose outputs and gradients are kept; all are counted.
    """

    def __init__(self, network: object, most: int) -> None:
        self._network, self._most, self._paused = network, most, False
        # Outputs and gradients (most, classes), one batch after the other. Small tensors that stay while large ones come
        # and go would leave the heap full of holes: some 150 MB in five epochs of MNIST.
        self._outputs = self._gradients = torch.empty(0)
        self._parameter: nn.Parameter | None = None  # the one whose gradient is looked at
        self._handle: torch.utils.hooks.RemovableHandle | None = None
        self._value = self._left = None  # the parameter, and its gradient, as the last backward pass left them
        self._watching = contextlib.ExitStack()
        self._begin()

    def _begin(self) -> None:
        self._forward = self._updates = self._stale = 0
        self._rows: list[int] = []
        self._pending: list[tuple[torch.Tensor, torch.Tensor]] = []  # not in one piece with the others yet
        self._kept, self._full, self._chosen = 0, False, False

    def __enter__(self) -> "Observation":
        if isinstance(self._network, nn.Module):
            self._watching.enter_context(_seen_by(self._passed, self._network))
        return self

    def __exit__(self, *exception: object) -> None:
        self._watching.close()
        if self._handle is not None:
            self._handle.remove()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What passes in the block is the grader's."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def take(self, parcel: Parcel) -> Observed:
        """What was seen since the last time."""
        indices: list[int | None] = [None, None, None]
        with contextlib.suppress(Exception):
            self._put_together()
            kept = [each[: self._kept] for each in (self._outputs, self._gradients)] if self._kept else []
            arrays = [torch.tensor(self._rows, dtype=torch.int64), *kept]
            indices = [parcel.add(array)[0] for array in arrays]
        seen = Observed(self._forward, sum(self._rows), self._updates, self._stale, *indices)
        self._begin()
        return seen

    # ------------------------------------------------------------------- what happens
    def _passed(self, returned: object) -> None:
        """A forward pass is over."""
        if self._paused:
            return
        try:
            output = returned
            if isinstance(returned, list | tuple):
                output = next(value for value in returned if isinstance(value, torch.Tensor) and value.dim() == 2)
            count, classes = output.shape
            self._forward += count
            if output.requires_grad:
                if not self._chosen:
                    self._choose(classes)
                values = output.detach().clone()  # a loop may write into what it got
                output.register_hook(lambda gradient: self._returned(values, gradient))
        except Exception:
            return  # it is not seen

    def _returned(self, values: torch.Tensor, gradient: torch.Tensor) -> None:
        """A gradient has come back to an output."""
        try:
            self._rows.append(len(values))
            self._put_together()
            self._pending.append((values, gradient.detach().clone()))
        except Exception:
            return

    def _put_together(self) -> None:
        """Write what is pending into one piece, as far as that can be."""
        while self._pending:
            values, gradient = self._pending[0]
            end, width = self._kept + len(values), values.shape[1]
            if self._outputs.shape[1:] != (width,):
                self._full, self._kept = self._full or self._kept > 0, 0  # of two widths in one epoch none are sent
                shape = self._most, width
                self._outputs, self._gradients = (torch.empty(shape, device=values.device) for _ in range(2))
            self._full = self._full or end > self._most
            if not self._full:
                try:
                    self._outputs[self._kept : end] = values
                    self._gradients[self._kept : end] = gradient
                except RuntimeError:
                    return  # inside of torch.func.grad its tensors are no numbers; they are when it is over
                self._kept = end
            del self._pending[0]

    def _choose(self, classes: int) -> None:
        """Look at one small parameter, the last layer's bias where there is one: its gradient is never 0 for long."""
        self._chosen = True  # once per epoch: a loop may put another layer in
        candidates = [
            parameter
            for parameter in self._network.parameters()
            if parameter.requires_grad and not nn.parameter.is_lazy(parameter)
        ]
        smallest = min(candidates, key=lambda each: (tuple(each.shape) != (classes,), each.numel()))
        if smallest is not self._parameter:
            if self._handle is not None:
                self._handle.remove()
            self._parameter, self._value = smallest, None
            self._handle = smallest.register_hook(self._accumulates)

    def _accumulates(self, gradient: torch.Tensor) -> None:
        """A gradient is about to be added to the parameter's.

        It is stale if the parameter was changed since the last one, and what is there already is, to the bit, what
        that one left: nobody has cleared, clipped or decayed it. Of a long epoch it is looked at in some pairs of
        passes only, since it takes as long as everything else here.
        """
        place = len(self._rows)
        if place > LOOKED_AT and place % PAIRS > 1:
            self._value = None
            return
        try:
            value, there = self._parameter.detach(), self._parameter.grad
            if self._value is not None and not torch.equal(value, self._value):
                self._updates += 1
                self._stale += there is not None and torch.equal(there, self._left) and bool(there.any())
            self._value = value.clone()
            self._left = (gradient if there is None else there + gradient).detach().clone()
        except Exception:
            self._value = None


@contextlib.contextmanager
def _seen_by(passed: Callable[[object], None], network: nn.Module) -> Iterator[None]:
    """Tell `passed` whatever the network's forward pass returns."""
    kind = type(network)
    forward = getattr(kind, "forward", None)
    if not inspect.isfunction(forward) or "forward" in vars(network):  # a script, or an attribute of its own
        handle = network.register_forward_hook(lambda module, images, returned: passed(returned))
        try:
            yield
        finally:
            handle.remove()
        return

    def seen_forward(_module: nn.Module, *args: object, **kwargs: object) -> object:
        returned = _forward(_module, *args, **kwargs)
        if _module is _network:
            _passed(returned)
        return returned

    _forward, _network, _passed = forward, network, passed
    # With the names that are known where the original stands: whoever compiles its source looks them up here.
    instead = types.FunctionType(seen_forward.__code__, forward.__globals__, "forward", None, seen_forward.__closure__)
    instead.__wrapped__, instead.__doc__ = forward, forward.__doc__
    instead.__qualname__, instead.__module__ = forward.__qualname__, forward.__module__
    own = "forward" in vars(kind)
    kind.forward = instead
    try:
        yield
    finally:
        if own:
            kind.forward = forward
        else:
            del kind.forward
