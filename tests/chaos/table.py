"""What really happened, read from the database as its superuser."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from tests.chaos.journal import is_removal
from tests.chaos.reading import digest_of
from tests.chaos.verdict import Step, StoredMessage, Truth

_STEPS = """
select (payload ->> 'pos')::bigint, event, payload -> 'message' ->> 'id', payload ->> 'message_id',
       payload ->> 'reason',
       array(select jsonb_array_elements(case when jsonb_typeof(payload -> 'participants') = 'array'
                                              then payload -> 'participants' else '[]' end) ->> 'user_id'),
       payload -> 'participant' ->> 'user_id'
from realtime.messages where topic like 'spaces:' || %s || ':%%' and payload ? 'pos'
order by 1
"""
_MESSAGES = """
select id::text, seq, revision, content, metadata ->> 'token', user_id::text
from public.room_messages where room_id = %s order by seq
"""


async def read_truth(db_url: str, room_id: UUID) -> Truth:
    """The room's rows, and every step that was published."""
    async with await psycopg.AsyncConnection.connect(db_url) as conn:
        head = await _column(conn, "select head from spaces.room_heads where room_id = %s", room_id)
        steps = await (await conn.execute(_STEPS, [str(room_id)])).fetchall()
        messages = await (await conn.execute(_MESSAGES, [room_id])).fetchall()
    return Truth(
        head=head[0],
        steps=[
            Step(
                pos,
                event,
                message_id or truncated_id or "",
                frozenset(gone if is_removal(reason or "") else ()),
                (user_id or "") if event == "room:participant-joined" else "",
            )
            for pos, event, message_id, truncated_id, reason, gone, user_id in steps
        ],
        messages=[
            StoredMessage(message_id, seq, revision, digest_of(content), token or "", user_id or "")
            for message_id, seq, revision, content, token, user_id in messages
        ],
    )


async def read_online(db_url: str, room_id: UUID) -> dict[str, bool]:
    """The participants' marks, by user id."""
    async with await psycopg.AsyncConnection.connect(db_url) as conn:
        rows = await conn.execute(
            "select user_id::text, is_online from public.room_participants where room_id = %s and status = 'active'",
            [room_id],
        )
        return dict(await rows.fetchall())


async def read_leases(db_url: str, room_id: UUID) -> set[str]:
    """The connections that are live."""
    async with await psycopg.AsyncConnection.connect(db_url) as conn:
        return set(
            await _column(
                conn,
                "select connection_id::text from spaces.connections where room_id = %s and ended_at is null",
                room_id,
            )
        )


async def read_head(db_url: str, room_id: UUID) -> int:
    """How many steps the room has taken."""
    async with await psycopg.AsyncConnection.connect(db_url) as conn:
        (head,) = await _column(conn, "select head from spaces.room_heads where room_id = %s", room_id)
    return head


async def read_growing(db_url: str, room_id: UUID) -> int:
    """How many messages are still being written, or were left by somebody who died."""
    async with await psycopg.AsyncConnection.connect(db_url) as conn:
        return len(
            await _column(
                conn, "select 1 from public.room_messages where room_id = %s and status = 'streaming'", room_id
            )
        )


async def _column(conn: psycopg.AsyncConnection, statement: str, room_id: UUID) -> list[Any]:
    cursor = await conn.execute(statement.encode(), [room_id])
    return [row[0] for row in await cursor.fetchall()]
