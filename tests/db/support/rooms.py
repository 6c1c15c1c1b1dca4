"""Rooms with people in them, made through the functions that users call."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tests.db.support.actors import Actor, Json
from tests.db.support.database import Database
from tests.db.support.realtime import Broadcast, broadcasts, topic_of


@dataclass(frozen=True, slots=True)
class Member:
    """A participant with one connection."""

    actor: Actor
    connection: UUID

    @property
    def id(self) -> UUID:
        """The user's id."""
        return self.actor.id


@dataclass(frozen=True, slots=True)
class Space:
    """A room under test.

    Attributes:
        host: Its creator, who has not joined it yet.
        born_at: Its head when it was made.
    """

    db: Database
    id: UUID
    code: str
    host: Actor
    born_at: int

    async def call(self, who: Actor | Member, rpc: str, **arguments: Any) -> Any:
        """Call a function for this room."""
        actor = who.actor if isinstance(who, Member) else who
        return await self.db.call(actor, rpc, p_room_id=self.id, **arguments)

    async def admit(self, who: Actor) -> None:
        """Let somebody look the room up by its code, which admits them to a join."""
        answer = await self.db.call(who, "get_room_by_code", p_code=self.code)
        assert answer["ok"], answer

    async def enter(self, who: Actor, name: str | None = None, *, connection: UUID | None = None) -> Member:
        """Let somebody join, by the code unless they are the host."""
        member = Member(who, connection or uuid4())
        await self.join(member, name)
        return member

    async def join(self, member: Member, name: str | None = None) -> Json:
        """As `enter`, for a known connection id; what `join_room` answers."""
        if member.actor is not self.host:
            await self.admit(member.actor)
        answer: Json = await self.call(
            member, "join_room", p_display_name=name or member.actor.label, p_connection_id=member.connection
        )
        assert answer["ok"], answer
        return answer

    async def newcomer(self, label: str = "newcomer", **claims: Any) -> Member:
        """A new account that has joined."""
        return await self.enter(await self.db.user(label, **claims))

    async def appointed(self, label: str) -> Actor:
        """A new moderator, let in by an invitation: also into a private room."""
        made = await self.call(self.host, "create_invitation")
        actor = await self.db.user(label)
        assert (await self.db.call(actor, "accept_invitation", p_token=made["token"]))["ok"]
        assert (await self.call(actor, "join_room", p_display_name=label, p_connection_id=uuid4()))["ok"]
        await self.call(self.host, "revoke_invitation", p_invitation_id=made["invitation"]["id"])
        await self.call(self.host, "set_participant_role", p_user_id=actor.id, p_role="moderator")
        return actor

    async def say(self, who: Actor | Member, content: str = "hello", **arguments: Any) -> Json:
        """Insert a message; the stored one."""
        answer = await self.call(who, "insert_message", p_content=content, **arguments)
        assert answer["ok"], answer
        message: Json = answer["message"]
        return message

    async def head(self) -> int:
        """The room's change counter."""
        return await self.db.value("select head from spaces.room_heads where room_id = %s", [self.id])

    async def epoch(self) -> int:
        """The epoch of the room's topic."""
        return await self.db.value("select epoch from spaces.room_heads where room_id = %s", [self.id])

    async def topic(self) -> str:
        """The room's topic of now."""
        return topic_of(self.id, await self.epoch())

    async def broadcasts(self, *, after: int = 0) -> list[Broadcast]:
        """What was published, oldest first, without the oldest `after` ones."""
        return await broadcasts(self.db, self.id, after=after)

    async def messages(self) -> list[Json]:
        """The stored messages, by `seq`."""
        return await self.db.sql("select * from public.room_messages where room_id = %s order by seq", [self.id])

    async def participant(self, who: Actor | Member) -> Json:
        """Somebody's row."""
        (row,) = await self.db.sql(
            "select * from public.room_participants where room_id = %s and user_id = %s", [self.id, who.id]
        )
        return row

    async def live_count(self) -> int:
        """How many users have a live lease."""
        return await self.db.value(
            """select count(distinct user_id) from spaces.connections
               where room_id = %s and ended_at is null and expires_at > clock_timestamp()""",
            [self.id],
        )

    async def expire(self, *members: Member) -> None:
        """Let the connections' leases have run out a second ago."""
        await self.db.sql(
            "update spaces.connections set expires_at = now() - interval '1 second' where connection_id = any(%s)",
            [[member.connection for member in members]],
        )

    async def age(self, who: Actor | Member, seconds: int) -> None:
        """Let a participant have been seen last so many seconds before they were."""
        await self.db.sql(
            """update public.room_participants set last_seen = last_seen - make_interval(secs => %s),
                 joined_at = joined_at - make_interval(secs => %s) where room_id = %s and user_id = %s""",
            [seconds, seconds, self.id, who.id],
        )


async def open_space(db: Database, host: Actor | None = None, **arguments: Any) -> Space:
    """A new room, which nobody has joined yet.

    Args:
        host: Whose room; None makes an account.
        arguments: Further arguments of `create_room`.
    """
    host = host or await db.user("host")
    answer = await db.call(host, "create_room", **{"p_name": "Friday jam", **arguments})
    assert answer["ok"], answer
    return Space(db, UUID(answer["room"]["id"]), answer["room"]["room_code"], host, answer["head"])


async def check_steps(space: Space) -> None:
    """Each step of the room was published once, in order, up to its head; each message and change has its own."""
    events, messages = await space.broadcasts(), await space.messages()
    positions = [event.pos for event in events if event.pos is not None]
    assert positions == list(range(space.born_at + 1, await space.head() + 1))
    received = {event.message_id: event.pos for event in events if event.event == "room:message-received"}
    assert received == {str(row["id"]): row["seq"] for row in messages}
    changed = {event.message_id: event.pos for event in events if event.event == "room:message-updated"}
    assert received | changed == {str(row["id"]): row["revision"] for row in messages}


async def empty_buckets(db: Database, who: Actor | Member) -> None:
    """Let somebody have used up every limit of theirs, for the next minute at least."""
    await db.sql(
        "update spaces.rate_buckets set tokens = 0, refilled_at = now() + interval '1 minute' where user_id = %s",
        [who.id],
    )


# Counts of calls go on when a call changes nothing: that is what they are for.
_COUNTERS = ("spaces.rate_buckets",)


async def digest(db: Database) -> dict[str, str]:
    """A fingerprint of each table of ours, and of all that was published."""
    tables = await db.column(
        """select format('%I.%I', relnamespace::regnamespace::text, relname) from pg_class
           where relkind in ('r', 'p') and (relnamespace in ('public'::regnamespace, 'spaces'::regnamespace)
                                            or oid = 'realtime.messages'::regclass)"""
    )
    sums = (
        f"select '{table}' as name, concat(count(*), ' rows, ', sum(hashtextextended(t::text, 0))) as contents"
        f" from {table} t"
        for table in sorted(set(tables) - set(_COUNTERS))
    )
    return {row["name"]: row["contents"] for row in await db.sql(" union all ".join(sums))}


@asynccontextmanager
async def unchanged(db: Database) -> AsyncGenerator[None]:
    """What happens inside changes no row of ours, takes no step and publishes nothing."""
    before = await digest(db)
    yield
    after = await digest(db)
    assert {table for table in after if after[table] != before.get(table)} == set()
