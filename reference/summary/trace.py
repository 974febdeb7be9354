"""Which layers a network calls, in which order, on maps of which shapes: asked by running it once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference.summary.kinds import Shape, is_layer


@dataclass(frozen=True)
class Call:
    """One call of a layer: its module, and the shapes of what went in and came out, without the batch."""

    module: nn.Module
    given: Shape
    made: Shape


def trace(net: nn.Module, input_shape: Shape) -> list[Call]:
    """Run a network on one image of zeros, in evaluation mode.

    Args:
        net: any; it keeps its numbers and every module's mode.
        input_shape: of one image, (C, H, W), or of whatever else the network takes.

    Returns:
        The calls of its layers in their order; a module that is called twice is there twice.

    Raises:
        ValueError: the network does not take such an input; the message has its own.
    """
    calls: list[Call] = []

    def note(module: nn.Module, arguments: tuple, named: dict, output: object) -> None:
        given, made = _first_tensor((*arguments, *named.values())), _first_tensor(output)
        if given is not None and made is not None:
            calls.append(Call(module, tuple(given.shape[1:]), tuple(made.shape[1:])))

    some = next(net.parameters(), torch.zeros(()))
    image = torch.zeros(1, *input_shape, device=some.device, dtype=some.dtype)
    modes = [(module, module.training) for module in net.modules()]
    hooks = [layer.register_forward_hook(note, with_kwargs=True) for layer in _layers(net)]
    try:
        with torch.no_grad():
            net.eval()(image)
    except Exception as error:  # the network's own, of whatever kind
        raise ValueError(
            f"expected a network for inputs of shape {tuple(input_shape)}, found that {type(net).__name__} fails on "
            f"one ({type(error).__name__}: {error}); name the shape of one image, without the batch"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return calls


def _layers(module: nn.Module) -> list[nn.Module]:
    """The modules that do the work, each once: those without others inside, and layers of a known kind."""
    found: dict[nn.Module, None] = {}
    waiting = [module]
    while waiting:
        module = waiting.pop()
        children = list(module.children())
        if is_layer(module) or not children:
            found[module] = None
        else:
            waiting += children
    return list(found)


def _first_tensor(value: object) -> Tensor | None:
    values = value if isinstance(value, (tuple, list)) else (value,)
    return next((each for each in values if isinstance(each, Tensor) and each.dim() > 1), None)
