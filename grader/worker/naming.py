"""Whether the arrays that a reply names are there; who forges a reply may name any."""

from collections.abc import Iterator

import msgspec

from .messages import Message
from .protocol import ProtocolError

_OF_THE_REPLY = ("index", "passes", "rows", "values", "gradients", "parameter_gradients")
_OF_THE_REQUEST = ("changed_inputs",)


def check_named(message: Message, received: int, sent: int) -> None:
    """Refuse a message that names arrays beyond those that came.

    Args:
        message: a reply.
        received: arrays that came with it.
        sent: arrays of its request.

    Raises:
        ProtocolError: it names another.
    """
    if any(index >= received for index in _indices(message, _OF_THE_REPLY)):
        raise ProtocolError(f"a reply that names an array beyond its {received}")
    if any(index >= sent for index in _indices(message, _OF_THE_REQUEST)):
        raise ProtocolError(f"a reply that names an array beyond the {sent} of the request")


def _indices(value: object, fields: tuple[str, ...], named: bool = False) -> Iterator[int]:
    """All numbers in fields of these names, at any depth."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _indices(getattr(value, field), fields, field in fields)
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _indices(item, fields, named)
    elif named and type(value) is int:
        yield value
