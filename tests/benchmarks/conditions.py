"""What the measured times depend on besides the code, set where it can be set and told where it cannot."""

from __future__ import annotations

import ctypes
import datetime

import llvmlite.binding
import torch

from data_scripts import machine
from reference.kernels.vectors import VECTOR_BYTES

# Instruction sets that decide how fast a layer can be, by LLVM's names.
TELLING = ("avx", "avx2", "fma", "avx512f", "avx512bf16", "amx-bf16", "neon", "sve")

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def keep_freed_memory() -> bool:
    """Tell the C library to hand freed memory out again and not to return it to the system.

    Otherwise a large output costs thousands of page faults per call, or none, by what has been freed before: up to
    several times the layer itself, for all peers alike, and at random.

    Returns:
        Whether it can be told so: glibc alone has the switch.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def header(command: str, kept: bool) -> dict[str, str]:
    """Hardware, threads, versions, date and the command, in words; `kept` is what `keep_freed_memory` returned."""
    features = llvmlite.binding.get_host_cpu_features()
    present = [name for name in TELLING if features.get(name)]
    packages = machine.versions("torch", "numba", "llvmlite", "numpy")
    return {
        "command": f"`{command}`",
        "hardware": machine.hardware(),
        "instructions": f"{', '.join(present) or 'none of note'}; vectors of {8 * VECTOR_BYTES} bits",
        "threads": str(torch.get_num_threads()),
        "versions": ", ".join(f"{name} {number}" for name, number in packages.items()),
        "denormals": "flushed",
        "freed memory": "kept in the process" if kept else "as the C library has it",
        "date": datetime.date.today().isoformat(),
    }
