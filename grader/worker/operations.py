"""What a worker can be asked to do with a submission; nothing here knows an assignment."""

import importlib
import inspect
import random
import types
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn

from . import messages as m
from .attack import BackwardPasses, network
from .forbid import Denial
from .incoming import Inputs
from .outgoing import LINE, Answer, Parcel, raised
from .protocol import clean
from .training import train
from .weights import load

NAMES = 200  # public names of a module that are listed


class _Refusal(Exception):
    """The request does not fit the state of the session; the submission is not to blame."""


class Operations:
    """Carries out requests; what they build lives as long as the session.

    Args:
        denial: the forbidden operators, and where submitted code lies.
    """

    def __init__(self, denial: Denial) -> None:
        self._denial, self._folders = denial, denial.folders
        self._libraries = len(torch.ops.loaded_libraries)
        self._objects: dict[str, object] = {}
        self._carry_out: dict[type, Callable[..., m.Message]] = {
            m.Load: self._load,
            m.Call: self._call,
            m.Build: self._build,
            m.SetParameters: self._set_parameters,
            m.LoadWeights: self._load_weights,
            m.GetParameters: self._get_parameters,
            m.Forward: self._forward,
            m.Draws: self._draws,
            m.Attack: self._attack,
        }

    def answer(
        self, request: m.Request, arrays: list[torch.Tensor], reply_bytes: int, interim: Callable[[Answer], None]
    ) -> Answer:
        """Carry out one request; whatever the submission raises is an answer too."""
        parcel = Parcel(reply_bytes)
        try:
            if isinstance(request, m.Train):
                module = self._module(request.module)
                networks = self._module(request.network_module) if request.network_module else module
                message = train(request, module, networks, arrays, parcel, interim, self._objects)
            else:
                message = self._carry_out[type(request)](request, arrays, parcel)
            return Answer(message, parcel.arrays)
        except _Refusal as refusal:
            return Answer(m.Refused(clean(refusal)))
        except BaseException as error:  # SystemExit and KeyboardInterrupt included
            return Answer(raised(error, self._folders))

    # ------------------------------------------------------------------ requests
    def _load(self, request: m.Load, arrays: list[torch.Tensor], parcel: Parcel) -> m.Loaded:
        module = self._module(request.module)
        names = [name for name in vars(module) if isinstance(name, str) and not name.startswith("_")]
        values = [(name, getattr(module, name)) for name in names[:NAMES]]
        return m.Loaded([_public(name, value) for name, value in values if not isinstance(value, types.ModuleType)])

    def _call(self, request: m.Call, arrays: list[torch.Tensor], parcel: Parcel) -> m.Result:
        function = getattr(self._module(request.module), request.name)
        return self._result(function, request, arrays, parcel)

    def _build(self, request: m.Build, arrays: list[torch.Tensor], parcel: Parcel) -> m.Built:
        factory = getattr(self._module(request.module), request.name)
        args, kwargs = self._arguments(request, Inputs(arrays, self._objects, self._module))
        built = self._objects[request.handle] = factory(*args, **kwargs)
        name = clean(type(built).__name__, LINE)
        if not isinstance(built, nn.Module):
            return m.Built(name, is_module=False)
        return m.Built(name, True, *self._slots(built, parcel, values=False))

    def _set_parameters(self, request: m.SetParameters, arrays: list[torch.Tensor], parcel: Parcel) -> m.Done:
        if len(request.names) != len(arrays):
            raise _Refusal(f"{len(request.names)} names and {len(arrays)} arrays")
        module = self._network(request.handle)
        present = dict(module.named_parameters()) | dict(module.named_buffers())
        with torch.no_grad():
            for name, array in zip(request.names, arrays, strict=True):
                if name not in present:
                    raise _Refusal(f"no parameter or buffer {name!r}, there are {', '.join(present)}")
                if present[name].shape != array.shape:
                    raise _Refusal(f"{name}: its shape is {list(present[name].shape)}, not {list(array.shape)}")
                present[name].copy_(array)
        return m.Done()

    def _load_weights(self, request: m.LoadWeights, arrays: list[torch.Tensor], parcel: Parcel) -> m.Done:
        load(self._network(request.handle), arrays[0], request.format)
        return m.Done()

    def _get_parameters(self, request: m.GetParameters, arrays: list[torch.Tensor], parcel: Parcel) -> m.Parameters:
        module = self._network(request.handle)
        return m.Parameters(*self._slots(module, parcel, values=True), training=bool(module.training))

    def _forward(self, request: m.Forward, arrays: list[torch.Tensor], parcel: Parcel) -> m.Result:
        target = self._object(request.handle)
        if isinstance(target, nn.Module):
            target.train(request.train)
        parameters = {}
        if request.parameter_gradients:
            parameters = {n: p for n, p in self._network(request.handle).named_parameters() if p.requires_grad}
        function = target if request.method == "__call__" else getattr(target, request.method)
        with torch.no_grad() if request.no_grad else nullcontext():
            return self._result(function, request, arrays, parcel, parameters)

    def _draws(self, request: m.Draws, arrays: list[torch.Tensor], parcel: Parcel) -> m.Drawn:
        getattr(self._module(request.module), request.name)(request.seed)
        parcel.add(torch.rand(4))
        parcel.add(np.random.rand(4))
        parcel.add(np.array([random.random() for _ in range(4)]))
        return m.Drawn()

    def _attack(self, request: m.Attack, arrays: list[torch.Tensor], parcel: Parcel) -> m.Attacked:
        function = getattr(self._module(request.module), request.name)
        inputs = Inputs(arrays, self._objects, self._module)
        args, kwargs = self._arguments(request, inputs)
        target = network(request.layers, arrays)
        with BackwardPasses(arrays[request.images].clone(), request.reach) as counted:
            returned = function(target, *args, **kwargs)
        passes, _ = parcel.add(counted.passes)
        output = parcel.output(returned)
        return m.Attacked(output, passes, counted.stray, isinstance(returned, list | tuple), inputs.changed())

    # -------------------------------------------------------------------- shared
    def _module(self, name: str) -> types.ModuleType:
        module = importlib.import_module(name)
        if len(torch.ops.loaded_libraries) != self._libraries:  # torchvision brings a convolution
            self._libraries = len(torch.ops.loaded_libraries)
            self._denial.install()
            self._denial.make_final()
        return module

    def _object(self, handle: str) -> object:
        if handle not in self._objects:
            raise _Refusal(f"nothing was built under the handle {handle!r}")
        return self._objects[handle]

    def _network(self, handle: str) -> nn.Module:
        built = self._object(handle)
        if not isinstance(built, nn.Module):
            raise TypeError(f"expected a torch.nn.Module, found {type(built).__name__}")
        return built

    def _slots(self, module: nn.Module, parcel: Parcel, values: bool) -> tuple[list[m.Slot], list[m.Slot]]:
        parameters = [parcel.slot(name, tensor, values) for name, tensor in module.named_parameters()]
        return parameters, [parcel.slot(name, tensor, values) for name, tensor in module.named_buffers()]

    def _arguments(self, request: m.Call | m.Build | m.Forward | m.Attack, inputs: Inputs) -> tuple[list, dict]:
        try:
            args = [inputs.value(value) for value in request.args]
            return args, {name: inputs.value(value) for name, value in request.kwargs.items()}
        except (IndexError, KeyError) as error:
            raise _Refusal(f"an argument names what does not exist: {error}") from None

    def _result(
        self,
        function: Callable[..., object],
        request: m.Call | m.Forward,
        arrays: list[torch.Tensor],
        parcel: Parcel,
        parameters: dict[str, torch.Tensor] | None = None,
    ) -> m.Result:
        """Call, send what came back, and the gradients that were asked for."""
        inputs = Inputs(arrays, self._objects, self._module)
        args, kwargs = self._arguments(request, inputs)
        if max([*request.gradients, *request.grad_outputs], default=-1) >= len(arrays):
            raise _Refusal(f"an array is named that was not sent: there are {len(arrays)}")
        sources = [inputs.tensor(index) for index in request.gradients]
        upstream = [inputs.tensor(index) for index in request.grad_outputs]
        returned = function(*args, **kwargs)
        sequence = isinstance(returned, list | tuple)
        values = list(returned)[:16] if sequence else [returned]
        outputs = [parcel.output(value) for value in values]
        gradients: list[int | None] = []
        by_name: dict[str, int | None] = {}
        backward = None
        if upstream:
            targets = [*sources, *(parameters or {}).values()]
            try:
                found = _gradients(values, upstream, targets)
                indices = [None if gradient is None else parcel.add(gradient)[0] for gradient in found]
                gradients = indices[: len(sources)]
                by_name = dict(zip(parameters or {}, indices[len(sources) :], strict=True))
            except BaseException as error:
                backward = raised(error, self._folders)
        return m.Result(outputs, sequence, gradients, by_name, backward, inputs.changed())


def _gradients(
    returned: list[object], upstream: list[torch.Tensor], targets: list[torch.Tensor]
) -> Sequence[torch.Tensor | None]:
    """Gradients of the returned tensors with respect to `targets`, given upstream ones.

    Taken of the scalar <returned, upstream>, since autograd's own way to pass upstream
    gradients imports half a second of sympy for its first error message.
    """
    tensors = [value for value in returned if isinstance(value, torch.Tensor)]
    total = torch.zeros(())
    for tensor, gradient in zip(tensors, upstream, strict=False):
        if tensor.shape != gradient.shape:
            raise ValueError(f"the result has shape {list(tensor.shape)}, its gradient {list(gradient.shape)}")
        total = total + (tensor * gradient).sum()
    return torch.autograd.grad(total, targets, allow_unused=True)


def _public(name: str, value: object) -> m.Public:
    """Describe one name of a module without trusting what it is bound to."""
    try:
        what = "class" if inspect.isclass(value) else "function" if callable(value) else "other"
        signature = clean(inspect.signature(value), LINE) if what != "other" else ""
    except Exception:  # built-in functions have no signature
        signature = ""
    is_module = what == "class" and issubclass(value, nn.Module)
    return m.Public(clean(name, LINE), what, signature, is_module)
