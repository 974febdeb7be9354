"""What a container may use, which is less than the machine has: from its control group.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst, cpu.max and memory.max; for version 1,
cgroup-v1/memory.rst and scheduler/sched-bwc.rst.
"""

import math
import os
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")


def processors(groups: Path = GROUPS) -> int:
    """Threads that are worth starting: the share of processors, rounded up."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (groups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        quota, period = (_number(groups / "cpu" / f"cpu.cfs_{name}_us") or "max" for name in ("quota", "period"))
    if "max" in (quota, period) or float(quota) <= 0:
        return available
    return min(available, max(1, math.ceil(float(quota) / float(period))))


def memory(groups: Path = GROUPS) -> int:
    """Bytes of memory that may be used."""
    places = ["memory.max", "memory/memory.limit_in_bytes"]
    limits = [_number(groups / place) for place in places]
    return int(min([psutil.virtual_memory().total, *(limit for limit in limits if limit)]))


def held(process: int) -> dict[str, int]:
    """What a process holds, in bytes by the kernel's names: "VmData", "RssAnon", …

    Source: proc_pid_status(5).
    """
    with open(f"/proc/{process}/status") as lines:
        fields = [line.split() for line in lines if line.endswith("kB\n")]
    return {name.rstrip(":"): int(kilobytes) << 10 for name, kilobytes, _ in fields}


def _number(path: Path) -> float | None:
    """The number in a file; None where there is none, or "max"."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None
