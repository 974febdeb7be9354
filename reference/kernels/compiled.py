"""How this package's loops are compiled, decided once.

`NUMBA_DISABLE_JIT=1` leaves every kernel the plain Python function it was written as.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path
from types import FunctionType

import numba
from numba.core.caching import FunctionCache

from reference.kernels.placed import compiled_arrays_at
from reference.kernels.team import share

# Sums may be reordered and multiply-adds fused, which is what makes a loop a vector loop. NaN and infinity
# keep their meaning: `nnan` and `ninf`, the rest of "fast" mathematics, would let the compiler assume them away.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
HERE = Path(__file__)


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


def on_team(kernel):
    """What starts a kernel on a team of threads: `launch(start, threads, parts, count, *arguments)`, see `team.share`.

    Args:
        kernel: what `compiled` returned.

    Returns:
        A compiled function, kept on disk beside the kernel.
    """
    return _launcher(kernel, _launch, "on_team")


def on_team_at(kernel):
    """As `on_team`, with `launch(start, threads, parts, count, like, places, *arguments)`: see `placed`."""
    return _launcher(kernel, _launch_at, "on_team_at")


def _launcher(kernel, launch, suffix: str):
    code = kernel.py_func.__code__
    name = f"{code.co_name}_{suffix}"
    # With the kernel as a global of its own, and the kernel's file as its source: a cell of a closure would be part
    # of what numba looks it up by, and a kernel differs there from process to process.
    names = {
        "share": share, "compiled_arrays_at": compiled_arrays_at, "kernel": kernel, "__name__": kernel.py_func.__module__
    }  # fmt: skip
    code = launch.__code__.replace(
        co_filename=code.co_filename, co_firstlineno=code.co_firstlineno, co_name=name, co_qualname=name
    )
    return compiled(FunctionType(code, names))


def _launch(start, threads, parts, count, *arguments):
    share(kernel, start, threads, parts, count, arguments)  # noqa: F821


def _launch_at(start, threads, parts, count, like, places, *arguments):
    share(kernel, start, threads, parts, count, compiled_arrays_at(like, places) + arguments)  # noqa: F821


class _Cache(FunctionCache):
    """numba's cache on disk, which sees changes of a kernel's own file, made to see those of what it calls too."""

    class _impl_class(FunctionCache._impl_class):
        def __init__(self, function):
            super().__init__(function)
            # This file too: what `on_team` makes of a kernel is the same for kernels of any folder.
            stamp, digest = self.locator.get_source_stamp, sources_digest(Path(function.__code__.co_filename), HERE)
            self.locator.get_source_stamp = lambda: (stamp(), digest)


def sources_digest(*paths: Path) -> str:
    """A digest of Python files and of what they import from their own folders and those above, directly or not."""
    seen: set[Path] = set()
    waiting = list(paths)
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
            module = (statement.module or "").replace(".", "/")
            names = [module, *(f"{module}/{alias.name}" for alias in statement.names)]
            found += [folder / f"{name}.py" for name in names for folder in path.parents]
    return [file for file in found if file.is_file()]
