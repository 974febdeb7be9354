"""Frames between the grader and a worker: a strict header and raw tensor bytes.

A frame is a fixed prefix (magic, header length, payload length), a header in JSON
that decodes into exactly one declared message, and the bytes of the arrays that the
header describes, one after the other. Both lengths are checked against a ceiling
before a byte of memory is set aside for them. Nothing is ever unpickled.

Used on both sides, so it imports nothing of this project.
"""

import re
import struct
from math import prod
from typing import Annotated

import msgspec
import numpy as np
import torch

PREFIX = struct.Struct("!4sIQ")
MAGIC = b"CHB1"
EXIT_STATUS = struct.Struct("!i")  # what a zygote writes when a session's process has ended
CONNECTION_LOST = 70  # exit status of a session that cannot reach the grader any more
HEADER_LIMIT = 64 * 1024
ARRAY_LIMIT = 1024  # arrays in one frame: a network of this course has under 200

_UNSAFE = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_unsafe = re.compile(f"[{_UNSAFE}]")
TEXT_LENGTH = 1000
# No control characters but the line feed, none that reorder text on a terminal.
Text = Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH, pattern=f"^[^{_UNSAFE}]*$")]
Size = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
Index = Annotated[int, msgspec.Meta(ge=0, lt=ARRAY_LIMIT)]

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.complex64, torch.complex128,
    )
}  # fmt: skip
Array = torch.Tensor | np.ndarray


class ProtocolError(Exception):
    """What arrived is not a frame of this protocol."""


class ArraySpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How to read one array out of the payload."""

    dtype: Annotated[str, msgspec.Meta(max_length=16)]
    shape: Annotated[list[Size], msgspec.Meta(max_length=16)]

    @property
    def nbytes(self) -> int:
        """Bytes that the array takes; `ProtocolError` for a dtype that is not sent."""
        if self.dtype not in DTYPES:
            raise ProtocolError(f"an array of dtype {self.dtype!r}, which is not one of {', '.join(DTYPES)}")
        return prod(self.shape) * DTYPES[self.dtype].itemsize


def clean(text: object, length: int = TEXT_LENGTH) -> str:
    """`text` as the other side will accept it: short, and without control characters."""
    try:
        plain = str(text)
    except BaseException as error:  # a student's own __str__ may do anything
        plain = f"<text that cannot be shown: {type(error).__name__}>"
    plain = _unsafe.sub("?", plain[: 4 * length].expandtabs(4).replace("\r\n", "\n"))
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def array_spec(array: Array) -> ArraySpec:
    """The description that goes into the header."""
    return ArraySpec(str(array.dtype).removeprefix("torch."), list(array.shape))


def raw_bytes(array: Array) -> memoryview:
    """The array's values in C order, without a copy where it lies so already."""
    if isinstance(array, np.ndarray):
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    else:
        flat = array.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy()
    return memoryview(flat)


def frame(header: bytes, payload_length: int) -> bytes:
    """The prefix and header of a frame whose payload follows."""
    if len(header) > HEADER_LIMIT:
        raise ProtocolError(f"a header of {len(header)} bytes, the most is {HEADER_LIMIT}")
    return PREFIX.pack(MAGIC, len(header), payload_length) + header


def lengths(prefix: bytes, payload_limit: int) -> tuple[int, int]:
    """Header and payload length of the frame that begins with `prefix`.

    Raises:
        ProtocolError: not a frame, or one that is larger than agreed.
    """
    magic, header_length, payload_length = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise ProtocolError(f"bytes {magic!r} where a frame of this protocol begins with {MAGIC!r}")
    if not 0 < header_length <= HEADER_LIMIT:
        raise ProtocolError(f"a header of {header_length} bytes, allowed are 1 to {HEADER_LIMIT}")
    if payload_length > payload_limit:
        raise ProtocolError(f"a payload of {payload_length} bytes where at most {payload_limit} were asked for")
    return header_length, payload_length


def check_specs(specs: list[ArraySpec], payload_length: int) -> None:
    """Refuse a header whose arrays do not fill the payload exactly."""
    described = sum(spec.nbytes for spec in specs)
    if described != payload_length:
        raise ProtocolError(f"arrays of {described} bytes described, a payload of {payload_length} bytes sent")


def split(specs: list[ArraySpec], payload: bytearray) -> list[torch.Tensor]:
    """The payload's arrays as tensors that share its memory."""
    check_specs(specs, len(payload))
    arrays, offset = [], 0
    for spec in specs:
        dtype, count = DTYPES[spec.dtype], prod(spec.shape)
        # A copy where the offset is not a multiple of the element size: torch wants aligned memory.
        if count == 0:
            flat = torch.empty(0, dtype=dtype)
        elif dtype is torch.bool:  # bytes other than 0 and 1 are no truth values
            flat = torch.frombuffer(payload, dtype=torch.uint8, count=count, offset=offset) != 0
        elif offset % dtype.itemsize:
            flat = torch.frombuffer(payload[offset : offset + spec.nbytes], dtype=dtype)
        else:
            flat = torch.frombuffer(payload, dtype=dtype, count=count, offset=offset)
        try:
            arrays.append(flat.reshape(spec.shape))
        except RuntimeError:  # no elements, and sizes whose product overflows
            raise ProtocolError(f"an array of the impossible shape {spec.shape}") from None
        offset += spec.nbytes
    return arrays
