"""The reader of the replication stream, on a stream that a test writes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import cast

import pytest

from spaces_sdk.local.realtime.copy_stream import CopyStream, StreamEndedError
from spaces_sdk.local.realtime.replication import ReplicationFollower
from spaces_sdk.local.realtime.settings import RealtimeSettings
from tests.support.clock import FakeClock
from tests.unit.realtime_server.test_pgoutput import RELATION

pytestmark = pytest.mark.unit


def _xlog(data: bytes) -> bytes:
    return b"w" + struct.pack("!QQq", 1, 2, 3) + data


def _transaction(topic: str, end_lsn: int) -> list[bytes]:
    text = topic.encode()
    row = b"n" + b"t" + struct.pack("!I", len(text)) + text
    return [
        _xlog(b"B" + struct.pack("!QqI", end_lsn - 1, 0, 9)),
        _xlog(RELATION),
        _xlog(b"I" + struct.pack("!I", 7) + b"N" + struct.pack("!H", 2) + row),
        _xlog(b"C" + b"\0" + struct.pack("!QQq", end_lsn - 1, end_lsn, 0)),
    ]


class ScriptedStream:
    """A stream whose buffer grows while something is sent, and whose socket stays silent."""

    def __init__(self, here: list[bytes], arriving: list[bytes]) -> None:
        self.confirmed_lsn = 0
        self._here = here
        self._arriving = arriving

    def next_piece(self) -> bytes | None:
        return self._here.pop(0) if self._here else None

    async def send(self, data: bytes) -> None:
        del data
        self._here, self._arriving = [*self._here, *self._arriving], []

    async def wait_readable(self, within_s: float) -> bool:
        del within_s
        raise StreamEndedError("the script is over")


async def test_what_is_taken_in_while_a_position_is_confirmed_is_handed_on_at_once() -> None:
    """Libpq reads while it waits to write; the socket does not become readable a second time for that."""
    topics: list[str | None] = []

    def on_row(row: Mapping[str, str | None]) -> None:
        topics.append(row["topic"])

    settings = RealtimeSettings(db_url="postgresql://nobody", jwt_secret="-")
    follower = ReplicationFollower(settings, on_row, clock=FakeClock())
    stream = ScriptedStream(_transaction("first", 10), _transaction("second", 20))
    with pytest.raises(StreamEndedError):
        await follower._read(cast("CopyStream", stream))  # pyright: ignore[reportPrivateUsage]
    assert topics == ["first", "second"]
