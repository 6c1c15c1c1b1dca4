"""The decoder of the replication stream."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.local.realtime.pgoutput import (
    Begin,
    Commit,
    DecodingError,
    Ignored,
    Insert,
    Keepalive,
    PgOutputDecoder,
    format_lsn,
    standby_status,
)

pytestmark = pytest.mark.unit

RELATION = (
    b"R" + struct.pack("!I", 7) + b"realtime\0messages\0" + b"d" + struct.pack("!H", 2)
    + b"\x01id\0" + struct.pack("!Ii", 2950, -1)
    + b"\x00topic\0" + struct.pack("!Ii", 25, -1)
)  # fmt: skip


def _xlog(data: bytes) -> bytes:
    return b"w" + struct.pack("!QQq", 1, 2, 3) + data


def _insert(*values: str | None, oid: int = 7) -> bytes:
    encoded = [
        b"n" if value is None else b"t" + struct.pack("!I", len(value.encode())) + value.encode() for value in values
    ]
    return _xlog(b"I" + struct.pack("!I", oid) + b"N" + struct.pack("!H", len(values)) + b"".join(encoded))


def test_a_transaction_is_read() -> None:
    decoder = PgOutputDecoder()
    assert decoder.decode(_xlog(b"B" + struct.pack("!QqI", 0x16B3748, 0, 9))) == Begin(0x16B3748)
    assert decoder.decode(_xlog(RELATION)) == Ignored("R")
    assert decoder.decode(_insert("abc", "room:ü")) == Insert("realtime.messages", {"id": "abc", "topic": "room:ü"})
    assert decoder.decode(_insert(None, "")).row == {"id": None, "topic": ""}  # type: ignore[union-attr]
    assert decoder.decode(_xlog(b"C" + struct.pack("!BQQq", 0, 5, 6, 0))) == Commit(6)
    assert decoder.decode(_xlog(b"T")) == Ignored("T")


def test_keepalives_are_read() -> None:
    assert PgOutputDecoder().decode(b"k" + struct.pack("!QqB", 99, 0, 1)) == Keepalive(99, True)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"w", b"k\x00", _insert("1", "2"), _xlog(b"B\x00"), _xlog(b"R\x00\x00\x00\x01abc")]
)
def test_what_does_not_fit_is_an_error(data: bytes) -> None:
    with pytest.raises(DecodingError):
        PgOutputDecoder().decode(data)


def test_a_row_of_another_shape_is_an_error() -> None:
    decoder = PgOutputDecoder()
    decoder.decode(_xlog(RELATION))
    with pytest.raises(DecodingError):
        decoder.decode(_insert("only one"))


@given(st.binary(max_size=80))
def test_rubbish_raises_nothing_else(data: bytes) -> None:
    decoder = PgOutputDecoder()
    decoder.decode(_xlog(RELATION))
    for framed in (data, _xlog(data)):
        try:
            decoder.decode(framed)
        except DecodingError:
            continue


def test_the_status_counts_microseconds_from_2000() -> None:
    status = standby_status(0x1_0000_00FF, now=946_684_801.5, wants_reply=True)
    assert struct.unpack("!cQQQqB", status) == (b"r", *[0x1_0000_00FF] * 3, 1_500_000, 1)
    assert format_lsn(0x1_0000_00FF) == "1/FF"
