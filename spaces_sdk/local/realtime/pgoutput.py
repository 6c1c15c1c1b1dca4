"""Decoder of pgoutput, protocol version 1, and of the streaming replication messages around it; no I/O.

Source: PostgreSQL's documentation, "Streaming Replication Protocol" and "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

_POSTGRES_EPOCH_S = 946_684_800
"""2000-01-01 in unix seconds; replication timestamps count microseconds from there."""

_XLOG_DATA = ord("w")
_KEEPALIVE = ord("k")
_XLOG_HEAD = struct.Struct("!QQq")
_KEEPALIVE_BODY = struct.Struct("!QqB")
_STATUS = struct.Struct("!cQQQqB")


class DecodingError(Exception):
    """The stream holds what the documented format does not allow."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction starts; it is known to have committed at `final_lsn`."""

    final_lsn: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction ends; `end_lsn` is the first position after it."""

    end_lsn: int


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row: text values by column; a null is None, and what was not sent is missing."""

    relation: str
    row: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Keepalive:
    """The server is alive and has sent all up to `wal_end`."""

    wal_end: int
    wants_reply: bool


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that carries nothing for us."""

    tag: str


ReplicationMessage = Begin | Commit | Insert | Keepalive | Ignored


@dataclass(frozen=True, slots=True)
class _Relation:
    name: str
    columns: tuple[str, ...]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise DecodingError("a message is cut short")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def string(self) -> str:
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise DecodingError("a string has no end")
        piece = self._data[self._at : end]
        self._at = end + 1
        return piece.decode()


class PgOutputDecoder:
    """Turns the copy data of one replication connection into messages; remembers the relations seen."""

    def __init__(self) -> None:
        self._relations: dict[int, _Relation] = {}

    def decode(self, data: bytes) -> ReplicationMessage:
        """Read one piece of copy data.

        Raises:
            DecodingError: It does not fit the format; the connection cannot be used further.
        """
        try:
            if data[0] == _XLOG_DATA:
                return self._logical(data[1 + _XLOG_HEAD.size :])
            if data[0] == _KEEPALIVE:
                wal_end, _sent_at, wants_reply = _KEEPALIVE_BODY.unpack_from(data, 1)
                return Keepalive(wal_end, bool(wants_reply))
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise DecodingError(str(error)) from error
        raise DecodingError(f"unknown message {data[:1]!r}")

    def _logical(self, data: bytes) -> ReplicationMessage:
        tag, reader = chr(data[0]), _Reader(data[1:])
        match tag:
            case "B":
                return Begin(reader.unsigned(8))
            case "C":
                reader.take(1 + 8)
                return Commit(reader.unsigned(8))
            case "R":
                self._remember_relation(reader)
                return Ignored(tag)
            case "I":
                return self._insert(reader)
            case _:
                return Ignored(tag)

    def _remember_relation(self, reader: _Reader) -> None:
        oid = reader.unsigned(4)
        name = f"{reader.string()}.{reader.string()}"
        reader.take(1)
        columns: list[str] = []
        for _ in range(reader.unsigned(2)):
            reader.take(1)
            columns.append(reader.string())
            reader.take(8)
        self._relations[oid] = _Relation(name, tuple(columns))

    def _insert(self, reader: _Reader) -> Insert:
        oid = reader.unsigned(4)
        relation = self._relations.get(oid)
        if relation is None or reader.take(1) != b"N":
            raise DecodingError("a row without its relation")
        count = reader.unsigned(2)
        if count != len(relation.columns):
            raise DecodingError("a row of another shape than its relation")
        row: dict[str, str | None] = {}
        for column in relation.columns:
            match reader.take(1):
                case b"n":
                    row[column] = None
                case b"t":
                    row[column] = reader.take(reader.unsigned(4)).decode()
                case _:
                    # An unchanged TOAST value: cannot be in an insert, and is not there to be read.
                    continue
        return Insert(relation.name, row)


def standby_status(lsn: int, *, now: float, wants_reply: bool = False) -> bytes:
    """The message that confirms all up to `lsn`.

    Args:
        lsn: First position that is still wanted.
        now: Unix seconds.
        wants_reply: Ask the server for a keepalive at once.
    """
    microseconds = int((now - _POSTGRES_EPOCH_S) * 1_000_000)
    return _STATUS.pack(b"r", lsn, lsn, lsn, microseconds, int(wants_reply))


def format_lsn(lsn: int) -> str:
    """A position as Postgres writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
