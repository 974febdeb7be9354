"""One session with submitted code: requests, deadlines, and how it ended."""

import contextlib
import os
import secrets
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import torch

from .envelopes import ReplyHeader, RequestHeader, decode_reply, encode
from .failures import LOST, Verdict, WorkerFailure, death
from .limits import Limits
from .messages import Hit, Message, Request
from .naming import check_named
from .processes import Usage
from .protocol import EXIT_STATUS, Array, ProtocolError, array_spec, clean, frame, raw_bytes, split
from .reception import Incoming

GRACE = 1.0  # seconds between the end of a connection and the news of its process's end
WATCH = 0.25  # seconds between two looks at memory and processes


@dataclass(frozen=True)
class Reply:
    """What a worker answered: nothing in it is to be believed before it is checked."""

    message: Message
    arrays: list[torch.Tensor]
    hits: list[Hit]  # forbidden operators that were reached since the last reply


class Session:
    """A fresh process that has imported nothing of the submission yet; made by `Worker.session`.

    Args:
        connection: where requests go and replies come from.
        output: read end of what the session prints.
        status: read end of what the zygote tells about the session's end.
        limits: ceilings.
        usage: what the session's processes hold at this moment.
        ended: called once, when the session is over, to end all its processes; told whether
            the zygote is gone.
        pulse: called some times a second while a reply is awaited; what it raises ends the session.
    """

    def __init__(
        self,
        connection: socket.socket,
        output: int,
        status: int,
        limits: Limits,
        usage: Callable[[], Usage],
        ended: Callable[[bool], None],
        pulse: Callable[[], None],
    ) -> None:
        self._pulse = pulse
        self._connection, self._output, self._status = connection, output, status
        self._limits, self._usage, self._ended = limits, usage, ended
        self._tail, self._printed = b"", 0
        self._output_ended = False
        self._exit: int | None = None
        self._failure: WorkerFailure | None = None
        self._received = Incoming(0)
        connection.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        for descriptor in (output, status):
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ)

    def request(
        self, message: Request, arrays: Sequence[Array] = (), *, wall: float, reply_bytes: int = 1 << 20
    ) -> Reply:
        """Send one request and wait for its reply.

        Args:
            message: what to do.
            arrays: the arrays that `message` names by index.
            wall: seconds by the grader's clock, after which every process of the session is killed.
            reply_bytes: the most bytes of arrays that the reply may hold.

        Raises:
            WorkerFailure: no proper reply came; the session is over.
        """
        replies = list(self.stream(message, arrays, wall=wall, reply_bytes=reply_bytes, most=1))
        return replies[-1]

    def stream(
        self,
        message: Request,
        arrays: Sequence[Array] = (),
        *,
        wall: float,
        reply_bytes: int = 1 << 20,
        most: int = 1000,
    ) -> Iterator[Reply]:
        """Send one request and yield its replies, the last of which is final.

        Args:
            wall: seconds for all replies together.
            reply_bytes: the most bytes of arrays in each of them.
            most: the most replies.
        """
        if self._failure:
            raise WorkerFailure(self._failure.verdict, f"the session had ended: {self._failure.reason}")
        deadline = time.monotonic() + wall
        token = secrets.token_hex(8)
        header = RequestHeader(token, message, reply_bytes, [array_spec(array) for array in arrays])
        parts = [raw_bytes(array) for array in arrays]
        outgoing = [memoryview(frame(encode(header), sum(map(len, parts)))), *parts]
        final = False
        try:
            for _ in range(most):
                self._exchange(outgoing, deadline, wall, reply_bytes)
                reply, final = self._take(token, len(arrays))
                yield reply
                if final:
                    return
            raise WorkerFailure("invalid", f"more than {most} replies to one request")
        except ProtocolError as error:
            raise self._fail("invalid", f"the worker sent {clean(error, 300)}") from None
        except WorkerFailure as failure:
            raise self._fail(failure.verdict, failure.reason, failure.computed) from None
        finally:
            if not final:
                self._fail("error", "its replies were not awaited")

    def output_tail(self) -> str:
        """The end of what the session has printed, without control characters."""
        if self._failure is None:
            with contextlib.suppress(WorkerFailure):
                self._read_output()
        return clean(self._tail.decode("utf-8", "replace"), self._limits.output_tail)

    def close(self) -> None:
        """End the session and every process it started."""
        if self._failure is None:
            self._fail("error", "it was closed")

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------------- inside
    def _fail(self, verdict: Verdict, reason: str, computed: float = 0.0) -> WorkerFailure:
        if self._failure is None:
            self._failure = WorkerFailure(verdict, reason, computed)
            self._ended(self._exit == LOST)
            with contextlib.suppress(WorkerFailure):
                self._read_output()
            self._selector.close()
            self._output_ended = True
            self._connection.close()
            os.close(self._output)
            os.close(self._status)
        return self._failure

    def _exchange(self, outgoing: list[memoryview], deadline: float, wall: float, reply_bytes: int) -> None:
        """Write `outgoing` and read until one whole frame has come."""
        incoming = self._received
        incoming.payload_limit = reply_bytes
        looked = time.monotonic()
        computed: list[float] = []  # at each look
        while outgoing or not incoming.complete:
            now = time.monotonic()
            if now >= deadline:
                used = computed[-1] - computed[0] if computed else 0.0
                raise WorkerFailure("timeout", f"no answer within {wall:g} s", used)
            if now - looked >= WATCH:
                self._pulse()
                computed.append(self._watch())
                looked = now
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if outgoing else 0)
            self._selector.modify(self._connection, events)
            for key, ready in self._selector.select(min(WATCH, deadline - now)):
                if key.fileobj == self._output:
                    self._read_output()
                elif key.fileobj == self._status:
                    self._read_status()
                else:
                    if ready & selectors.EVENT_WRITE:
                        self._write(outgoing)
                    if ready & selectors.EVENT_READ:
                        self._read(incoming)
            if self._exit is not None:
                self._read(incoming)  # what it had sent before it ended
                if not incoming.complete:
                    raise death(self._exit)

    def _take(self, token: str, sent: int) -> tuple[Reply, bool]:
        """Decode the frame that has come, and make room for the next."""
        incoming, self._received = self._received, Incoming(0)
        try:
            header: ReplyHeader = decode_reply(bytes(incoming.header))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"a header that is no message: {error}") from None
        if header.id != token:
            raise ProtocolError("a reply that belongs to no request")
        check_named(header.message, len(header.arrays), sent)
        return Reply(header.message, split(header.arrays, incoming.payload), header.hits), header.final

    def _write(self, outgoing: list[memoryview]) -> None:
        try:
            while outgoing:
                sent = self._connection.send(outgoing[0])
                outgoing[0] = outgoing[0][sent:]
                if not outgoing[0]:
                    outgoing.pop(0)
        except BlockingIOError:
            pass
        except OSError:
            outgoing.clear()  # closed at the other end: reading tells how

    def _read(self, incoming: "Incoming") -> None:
        try:
            while not incoming.complete:
                got = self._connection.recv_into(incoming.missing)
                if not got:
                    raise self._closed()
                incoming.received(got)
        except BlockingIOError:
            pass
        except ConnectionError:
            raise self._closed() from None

    def _closed(self) -> WorkerFailure:
        """Why there is no connection any more: as a rule because the process has ended."""
        until = time.monotonic() + GRACE
        while self._exit is None and time.monotonic() < until:
            time.sleep(0.002)
            self._read_status()
        if self._exit is None:
            return WorkerFailure("error", "the submission closed the connection to the grader")
        return death(self._exit)

    def _read_status(self) -> None:
        with contextlib.suppress(BlockingIOError):
            status = os.read(self._status, EXIT_STATUS.size)
            self._exit = EXIT_STATUS.unpack(status)[0] if len(status) == EXIT_STATUS.size else LOST

    def _read_output(self) -> None:
        """Take what was printed, and keep the end of it."""
        if self._output_ended:
            return
        try:
            for _ in range(16):
                printed = os.read(self._output, 1 << 16)
                if not printed:
                    self._output_ended = True
                    self._selector.unregister(self._output)
                    return
                self._printed += len(printed)
                self._tail = (self._tail + printed)[-self._limits.output_tail :]
        except BlockingIOError:
            pass
        if self._printed > self._limits.output_bytes:
            raise WorkerFailure("killed", f"it printed more than {self._limits.output_bytes >> 20} MiB")

    def _watch(self) -> float:
        """End a session that holds more than its share of the machine; its seconds of CPU time."""
        held = self._usage()
        if held.processes > self._limits.processes:
            raise WorkerFailure("killed", f"{held.processes} processes at once, allowed are {self._limits.processes}")
        if held.resident > self._limits.resident:
            most = self._limits.resident >> 20
            raise WorkerFailure("killed", f"memory: {held.resident >> 20} MiB in use, allowed are {most} MiB")
        if held.files > self._limits.scratch_files:
            raise WorkerFailure("killed", f"disk: it made more than {self._limits.scratch_files:,} files")
        if held.file_bytes > self._limits.scratch_bytes:
            raise WorkerFailure("killed", f"disk: its files take more than {self._limits.scratch_bytes >> 20} MiB")
        return held.computed
