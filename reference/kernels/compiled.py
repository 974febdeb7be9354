"""How this package's loops are compiled, decided once.

`NUMBA_DISABLE_JIT=1` leaves every kernel the plain Python function it was written as.
"""

from __future__ import annotations

import numba

# Sums may be reordered and multiply-adds fused, which is what makes a loop a vector loop. NaN and infinity
# keep their meaning: `nnan` and `ninf`, the rest of "fast" mathematics, would let the compiler assume them away.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function, **options):
    """The compiled alias of a kernel; compiled at its first call, then kept on disk where that is possible.

    Args:
        function: a function of arrays and numbers in the subset of Python that numba compiles.
        **options: further options of `numba.njit`.

    Returns:
        A callable with the function's own signature. It releases the interpreter lock while it runs.
    """
    options = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy", **options}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # numba found no folder that it may write to (read-only sources, no home): compile per process.
        return numba.njit(**options)(function)
