"""Where the data sets lie."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(root: str | os.PathLike[str] | None = None) -> Path:
    """The folder that stores are written to: `root`, else CHALKBENCH_DATA, else ./data."""
    return Path(root or os.environ.get("CHALKBENCH_DATA") or "data")
