"""Asks the policies on `realtime.messages`, as the user, in transactions that are rolled back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import cast

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.join_config import Replay
from spaces_sdk.local.realtime.settings import RealtimeSettings
from spaces_sdk.local.realtime.tokens import Token

_log = logging.getLogger(__name__)

_PROBE_ROWS = """
insert into realtime.messages (id, topic, extension)
select * from unnest(%s::uuid[], array_fill(%s::text, array[%s]), %s::text[])
"""
# The role last: it may not set the others once it is someone else's.
_CONTEXT = """
select set_config('realtime.topic', %(topic)s, true),
       set_config('request.jwt.claims', %(claims)s, true),
       set_config('request.jwt.claim.sub', %(sub)s, true),
       set_config('request.jwt.claim.role', %(role)s, true),
       set_config('request.headers', %(headers)s, true),
       set_config('role', %(role)s, true)
"""
_READABLE = "select extension from realtime.messages where id = any(%s::uuid[])"
_WRITE = "insert into realtime.messages (topic, extension) values (%s, %s)"
_REPLAY = """
select id::text, event, payload::text, binary_payload
from realtime.messages
where topic = %s and private and extension = 'broadcast'
  and inserted_at >= to_timestamp(%s / 1000.0) at time zone 'utc'
  and inserted_at < clock_timestamp() at time zone 'utc' + interval '1 minute'
order by inserted_at desc
limit %s
"""

# By whole days: the real server drops the partition of a day.
_FORGET = """
delete from realtime.messages
where inserted_at < date_trunc('day', (now() at time zone 'utc') - make_interval(secs => %s))
"""

_Connection = psycopg.AsyncConnection[tuple[object, ...]]


class Extension(Enum):
    """What a policy may tell apart."""

    BROADCAST = "broadcast"
    PRESENCE = "presence"


class PolicyFailedError(Exception):
    """A policy could not be evaluated."""


class DatabaseUnavailableError(Exception):
    """The database could not be asked: nothing is known about the right."""


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a policy is asked."""

    token: Token
    headers: Mapping[str, str]
    """The `x-` headers of the upgrade or the request."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it lies in `realtime.messages`."""

    message_id: str
    event: str | None
    payload_json: str | None
    binary: bytes | None


class Authorizer:
    """A few connections to the database, and the questions that go over them.

    Args:
        settings: Where the database is, and how long to wait for it.
        on_use: Called before each question.
    """

    def __init__(self, settings: RealtimeSettings, *, on_use: Callable[[], None] | None = None) -> None:
        self._on_use = on_use
        self._timeout_s = settings.database_timeout_s
        milliseconds = int(settings.database_timeout_s * 1000)
        self._pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            settings.db_url,
            min_size=1,
            max_size=settings.database_connections,
            max_waiting=1000,
            timeout=settings.database_timeout_s,
            reconnect_timeout=5.0,
            open=False,
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "application_name": "realtime_authorization",
                "connect_timeout": 5,
                "options": f"-c timezone=UTC -c statement_timeout={milliseconds}",
            },
        )

    async def open(self) -> None:
        """Begin to connect, without waiting for the database."""
        await self._pool.open(wait=False)

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._pool.close(timeout=2.0)

    async def readable(self, topic: str, caller: Caller, extensions: Sequence[Extension]) -> frozenset[Extension]:
        """Which of the extensions the caller may read on a topic.

        An SQL error in a policy, and a role that does not exist, are plain denials.

        Raises:
            DatabaseUnavailableError: It could not be asked.
        """
        ids = [uuid.uuid4() for _ in extensions]
        names = [extension.value for extension in extensions]
        try:
            async with self._connection() as connection, _rolled_back(connection):
                await connection.execute(_PROBE_ROWS, (ids, topic, len(ids), names))
                await connection.execute(_CONTEXT, _context(topic, caller))
                cursor = await connection.execute(_READABLE, (ids,))
                rows = await cursor.fetchall()
        except psycopg.Error as error:
            _log.warning("the read policies of a topic failed: %s", _describe(error))
            return frozenset()
        return frozenset(Extension(cast("str", row[0])) for row in rows)

    async def writable(self, topic: str, caller: Caller, extensions: Sequence[Extension]) -> frozenset[Extension]:
        """Which of the extensions the caller may write on a topic.

        Raises:
            PolicyFailedError: A policy failed with an SQL error: nothing is known about any of them.
            DatabaseUnavailableError: It could not be asked.
        """
        allowed: set[Extension] = set()
        for extension in extensions:
            try:
                async with self._connection() as connection, _rolled_back(connection):
                    await connection.execute(_CONTEXT, _context(topic, caller))
                    await connection.execute(_WRITE, (topic, extension.value))
            except psycopg.errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                _log.warning("the write policies of a topic failed: %s", _describe(error))
                raise PolicyFailedError from error
            allowed.add(extension)
        return frozenset(allowed)

    async def stored_messages(self, topic: str, replay: Replay) -> list[StoredMessage]:
        """The newest stored private messages of a topic, oldest first.

        Raises:
            DatabaseUnavailableError: It could not be asked.
        """
        try:
            async with self._connection() as connection:
                cursor = await connection.execute(_REPLAY, (topic, replay.since_ms, replay.limit))
                rows = await cursor.fetchall()
        except psycopg.Error as error:
            raise DatabaseUnavailableError(_describe(error)) from error
        messages = [StoredMessage(*cast("tuple[str, str | None, str | None, bytes | None]", row)) for row in rows]
        messages.reverse()
        return messages

    async def forget_old_messages(self, retention_h: float) -> None:
        """Delete the stored messages of the days before so many hours ago.

        Raises:
            DatabaseUnavailableError: It could not be asked.
        """
        try:
            async with self._connection() as connection:
                await connection.execute(_FORGET, (retention_h * 3600,))
        except psycopg.Error as error:
            raise DatabaseUnavailableError(_describe(error)) from error

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[_Connection]:
        if self._on_use is not None:
            self._on_use()
        try:
            async with asyncio.timeout(self._timeout_s), self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, TimeoutError) as error:
            raise DatabaseUnavailableError("no connection to the database in time") from error
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate.startswith(("08", "57P", "53")):
                raise DatabaseUnavailableError(_describe(error)) from error
            raise


@asynccontextmanager
async def _rolled_back(connection: _Connection) -> AsyncGenerator[None]:
    # The pipeline sends the whole transaction in one go: one round trip for each question.
    async with connection.pipeline(), connection.transaction(force_rollback=True):
        yield


def _context(topic: str, caller: Caller) -> dict[str, str]:
    claims = caller.token.claims
    subject = claims.get("sub")
    return {
        "topic": topic,
        "claims": wire.dumps(claims),
        "sub": subject if isinstance(subject, str) else "",
        "role": caller.token.role,
        "headers": wire.dumps(caller.headers),
    }


def _describe(error: psycopg.Error) -> str:
    return f"{error.sqlstate or type(error).__name__} {' '.join(str(error).split())}"
