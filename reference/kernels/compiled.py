"""How this package's loops are compiled, decided once.

`NUMBA_DISABLE_JIT=1` leaves every kernel the plain Python function it was written as.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

import numba
from numba.core.caching import FunctionCache

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
    kernel = numba.njit(**{"nogil": True, "fastmath": FASTMATH, "error_model": "numpy", **options})(function)
    if not numba.config.DISABLE_JIT:
        try:
            kernel._cache = _Cache(function)
        except (RuntimeError, OSError):
            pass  # no folder that numba may write to (read-only sources, no home), no source file: once per process
    return kernel


class _Cache(FunctionCache):
    """numba's cache on disk, which sees changes of a kernel's own file, made to see those of what it calls too."""

    class _impl_class(FunctionCache._impl_class):
        def __init__(self, function):
            super().__init__(function)
            stamp, digest = self.locator.get_source_stamp, sources_digest(Path(function.__code__.co_filename))
            self.locator.get_source_stamp = lambda: (stamp(), digest)


def sources_digest(path: Path) -> str:
    """A digest of a Python file and of the files of its own folder that it imports, directly or not."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _imported(path)
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(seen))).hexdigest()


@lru_cache(maxsize=None)
def _imported(path: Path) -> list[Path]:
    found = []
    for statement in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(statement, ast.ImportFrom):
            # `from package.file import name` and `from package import file`
            names = [statement.module or "", *(alias.name for alias in statement.names)]
            found += [path.with_name(name.rpartition(".")[2] + ".py") for name in names]
    return [file for file in found if file.is_file()]
