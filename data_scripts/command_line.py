"""What the data commands share: how they fail, and how they say what they found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from data_scripts.dataset import Dataset
from data_scripts.errors import DataError

if TYPE_CHECKING:
    from data_scripts.hw3_models import TargetModels


def run(command: Callable[[], int]) -> int:
    """Run a command; a failure of the data or the disk is one message and status 1.

    Args:
        command: the command's body; returns its exit status.

    Returns:
        the exit status: 1 after DataError or OSError, 130 after Ctrl-C.
    """
    try:
        return command()
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, nothing half-written is used", file=sys.stderr)
        return 130


def described(folder: Path, found: Dataset | TargetModels) -> str:
    """What was found, in one line, as the commands report it."""
    return f"{folder}: {found.counts}, {found.source}, {found.digest[:19]}"
