"""Numbers of a trained network from a submitted file, in the worker: numbers, and no code."""

import io

import torch
from torch import nn

# How a training script may have wrapped what it saved.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def load(network: nn.Module, content: torch.Tensor, form: str) -> None:
    """Set all parameters and buffers of a network, each converted to the dtype that it has.

    Args:
        network: whose; its shapes are the ones that are asked for.
        content: the file, uint8 (bytes,).
        form: "safetensors", or "pickle" for what `torch.save` writes.

    Raises:
        Whatever the file's reader says, for a file that is none of its kind.
        TypeError: it holds something else than names with tensors.
        RuntimeError: they are not this network's; torch lists missing and surplus ones and shapes.
    """
    data = content.numpy().tobytes()
    if form == "safetensors":
        from safetensors.torch import load as read  # few sessions need it

        state = read(data)
    else:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if isinstance(state, dict):
        wrapped = [state[name] for name in WRAPPERS if isinstance(state.get(name), dict)]
        state = wrapped[0] if wrapped else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise TypeError(
            "expected a state dict (torch.save(net.state_dict(), path)), found "
            f"{type(state).__name__} with other things in it than tensors"
        )
    network.load_state_dict(state)
