"""Frames: what is a frame, what is refused, and that values survive the way."""

import msgspec
import numpy as np
import pytest
import torch

from grader.worker import envelopes
from grader.worker import messages as m
from grader.worker.protocol import (
    HEADER_LIMIT,
    MAGIC,
    PREFIX,
    ArraySpec,
    ProtocolError,
    array_spec,
    clean,
    frame,
    lengths,
    raw_bytes,
    split,
)


def _round_trip(*arrays: torch.Tensor | np.ndarray) -> list[torch.Tensor]:
    payload = bytearray(b"".join(bytes(raw_bytes(array)) for array in arrays))
    return split([array_spec(array) for array in arrays], payload)


@pytest.mark.parametrize(
    "array",
    [
        torch.tensor(3.5),
        torch.zeros(0, 3),
        torch.tensor([True, False]),
        torch.tensor([1.5, float("nan"), float("inf")], dtype=torch.bfloat16),
        torch.arange(24).reshape(2, 3, 4).transpose(0, 2),
        torch.randn(3, 2, dtype=torch.complex64).conj(),
        torch.randn(5, requires_grad=True),
    ],
    ids=lambda array: f"{array.dtype}-{tuple(array.shape)}",
)
def test_values_shape_and_dtype_survive(array: torch.Tensor):
    (back,) = _round_trip(array)
    assert back.dtype == array.dtype
    torch.testing.assert_close(back, array.detach().resolve_conj(), rtol=0, atol=0, equal_nan=True)


def test_arrays_after_one_of_odd_length_are_read_where_they_begin():
    first, second = _round_trip(torch.tensor([1, 2, 3], dtype=torch.uint8), torch.tensor([1.25, -2.5]))
    assert first.tolist() == [1, 2, 3] and second.tolist() == [1.25, -2.5]


def test_read_only_numpy_arrays_can_be_sent():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    array.setflags(write=False)
    (back,) = _round_trip(array)
    assert back.tolist() == array.tolist()


def test_bytes_that_are_no_truth_values_become_true():
    (back,) = split([ArraySpec("bool", [3])], bytearray([0, 1, 7]))
    assert back.tolist() == [False, True, True] and back.sum().item() == 2


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        (PREFIX.pack(b"HTTP", 10, 0), "where a frame"),
        (PREFIX.pack(MAGIC, 0, 0), "header of 0 bytes"),
        (PREFIX.pack(MAGIC, HEADER_LIMIT + 1, 0), f"header of {HEADER_LIMIT + 1} bytes"),
        (PREFIX.pack(MAGIC, 10, 101), "payload of 101 bytes where at most 100"),
        (PREFIX.pack(MAGIC, 10, 2**63), "payload of"),
    ],
)
def test_lengths_beyond_the_agreed_are_refused_before_memory_is_set_aside(prefix: bytes, words: str):
    with pytest.raises(ProtocolError, match=words):
        lengths(prefix, payload_limit=100)


@pytest.mark.parametrize(
    "specs",
    [
        [ArraySpec("float32", [3])],
        [ArraySpec("float32", [1]), ArraySpec("float32", [2])],
        [ArraySpec("object", [2])],
        [ArraySpec("float32", [1 << 40] * 8 + [0]), ArraySpec("float64", [1])],
        [],
    ],
)
def test_arrays_that_do_not_fill_the_payload_are_refused(specs: list[ArraySpec]):
    with pytest.raises(ProtocolError):
        split(specs, bytearray(8))


def test_a_header_that_is_too_long_is_not_sent():
    with pytest.raises(ProtocolError, match="header"):
        frame(b"x" * (HEADER_LIMIT + 1), 0)


@pytest.mark.parametrize("character", ["\x1b", "\x00", "\r", "\x9b", "\u202e", "\u2066", "\x7f"])
def test_control_characters_are_removed_by_one_side_and_refused_by_the_other(character: str):
    assert character not in clean(f"a{character}b")
    header = envelopes.ReplyHeader("id", m.Refused(f"a{character}b"))
    with pytest.raises(msgspec.ValidationError):
        envelopes.decode_reply(envelopes.encode(header))


def test_cleaned_text_is_always_accepted():
    text = "".join(map(chr, [*range(0x300), *range(0x2000, 0x2100), 0xD800, 0xDFFF, 0x1F600])) * 4
    header = envelopes.ReplyHeader("id", m.Refused(clean(text)))
    assert envelopes.decode_reply(envelopes.encode(header)) == header


@pytest.mark.parametrize(
    "header",
    [
        b'{"id":"a","message":{"kind":"done"},"extra":1}',
        b'{"id":"a","message":{"kind":"done","points":100}}',
        b'{"id":"a","message":{"kind":"grade"}}',
        b'{"id":"a","message":{"kind":"built","type":"x","is_module":1}}',
        b'{"id":"a"}',
        b"[]",
        b"[" * 10_000,
        b"\xff",
    ],
)
def test_a_header_that_is_not_exactly_a_message_is_refused(header: bytes):
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError, RecursionError)):
        envelopes.decode_reply(header)
