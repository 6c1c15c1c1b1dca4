"""The COPY BOTH state of a libpq connection as a non-blocking stream on the event loop."""

from __future__ import annotations

import asyncio
from typing import Protocol

from psycopg.pq.abc import PGconn


class StreamEndedError(Exception):
    """The other side ended the stream, or the connection is gone."""


class CopyStream:
    """Reads and writes copy data; one reader at a time.

    `confirmed_lsn` is the position last told to the server on this connection.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._loop = asyncio.get_running_loop()
        self.confirmed_lsn = 0

    def next_piece(self) -> bytes | None:
        """The next piece that is already here; None when more must be waited for.

        Raises:
            StreamEndedError: No more will come.
        """
        count, data = self._pgconn.get_copy_data(1)
        if count > 0:
            return bytes(data)
        if count == 0:
            return None
        result = self._pgconn.get_result()
        reason = "" if result is None else result.error_message.decode("utf-8", "replace")
        raise StreamEndedError(reason or "the database ended the stream")

    async def wait_readable(self, within_s: float) -> bool:
        """Take in what has arrived; False if nothing did in time."""
        ready = self._loop.create_future()
        descriptor = self._pgconn.socket
        self._loop.add_reader(descriptor, _set, ready)
        try:
            async with asyncio.timeout(within_s):
                await ready
        except TimeoutError:
            return False
        finally:
            self._loop.remove_reader(descriptor)
        self._pgconn.consume_input()
        return True

    async def send(self, data: bytes) -> None:
        """Send one message to the server."""
        self._pgconn.put_copy_data(data)
        await self.flush()

    async def flush(self) -> None:
        """Return when all that was put is with the kernel."""
        while self._pgconn.flush():
            ready = self._loop.create_future()
            descriptor = self._pgconn.socket
            self._loop.add_writer(descriptor, _set, ready)
            try:
                await ready
            finally:
                self._loop.remove_writer(descriptor)
            self._pgconn.consume_input()


class _Settable(Protocol):
    def done(self) -> bool: ...
    def set_result(self, result: None, /) -> None: ...


def _set(future: _Settable) -> None:
    if not future.done():
        future.set_result(None)
