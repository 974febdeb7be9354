"""The process that has torch imported and forks a fresh session from itself on request.

It never runs submitted code. It adopts the orphans of its sessions, so that whatever they
leave behind stays below it in the process tree, where the grader finds it.
"""

import gc
import importlib
import os
import select
import signal
import socket
from math import inf

import psutil

from . import linux, modules, session_process
from .channel import receive_exactly
from .envelopes import decode_opening
from .forbid import Denial, Rules
from .protocol import EXIT_STATUS, PREFIX, lengths
from .walls import Walls


def preload(packages: list[str]) -> None:
    """Import what sessions would otherwise import one by one; what is missing is left out."""
    for package in filter(None, packages):
        try:
            importlib.import_module(package)
        except ImportError:
            continue


def serve(control: socket.socket, walls: Walls) -> None:
    """Fork a session per opening until the control connection is closed.

    Forbidden operators are denied before the fork, so that consecutive sessions under the
    same rules share the work. With an opening come three descriptors: the session's connection,
    the pipe for what it prints, and a pipe that this process writes the session's exit status to.
    """
    linux.adopt_orphans()
    linux.go_on_without_parent()  # not killed: all that sessions have started is still to be ended
    wake, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()  # so that a collection in a session does not copy every page
    statuses: dict[int, tuple[int, float]] = {}  # process -> descriptor to tell, CPU seconds allowed
    denial = Denial(Rules())
    control.sendall(b"+")
    while True:
        ready, _, _ = select.select([control, wake], [], [])
        if wake in ready:
            wake.recv(4096)
            _reap(statuses)
        if control in ready:
            prefix, descriptors, _, _ = socket.recv_fds(control, PREFIX.size, 3)
            if not prefix:
                break
            header_length, _ = lengths(prefix, 0)
            opening = decode_opening(receive_exactly(control, header_length))
            rules = Rules(opening.operators, opening.allowed, functions=opening.functions)
            if denial.rules != rules:
                modules.preload_owners(rules.functions)
                denial.remove()
                denial = Denial(rules)
            walls.before_fork()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                session_process.run(opening, walls, denial, *descriptors[:2])
            statuses[pid] = descriptors[2], opening.limits.get("CPU", inf)
            for descriptor in descriptors[:2]:
                os.close(descriptor)
    _end_descendants()


def _reap(statuses: dict[int, tuple[int, float]]) -> None:
    """Collect the dead; pass on how a session ended."""
    while True:
        try:
            pid, status, used = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in statuses:
            descriptor, allowed = statuses.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            # Process 1 of a namespace is not sent SIGXCPU first, but killed at once.
            if code == -signal.SIGKILL and used.ru_utime + used.ru_stime >= allowed:
                code = -signal.SIGXCPU
            try:
                os.write(descriptor, EXIT_STATUS.pack(code))
            except BrokenPipeError:
                pass  # the grader is no longer interested
            os.close(descriptor)


def _end_descendants() -> None:
    """The grader is gone: leave nothing behind."""
    while descendants := psutil.Process().children(recursive=True):
        for process in descendants:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        _reap({})
