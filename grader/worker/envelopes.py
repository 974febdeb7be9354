"""What messages travel in: the headers of frames, and the order to open a session.

Used on both sides, so it imports nothing of this project but its siblings.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from .messages import Hit, Message, Request
from .protocol import ArraySpec, Size


class RequestHeader(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The header of a frame to the worker."""

    id: str
    request: Request
    reply_bytes: Size
    arrays: list[ArraySpec] = []


class ReplyHeader(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The header of a frame from the worker; `id` is the request's."""

    id: Annotated[str, msgspec.Meta(max_length=64)]
    message: Message
    final: bool = True
    hits: list[Hit] = []
    arrays: list[ArraySpec] = []


@dataclass(frozen=True)
class Opening:
    """What the zygote is told to fork a session; three descriptors come with it."""

    files: dict[str, str]  # module name -> file
    packages: dict[str, str]  # package name -> folder
    scratch: str
    scratch_bytes: int
    scratch_files: int
    jit_cache: str  # folder with compiled kernels, "" for none
    keeps_jit_cache: bool
    threads: int
    seed: int
    limits: dict[str, int]  # resource (RLIMIT_ name without the prefix) -> value
    operators: tuple[str, ...]
    allowed: tuple[str, ...]
    modules: tuple[str, ...]
    functions: tuple[str, ...]


decode_request = msgspec.json.Decoder(RequestHeader).decode
decode_reply = msgspec.json.Decoder(ReplyHeader).decode
decode_opening = msgspec.json.Decoder(Opening).decode
encode = msgspec.json.Encoder().encode
