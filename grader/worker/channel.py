"""The worker's end of the connection: blocking reads and writes of whole frames."""

import socket
from collections.abc import Sequence

from .protocol import PREFIX, Array, frame, lengths, raw_bytes


def receive_exactly(connection: socket.socket, count: int) -> bytearray | None:
    """`count` bytes; None if the other side has closed the connection."""
    received = bytearray(count)
    view = memoryview(received)
    while view:
        got = connection.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return received


def receive(connection: socket.socket, payload_limit: int) -> tuple[bytes, bytearray] | None:
    """Header and payload of the next frame; None if the grader has closed the connection."""
    prefix = receive_exactly(connection, PREFIX.size)
    if prefix is None:
        return None
    header_length, payload_length = lengths(bytes(prefix), payload_limit)
    header = receive_exactly(connection, header_length)
    payload = receive_exactly(connection, payload_length)
    return None if header is None or payload is None else (bytes(header), payload)


def send(connection: socket.socket, header: bytes, arrays: Sequence[Array]) -> None:
    """One frame with `arrays` as its payload."""
    parts = [raw_bytes(array) for array in arrays]
    connection.sendall(frame(header, sum(len(part) for part in parts)))
    for part in parts:
        connection.sendall(part)
