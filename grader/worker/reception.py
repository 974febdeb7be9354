"""A frame on its way in, received piece by piece without ever waiting for it."""

from .protocol import PREFIX, lengths


class Incoming:
    """A frame that is being received: prefix, header, payload."""

    def __init__(self, payload_limit: int) -> None:
        self.payload_limit = payload_limit
        self.header, self.payload = bytearray(), bytearray()
        self._prefix = bytearray(PREFIX.size)
        self._parts = [self._prefix]
        self.missing = memoryview(self._prefix)  # of the part that is being filled

    @property
    def complete(self) -> bool:
        """Whether the whole frame is here."""
        return len(self._parts) == 3 and not self.missing

    def received(self, count: int) -> None:
        """`count` bytes of `missing` have been filled."""
        self.missing = self.missing[count:]
        if not self.missing and len(self._parts) == 1:
            header_length, payload_length = lengths(bytes(self._prefix), self.payload_limit)
            self.header, self._payload_length = bytearray(header_length), payload_length
            self._next(self.header)
        if not self.missing and len(self._parts) == 2:
            self.payload = bytearray(self._payload_length)
            self._next(self.payload)

    def _next(self, part: bytearray) -> None:
        self._parts.append(part)
        self.missing = memoryview(part)
