"""Follows the inserts into `realtime.messages` by logical replication and hands them on in commit order.

The slot is permanent, so nothing is lost while the connection, this process or Postgres is down: a
position is confirmed only after its rows were handed on, and rows that come a second time after a
reconnect are left out. With `faithful_loss` the slot is temporary, as on the real server: what is
inserted while the connection is down is never delivered.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable, Mapping

import psycopg
from psycopg import errors, sql
from psycopg.pq import ExecStatus

from spaces_sdk.clock import Clock
from spaces_sdk.local.realtime.copy_stream import CopyStream, StreamEndedError
from spaces_sdk.local.realtime.pgoutput import (
    Begin,
    Commit,
    DecodingError,
    Insert,
    Keepalive,
    PgOutputDecoder,
    format_lsn,
    standby_status,
)
from spaces_sdk.local.realtime.settings import RealtimeSettings

_log = logging.getLogger(__name__)

APPLICATION_NAME = "realtime_replication_connection"
_ROWS_BETWEEN_PAUSES = 200
"""Rows handed on before the loop gets a turn."""
_BYTES_BETWEEN_PAUSES = 1_000_000
"""Bytes handed on before it gets one: so that what has gathered for the clients can go out."""

RowHandler = Callable[[Mapping[str, str | None]], None]


class _NotYetError(Exception):
    """The database is up, but not yet ready to be followed."""


class ReplicationFollower:
    """Keeps the stream up for as long as `run` runs.

    Args:
        settings: Where, which slot, which waits.
        on_row: Called with each inserted row, in commit order; must not block. What it raises is
            logged and costs that row only.
        clock: Time.
        jitter: Randomness of the waits between attempts.
    """

    def __init__(
        self, settings: RealtimeSettings, on_row: RowHandler, *, clock: Clock, jitter: random.Random | None = None
    ) -> None:
        self._settings = settings
        self._on_row = on_row
        self._clock = clock
        self._random = jitter or random.Random()  # noqa: S311  # spreads retries
        self._streaming = asyncio.Event()
        self._fault = "not yet connected to the database"
        self._confirmed_lsn = 0
        self._open_lsn = 0
        self._open_rows = 0
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def is_streaming(self) -> bool:
        """True while the stream is up."""
        return self._streaming.is_set()

    @property
    def fault(self) -> str:
        """Why the stream is down; empty while it is up."""
        return "" if self.is_streaming else self._fault

    async def wait_streaming(self) -> None:
        """Return once the stream is up."""
        await self._streaming.wait()

    def pause(self) -> None:
        """Once the stream ends, connect again only after `resume`."""
        self._wanted.clear()

    def resume(self) -> None:
        """Connect again at once after a `pause`. Idempotent."""
        self._wanted.set()

    async def run(self) -> None:
        """Connect, follow, and connect again after each loss, until cancelled."""
        settings = self._settings
        delay, cap = settings.reconnect_base_s, settings.reconnect_cap_s
        while True:
            await self._wanted.wait()
            try:
                await self._follow()
            except (OSError, psycopg.Error, StreamEndedError, DecodingError, _NotYetError) as error:
                if self.is_streaming:
                    delay = settings.reconnect_base_s
                    if settings.faithful_loss:
                        delay, cap = settings.faithful_reconnect_base_s, settings.faithful_reconnect_cap_s
                self._report(error)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next attempt may do
                _log.exception("the database stream failed")
                self._report(error)
            except asyncio.CancelledError:
                self._fault = "the server is stopping"
                raise
            finally:
                self._streaming.clear()
            if self._wanted.is_set():
                await self._clock.sleep(delay * (0.5 + self._random.random() / 2))
                delay = min(delay * 2, cap)

    def _report(self, error: Exception) -> None:
        fault = " ".join(str(error).split()) or type(error).__name__
        if fault != self._fault:
            _log.warning("the database stream is down: %s", fault)
        self._fault = fault

    async def _follow(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._settings.db_url,
            autocommit=True,
            replication="database",
            application_name=APPLICATION_NAME,
            connect_timeout=5,
        )
        try:
            await self._start(connection)
            stream = CopyStream(connection.pgconn)
            self._streaming.set()
            self._fault = ""
            _log.info("the database stream is up")
            await self._read(stream)
        finally:
            await connection.close()

    async def _start(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        settings = self._settings
        publication = await connection.execute(
            sql.SQL("select from pg_catalog.pg_publication where pubname = {}").format(settings.publication)
        )
        if await publication.fetchone() is None:
            # A slot made before its publication would fail at every row from in between.
            raise _NotYetError(f"the publication {settings.publication} is not there yet")
        slot = f"{settings.slot_name}_{os.getpid()}" if settings.faithful_loss else settings.slot_name
        await self._make_slot(connection, slot)
        # From where this process left off: the server would otherwise begin at what it has on record as confirmed.
        start = 0 if settings.faithful_loss else self._confirmed_lsn
        query = b"START_REPLICATION SLOT %b LOGICAL %b (proto_version '1', publication_names %b)" % (
            sql.Identifier(slot).as_bytes(connection),
            format_lsn(start).encode(),
            sql.Literal(f'"{settings.publication}"').as_bytes(connection),
        )
        await _enter_copy_both(connection, query)

    async def _make_slot(self, connection: psycopg.AsyncConnection[tuple[object, ...]], slot: str) -> None:
        cursor = await connection.execute(
            sql.SQL(
                "select database = current_database(), database, wal_status = 'lost'"
                " from pg_catalog.pg_replication_slots where slot_name = {}"
            ).format(slot)
        )
        found = await cursor.fetchone()
        if found is not None:
            is_ours, database, is_lost = found
            if not is_ours:
                raise _NotYetError(f"the slot {slot} belongs to the database {database}: choose another slot_name")
            if not is_lost:
                return
            _log.warning("the slot %s was invalidated: it is made anew, messages since then are lost", slot)
            await connection.execute(sql.SQL("DROP_REPLICATION_SLOT {}").format(sql.Identifier(slot)))
        life = sql.SQL("TEMPORARY " if self._settings.faithful_loss else "")
        query = sql.SQL("CREATE_REPLICATION_SLOT {} {}LOGICAL pgoutput (SNAPSHOT 'nothing')")
        await connection.execute(query.format(sql.Identifier(slot), life))
        # A new slot knows nothing of positions from before it.
        self._confirmed_lsn = self._open_lsn = self._open_rows = 0

    async def _read(self, stream: CopyStream) -> None:
        decoder = PgOutputDecoder()
        rows = size = 0
        in_transaction = False
        skip = 0
        silent = False
        while True:
            data = stream.next_piece()
            if data is None and await self._confirm(stream):
                # What waited to be sent may have taken more in, and the socket does not tell of that again.
                data = stream.next_piece()
            if data is None:
                if await stream.wait_readable(self._settings.replication_silence_s):
                    silent = False
                    continue
                if silent:
                    raise StreamEndedError("the database has fallen silent")
                silent = True
                await self._confirm(stream, wants_reply=True)
                continue
            match decoder.decode(data):
                case Begin(final_lsn):
                    in_transaction = True
                    skip = self._open_rows if final_lsn == self._open_lsn else 0
                    self._open_lsn, self._open_rows = final_lsn, skip
                case Insert(_, row):
                    if skip:
                        skip -= 1
                        continue
                    self._open_rows += 1
                    self._hand_on(row)
                    rows, size = rows + 1, size + len(data)
                    if rows >= _ROWS_BETWEEN_PAUSES or size >= _BYTES_BETWEEN_PAUSES:
                        rows = size = 0
                        await asyncio.sleep(0)
                case Commit(end_lsn):
                    in_transaction = False
                    self._confirmed_lsn = max(self._confirmed_lsn, end_lsn)
                case Keepalive(wal_end, wants_reply):
                    if not in_transaction:
                        self._confirmed_lsn = max(self._confirmed_lsn, wal_end)
                    if wants_reply:
                        # Also when there is nothing new: the server ends a connection that does not answer.
                        await self._confirm(stream, is_due=True)
                case _:
                    pass

    def _hand_on(self, row: Mapping[str, str | None]) -> None:
        try:
            self._on_row(row)
        except Exception:  # noqa: BLE001  # one bad row must not end the stream for all
            _log.exception("a message from the database could not be handed on")

    async def _confirm(self, stream: CopyStream, *, is_due: bool = False, wants_reply: bool = False) -> bool:
        if not is_due and not wants_reply and self._confirmed_lsn <= stream.confirmed_lsn:
            return False
        status = standby_status(self._confirmed_lsn, now=self._clock.now().timestamp(), wants_reply=wants_reply)
        await stream.send(status)
        stream.confirmed_lsn = self._confirmed_lsn
        return True


async def _enter_copy_both(connection: psycopg.AsyncConnection[tuple[object, ...]], query: bytes) -> None:
    pgconn = connection.pgconn
    pgconn.send_query(query)
    stream = CopyStream(pgconn)
    await stream.flush()
    while pgconn.is_busy():
        if not await stream.wait_readable(5.0):
            raise StreamEndedError("the database does not answer")
    result = pgconn.get_result()
    if result is None:
        raise StreamEndedError("the database ended the connection")
    if result.status != ExecStatus.COPY_BOTH:
        raise errors.error_from_result(result, encoding="utf-8")
