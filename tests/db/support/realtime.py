"""What the Realtime server asks the database, and what it would have sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from tests.db.support.actors import Actor, Json
from tests.db.support.database import Connection, Database, fetch


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A row of realtime.messages, as a subscriber would see it."""

    topic: str
    event: str
    payload: Json
    is_private: bool

    @property
    def pos(self) -> int | None:
        """The room's step that this is; None for what is not durable."""
        return self.payload.get("pos")

    @property
    def message_id(self) -> str:
        """The message that this is about, also when it went without its content."""
        message: Json | None = self.payload["message"]
        return self.payload["message_id"] if message is None else message["id"]

    @property
    def epoch(self) -> int:
        """The epoch in the topic."""
        return int(self.topic.rpartition(":")[2])


def topic_of(room_id: UUID | str, epoch: int) -> str:
    """The topic of a room, as the contract writes it."""
    return f"spaces:{room_id}:{epoch}"


async def broadcasts(database: Database, room_id: UUID | str, *, after: int = 0) -> list[Broadcast]:
    """All that was published for a room, oldest first.

    Args:
        after: Skips so many of the oldest.
    """
    rows = await database.sql(
        """select topic, event, payload, private from realtime.messages
           where split_part(topic, ':', 2) = %s order by test_order""",
        [str(room_id)],
    )
    return [Broadcast(row["topic"], row["event"], row["payload"], row["private"]) for row in rows][after:]


def named(events: Iterable[Broadcast], *names: str) -> list[Broadcast]:
    """Those with one of the names."""
    return [event for event in events if event.event in names]


async def may_read(database: Database, who: Actor, topic: str, *, extension: str = "broadcast") -> bool:
    """Whether a private join by this user is allowed: probe rows, selected as the user, rolled back.

    An error of a policy comes through: it would look like a plain denial there, and our policies must never raise.
    """
    async with database.superuser.connection() as connection, connection.transaction(force_rollback=True):
        (probe,) = await fetch(
            connection,
            "insert into realtime.messages (topic, extension) values (%s, %s) returning id",
            [topic, extension],
        )
        await _as_realtime_user(connection, who, topic)
        return bool(await fetch(connection, "select id from realtime.messages where id = %s", [probe["id"]]))


async def may_write(
    database: Database,
    who: Actor,
    topic: str,
    *,
    extension: str = "broadcast",
    event: str | None = None,
    payload: Any = None,
) -> bool:
    """Whether a first broadcast or track by this user is allowed: an insert as the user, rolled back.

    The server probes with neither event nor payload; with them it is what a user might try by plain SQL.
    """
    async with database.superuser.connection() as connection, connection.transaction(force_rollback=True):
        await _as_realtime_user(connection, who, topic)
        try:
            await fetch(
                connection,
                "insert into realtime.messages (topic, extension, event, payload) values (%s, %s, %s, %s)",
                [topic, extension, event, None if payload is None else Jsonb(payload)],
            )
        except psycopg.errors.InsufficientPrivilege:
            return False
        return True


async def _as_realtime_user(connection: Connection, who: Actor, topic: str) -> None:
    subject = str(who.claims.get("sub", ""))
    await connection.execute(
        """select set_config('role', %s, true), set_config('realtime.topic', %s, true),
                  set_config('request.jwt.claims', %s, true), set_config('request.jwt.claim.sub', %s, true),
                  set_config('request.jwt.claim.role', %s, true), set_config('request.headers', '{}', true)""",
        [who.role, topic, json.dumps(who.claims), subject, who.role],
    )
