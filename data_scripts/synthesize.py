"""Make a synthetic stand-in; needs no network.

    python -m data_scripts.synthesize digits|shapes [--root DIR] [--seed N] [--train N] [--test N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_scripts.command_line import described, run
from data_scripts.registry import SYNTHETIC
from data_scripts.root import data_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and make the set that it names."""
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.synthesize",
        description="Make a synthetic image set: digits (28x28 grey, in place of MNIST) or shapes (32x32 RGB scenes of "
        "ten kinds of object, in place of CIFAR-10). Equal seeds and counts give equal images.",
    )
    parser.add_argument("name", choices=tuple(SYNTHETIC), help="which set")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where to store (default: $CHALKBENCH_DATA or ./data)")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the generator (default: 0)")
    parser.add_argument("--train", type=positive, metavar="N", help="number of training images (default: the set's own)")
    parser.add_argument("--test", type=positive, metavar="N", help="number of test images (default: the set's own)")
    options = parser.parse_args(arguments)
    return run(lambda: synthesize(options))


def synthesize(options: argparse.Namespace) -> int:
    """Make the set, store it and say what it is."""
    root = data_root(options.root)
    dataset = SYNTHETIC[options.name].synthesize(
        root, seed=options.seed, train_count=options.train, test_count=options.test
    )
    print(described(root / options.name, dataset))
    return 0


def natural(text: str) -> int:
    """An integer that is not negative, for argparse."""
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, found {text}")
    return int(text)


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
