"""A trained network as a file of numbers: small, and without a line of code in it."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from data_scripts import atomic


def save_half(net: nn.Module, path: Path) -> None:
    """Write the numbers of a network in half precision, as safetensors.

    Half precision keeps 11 bits; the logits of a trained network move by a thousandth, its
    accuracy by a few images in ten thousand.

    Raises:
        ValueError: a number that half precision cannot hold; the file is as it was.
    """
    state = {}
    for name, value in net.state_dict().items():
        state[name] = value.detach().cpu().contiguous()
        if value.is_floating_point():
            state[name] = state[name].half()
            if not torch.isfinite(state[name]).all():
                raise ValueError(f"{name}: expected finite numbers within ±65504, found others")
    atomic.write(path, save(state))


def load_into(net: nn.Module, path: Path) -> None:
    """Read the numbers of a network back, into the precision that it has.

    Raises:
        ValueError: the file is damaged, or no safetensors.
        RuntimeError: they belong to a network of other layers; torch names the differences.
    """
    try:
        state = load(Path(path).read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path}: expected a network's numbers as safetensors, found: {error}") from None
    net.load_state_dict(state)
