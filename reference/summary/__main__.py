"""`python -m reference.summary FILE.py:CLASS --input 3x32x32 [--face text|markdown|html|csv]`"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from torch import nn

from reference.summary.faces import FACES
from reference.summary.table import summarise


def shape(text: str) -> tuple[int, ...]:
    """"3x32x32" → (3, 32, 32)."""
    sizes = text.lower().replace("×", "x").split("x")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise argparse.ArgumentTypeError(f"expected sizes such as 3x32x32 (channels first), found {text!r}")
    return tuple(map(int, sizes))


def network(text: str) -> nn.Module:
    """"model.py:CustomCNN" → the network, made without arguments. The file is run: give it only code that you trust.

    Raises:
        ValueError: there is no such file, or no such name in it.
    """
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not name or not path.is_file():
        raise ValueError(f"expected FILE.py:CLASS with a file that is there, found {text!r}")
    sys.path.insert(0, str(path.parent.resolve()))  # where its own imports are
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise ValueError(f"expected {path.name} to have {name}, found no such name")
    return getattr(module, name)()


def main(arguments: list[str] | None = None) -> None:
    """Print the layer table of a network."""
    parser = argparse.ArgumentParser(prog="python -m reference.summary", description=main.__doc__)
    parser.add_argument("network", metavar="FILE.py:CLASS")
    parser.add_argument("--input", type=shape, required=True, metavar="CxHxW", help="one image, without the batch")
    parser.add_argument("--face", choices=FACES, default="text", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        table = summarise(network(options.network), options.input)
    except ValueError as error:
        parser.error(str(error))
    print(FACES[options.face](table), end="")


if __name__ == "__main__":
    main()
