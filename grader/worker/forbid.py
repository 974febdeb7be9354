"""Forbidden operators, denied where every road ends: at torch's dispatcher.

Each registered operator whose name a rule matches gets another kernel, which raises.
It makes no difference by which Python name the operator is called, from which thread,
inside of which mode, under autograd, vmap or TorchScript: in the end the dispatcher
looks the kernel up, and finds the one that refuses.

Used in the worker, where it stays for the life of the process, and by `tests/` as a
context manager.
"""

import ctypes
import os
import re
import sys
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from linecache import getline
from pathlib import Path
from typing import NoReturn

import torch

from .messages import Hit
from .protocol import clean

# Searched for in the operator's name without namespace and overload. They match
# _slow_conv2d_forward and qconv2d_pointwise, and leave convert_element_type and the
# allocator's _alloc_from_pool alone.
CONVOLUTION = r"conv(\d|_|olution|$)"
POOLING = r"(max|avg|lp)_(un)?pool"
FFT = r"fft"

# The backends that compute with real values on the machines this runs on, and the autograd
# key of all backends that have none of their own (mkldnn, sparse, quantized).
_KEYS = ("CPU", "MkldnnCPU", "QuantizedCPU", "CUDA", "AutogradOther")
_KEYS += ("MPS",) if sys.platform == "darwin" else ()

HITS = 20  # that are kept: one is enough for a verdict, the others help to find them all


@dataclass(frozen=True)
class Rules:
    """What a deliverable forbids.

    Args:
        operators: regular expressions; an operator whose bare name contains a match is denied.
        allowed: regular expressions; an operator whose whole bare name matches is not.
        sources: regular expressions for `grader.worker.sources`; a name whose whole dotted
            path matches (`torch.nn.functional.conv2d`) is reported where it is written.
        modules: of other packages, which a session cannot import ("scipy.signal").
        functions: of other packages, which raise in a session ("numpy.convolve").
    """

    operators: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


class ForbiddenOperator(RuntimeError):
    """Submitted code reached an operator that the deliverable forbids."""


def forbidden_operators(rules: Rules) -> list[str]:
    """The full names of all registered operators that `rules` deny, overloads included."""
    denied = [re.compile(pattern) for pattern in rules.operators]
    spared = [re.compile(pattern) for pattern in rules.allowed]
    found = []
    for full in torch._C._dispatch_get_all_op_names():
        bare = full.partition("::")[2].partition(".")[0]
        if any(p.search(bare) for p in denied) and not any(p.fullmatch(bare) for p in spared):
            found.append(full)
    return found


def locate(folders: Sequence[str]) -> tuple[str, int] | tuple[None, None]:
    """File and line of the innermost running frame whose code lies in `folders`."""
    inside = tuple(os.path.join(folder, "") for folder in folders)
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(inside):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None, None


def short(file: str, folders: Sequence[str]) -> str:
    """The file's name as its author knows it: relative to its folder of the submission."""
    for folder in folders:
        if file.startswith(os.path.join(folder, "")):
            return clean(os.path.relpath(file, folder), 200)
    return clean(file, 200)


class Denial:
    """Operators that raise `ForbiddenOperator`, until they are given back.

    Args:
        rules: what is forbidden.
        folders: where submitted code lies, so that hits name its lines.

    Attributes:
        hits: what was reached, also where the exception was swallowed; the first of them.
    """

    def __init__(self, rules: Rules, folders: Sequence[str | Path] = ()) -> None:
        self.rules, self.folders = rules, [str(folder) for folder in folders]
        self.hits: list[Hit] = []
        self._denied: set[str] = set()
        self._libraries: dict[str, torch.library.Library] = {}
        self.install()

    def install(self) -> None:
        """Deny what is registered by now; libraries loaded later bring operators of their own."""
        if not self.rules.operators:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # replacing a kernel is announced; it is what we are here for
            for full in set(forbidden_operators(self.rules)) - self._denied:
                self._deny(full)
                self._denied.add(full)

    def make_final(self) -> None:
        """Let nothing in this process lead to what would put the kernels back, not even `gc`.

        Destroying a library's handle does it, and a finalizer of torch's would. The handles are
        C++ objects that the garbage collector does not know; with one reference more and no owner
        they stay for ever.
        """
        kept = list(self._libraries.values())
        for finalizer in list(weakref.finalize._registry):
            about = finalizer.peek()
            if about is not None and any(about[0] is library for library in kept):
                finalizer.detach()
        for library in kept:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(library.m))
            library.m = None
        self._libraries.clear()

    def refuse(self, name: str) -> NoReturn:
        """Record that `name` was reached, and raise."""
        hit = self._hit(name)
        if len(self.hits) < HITS:
            self.hits.append(hit)
        raise ForbiddenOperator(f"{hit} is not allowed in this deliverable")

    def remove(self) -> None:
        """Put the operators' own kernels back."""
        for library in self._libraries.values():
            library._destroy()
        self._libraries.clear()
        self._denied.clear()

    def _deny(self, full: str) -> None:
        namespace, _, operator = full.partition("::")
        name = f"{namespace}::{operator.partition('.')[0]}"

        def refuse(*args: object, **kwargs: object) -> None:
            self.refuse(name)

        if namespace not in self._libraries:
            self._libraries[namespace] = torch.library.Library(namespace, "IMPL")
        for key in _KEYS:
            self._libraries[namespace].impl(operator, refuse, key, allow_override=True)

    def _hit(self, operator: str) -> Hit:
        file, line = locate(self.folders)
        if file is None:
            return Hit(operator)
        return Hit(operator, short(file, self.folders), line, clean(getline(file, line).strip(), 200))


@contextmanager
def forbidden(rules: Rules, folders: Sequence[str | Path] = ()) -> Iterator[list[Hit]]:
    """Forbid operators in this process for the length of a `with` block.

    Args:
        rules: what to forbid.
        folders: where the code under test lies, so that hits name its lines.

    Returns:
        The hits, filled while the block runs; also those whose exception was swallowed.
    """
    denial = Denial(rules, folders)
    try:
        yield denial.hits
    finally:
        denial.remove()
