"""One import of torch for two: the process that both the grader and its worker are forked from.

torch's import holds some 300 MB of memory that cannot be shared between two programs, and a container
of 768 MB has no room for it twice. So a process that has imported torch and nothing of this project
but this file forks a *stem* before it becomes the grader; the stem forks a worker's zygote whenever
it is asked to. It has never seen a seed, a label or a line of the grader.

Needs Linux, and a tier without namespaces of the worker's own: `bwrap` is another program.
"""

import gc
import json
import os
import runpy
import socket
import sys
import traceback
from collections.abc import Sequence

LONGEST = 1 << 16  # bytes of a request: a command line with its folders


class Stem:
    """The grader's end: asks for zygotes.

    Args:
        connection: to the stem.
        pid: of the stem.
    """

    def __init__(self, connection: socket.socket, pid: int):
        self._connection, self.pid = connection, pid

    def fork(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        environment: dict[str, str],
        folder: str,
        files: Sequence[int],
    ) -> int:
        """Run a Python program in a fork of the stem, as a leader of its own session.

        Args:
            program: path of the file.
            arguments: `sys.argv[1:]`. One of them that reads "{connection}" becomes the number there of `files[0]`.
            environment: all of it.
            folder: to work in.
            files: a connection, and where standard error goes.

        Returns:
            Its process id. It is a child of whoever adopts orphans here (`linux.adopt_orphans`).

        Raises:
            OSError: the stem is gone, or could not fork.
        """
        request = json.dumps([program, list(arguments), environment, folder]).encode()
        socket.send_fds(self._connection, [request], files)
        pid = int.from_bytes(self._connection.recv(8), "big")
        if not pid:
            raise ChildProcessError("the process that forks workers has ended or could not fork")
        return pid


def grow() -> Stem:
    """Fork the stem from this process, which has imported what is to be shared and has one thread."""
    gc.collect()
    gc.freeze()  # a collection would write to, and so copy, every page
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        try:
            _serve(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return Stem(ours, pid)


def _serve(connection: socket.socket) -> None:
    """Fork on request until the grader is gone."""
    while True:
        request, files, _, _ = socket.recv_fds(connection, LONGEST, 2)
        if not request:
            return
        reading, writing = os.pipe()
        # By way of a child that ends at once, so that the grader, and not the stem, becomes the parent.
        between = os.fork()
        if between == 0:
            zygote = os.fork()
            if zygote == 0:
                _become(files, *json.loads(request))
            os.write(writing, zygote.to_bytes(8, "big"))
            os._exit(0)
        os.waitpid(between, 0)
        os.close(writing)
        connection.send(os.read(reading, 8) or bytes(8))
        for descriptor in (reading, *files):
            os.close(descriptor)


def _become(files: list[int], program: str, arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """What `exec` of a new Python would do, with torch there already."""
    status = 1
    try:
        os.setsid()
        os.chdir(folder)
        nothing = os.open(os.devnull, os.O_RDWR)
        connection = os.dup2(files[0], 3 + max(nothing, *files))
        for descriptor, place in ((nothing, 0), (nothing, 1), (files[1], 2)):
            os.dup2(descriptor, place)
        os.dup2(connection, 3)
        os.closerange(4, 1 << 16)
        os.environ.clear()
        os.environ.update(environment)
        sys.dont_write_bytecode = True
        sys.argv = [program, *(argument.replace("{connection}", "3") for argument in arguments)]
        runpy.run_path(program, run_name="__main__")
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(status)
