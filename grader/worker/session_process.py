"""A session's process, from the fork to its end: descriptors, limits, then requests."""

import contextlib
import hashlib
import os
import random
import resource
import shutil
import socket
import sys
import tempfile
import traceback

import numpy as np
import torch

from . import linux, modules
from .channel import receive, send
from .envelopes import Opening, ReplyHeader, decode_request, encode
from .forbid import Denial
from .messages import Hit, Refused
from .operations import Operations
from .outgoing import Answer
from .protocol import CONNECTION_LOST, ProtocolError, array_spec, split
from .walls import Walls

REQUEST_LIMIT = 1 << 32  # bytes of arrays in one request; CIFAR-10 as float32 has 0.6e9
CONNECTION = 3


def run(opening: Opening, walls: Walls, denial: Denial, connection: int, output: int) -> None:
    """Become the session, and never return."""
    try:
        _descriptors(connection, output)
        writable = [opening.jit_cache] if opening.keeps_jit_cache else []
        hidden = modules.folders_of(opening.modules)
        walls.enter(
            opening.scratch, opening.scratch_bytes, opening.scratch_files, writable=writable, hidden=hidden
        )
        linux.die_with_parent()
        os.chdir(opening.scratch)
        _environment(opening, _jit_cache(opening))
        _limits(opening)
        denial.make_final()
        denial.folders = modules.install(opening.files, opening.packages, opening.modules, denial.refuse)
        modules.replace(opening.functions, denial.refuse)
        _serve(socket.socket(fileno=CONNECTION), Operations(denial), denial.hits)
    except BaseException:
        with contextlib.suppress(BaseException):  # their standard error may be anything by now
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(CONNECTION_LOST)
    os._exit(0)


def _descriptors(connection: int, output: int) -> None:
    """Nothing stays open but the connection, the output and an empty input."""
    first_free = 1 + max(connection, output)
    nothing = os.open(os.devnull, os.O_RDONLY)
    connection = os.dup2(connection, first_free + 3)
    output = os.dup2(output, first_free + 4)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(connection, CONNECTION)
    os.closerange(CONNECTION + 1, 1 << 16)
    os.set_inheritable(CONNECTION, False)
    sys.stdin = open(0)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115


def _jit_cache(opening: Opening) -> str:
    """The folder for compiled kernels: the session's own, with a copy of what was kept."""
    if opening.keeps_jit_cache:
        return opening.jit_cache
    folder = os.path.join(opening.scratch, "jit")
    if opening.jit_cache:
        shutil.copytree(opening.jit_cache, folder)
    else:
        os.mkdir(folder)
    return folder


def _environment(opening: Opening, jit_cache: str) -> None:
    """Folders to write to, numbers of threads, and the state of the random generators."""
    threads = str(opening.threads)
    for name in ("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR"):
        os.environ[name] = opening.scratch
    os.environ.update(NUMBA_CACHE_DIR=jit_cache, NUMBA_NUM_THREADS=threads, OMP_NUM_THREADS=threads)
    os.environ["USER"] = "student"  # of whom there is no entry among the system's users
    tempfile.tempdir = None
    torch.set_num_threads(opening.threads)
    torch.manual_seed(opening.seed)
    np.random.seed(opening.seed % 2**32)
    random.seed(opening.seed)
    if "numba" in sys.modules:  # it read the environment when it was imported
        sys.modules["numba"].config.reload_config()
        _find_compiled_by_relative_path(os.path.dirname(opening.scratch))


def _find_compiled_by_relative_path(base: str) -> None:
    """numba files machine code under the path of its source, which is another one in each run."""
    from numba.core import caching  # imported with numba

    def subpath(cls: type, file: str) -> str:
        return hashlib.sha256(os.path.relpath(os.path.dirname(file), base).encode()).hexdigest()[:32]

    caching._CacheLocator.get_suitable_cache_subpath = classmethod(subpath)


def _limits(opening: Opening) -> None:
    for name, value in opening.limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        present = resource.getrlimit(kind)[1]
        soft = value if present == resource.RLIM_INFINITY else min(value, present)
        # At the soft limit of CPU time comes SIGXCPU, at the hard one SIGKILL, which says less.
        hard = soft + 1 if name == "CPU" and soft != present else soft
        try:
            resource.setrlimit(kind, (soft, hard))
        except (ValueError, OSError):  # macOS does not know every limit that it names
            continue


def _serve(connection: socket.socket, operations: Operations, hits: list[Hit]) -> None:
    """Carry out one request after the other until the grader hangs up."""
    while (received := receive(connection, REQUEST_LIMIT)) is not None:
        header = decode_request(received[0])
        arrays = split(header.arrays, received[1])
        received = None  # whoever carries the request out may let go of the arrays

        def reply(answer: Answer, final: bool, request: str = header.id) -> None:
            reported, hits[:] = list(hits), []
            specs = [array_spec(array) for array in answer.arrays]
            try:
                send(connection, encode(ReplyHeader(request, answer.message, final, reported, specs)), answer.arrays)
            except ProtocolError as error:
                refusal = Refused(f"the reply cannot be sent: {error}")
                send(connection, encode(ReplyHeader(request, refusal, final, reported)), [])

        def interim(answer: Answer) -> None:
            reply(answer, final=False)

        answer = operations.answer(header.request, arrays, header.reply_bytes, interim)
        with contextlib.suppress(BaseException):  # they are the submission's to replace
            sys.stdout.flush()
            sys.stderr.flush()
        reply(answer, final=True)
        del arrays, answer
