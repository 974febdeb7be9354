"""Get data sets: from a local mirror folder, or downloaded.

    python -m data_scripts.fetch mnist cifar10 [--root DIR] [--from DIR]

A set that is stored whole is left as it is; a damaged store is made anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_scripts.command_line import described, run
from data_scripts.download import Patience
from data_scripts.errors import DataError
from data_scripts.registry import MODELS, REAL
from data_scripts.root import data_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and fetch every set that it names."""
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.fetch",
        description="Get data sets from a mirror folder or by download, check them, and store them as uint8 .npy.",
        epilog="A mirror may hold MNIST as IDX files (.gz or not), CIFAR-10 as its python batches or as class "
        "folders of images (train/<class>/*, test/<class>/*), unpacked or in a tar(.gz|.xz|.bz2), and HW3's models as "
        "modelA.zip and modelB.zip. Without a mirror that has the set it is downloaded (the models cannot be); a "
        "machine without network learns that within ten seconds.",
    )
    known = tuple(REAL | MODELS)
    parser.add_argument("names", nargs="+", choices=known, metavar="NAME", help=f"one of: {', '.join(known)}")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where to store (default: $CHALKBENCH_DATA or ./data)")
    parser.add_argument(
        "--from", dest="mirrors", type=Path, metavar="DIR", action="append", default=[],
        help="a folder that holds the data; may be given more than once",
    )
    options = parser.parse_args(arguments)
    return run(lambda: fetch(options.names, data_root(options.root), options.mirrors))


def fetch(names: Sequence[str], root: Path, mirrors: Sequence[Path]) -> int:
    """Fetch each set; one that fails does not keep the others from coming."""
    patience, status = Patience(), 0
    for name in dict.fromkeys(names):
        try:
            dataset = (REAL | MODELS)[name].fetch(root, mirrors, patience)
            print(described(root / name, dataset))
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
