"""What a measured number depends on besides the code: the processor and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version


def hardware() -> str:
    """The processor and its cores, in words."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            name = next(line for line in lines if line.startswith("model name")).split(":")[1]
    except (OSError, StopIteration):
        pass  # not Linux on x86: the architecture will do
    return f"{name.strip()}, {os.cpu_count()} cores, {platform.system()}"


def versions(*packages: str) -> dict[str, str]:
    """Python's version, and those of installed packages by their names.

    Raises:
        importlib.metadata.PackageNotFoundError: one is not installed.
    """
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
