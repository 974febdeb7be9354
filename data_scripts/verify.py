"""Check stored data sets, every byte of them.

    python -m data_scripts.verify [NAME ...] [--root DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data_scripts.command_line import described, run
from data_scripts.errors import DataError
from data_scripts.registry import MODELS, REAL, SYNTHETIC
from data_scripts.root import data_root


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and verify the sets that it names."""
    known = REAL | SYNTHETIC | MODELS
    parser = argparse.ArgumentParser(
        prog="python -m data_scripts.verify",
        description="Compare every byte of the stored sets with its checksum, and MNIST also with the published "
        "checksums of its files. Exit status 1 if anything is missing or differs.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which (default: all that are stored): {', '.join(known)}"
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="where they are (default: $CHALKBENCH_DATA or ./data)")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in known:
            parser.error(f"unknown data set {name!r}; known: {', '.join(known)}")
    return run(lambda: verify(options.names, data_root(options.root)))


def verify(names: Sequence[str], root: Path) -> int:
    """Verify each set and say what it is; damage to one does not hide the others."""
    known, status = REAL | SYNTHETIC | MODELS, 0
    names = names or [name for name in known if (root / name).is_dir()]
    if not names:
        mend = f"python -m data_scripts.fetch {' '.join(REAL)} --root {root}"
        raise DataError(root, expected="stored data sets", found="none", mend=mend)
    for name in names:
        try:
            dataset = known[name].verify(root)
            if dataset is None:
                mend = known[name].mend(root)
                raise DataError(root / name, expected="a whole store", found="none", mend=mend)
            print(described(root / name, dataset))
        except DataError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
