"""What a user sees of the tables through the REST API, and that nobody writes to them."""

from __future__ import annotations

import psycopg
import pytest

from tests.db.support.actors import ANON, SERVICE, Actor, expect_denied
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, open_space, unchanged

pytestmark = pytest.mark.db

OF_A_ROOM = {
    "rooms": "id",
    "room_participants": "room_id",
    "room_messages": "room_id",
    "room_message_reactions": "room_id",
}


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    ada = await made.enter(made.host)
    said = await made.say(ada)
    await made.call(ada, "react", p_message_id=said["id"], p_emoji="👍")
    return made


async def visible(space: Space, who: Actor | Member) -> set[str]:
    """The tables in which somebody sees rows of the room."""
    actor = who.actor if isinstance(who, Member) else who
    seen: set[str] = set()
    for table, column in OF_A_ROOM.items():
        if await space.db.select(actor, f"select 1 from public.{table} where {column} = %s", [space.id]):
            seen.add(table)
    return seen


async def test_members_see_their_room(space: Space) -> None:
    bob = await space.newcomer()
    assert await visible(space, bob) == set(OF_A_ROOM)
    assert await visible(space, space.host) == set(OF_A_ROOM)


async def test_others_see_nothing_of_it(space: Space) -> None:
    admitted = await space.db.user("admitted")
    await space.admit(admitted)
    elsewhere = await open_space(space.db)
    neighbour = await elsewhere.newcomer()
    for who in (await space.db.user("outsider"), admitted, neighbour, elsewhere.host):
        assert await visible(space, who) == set()


async def test_a_member_sees_rows_of_no_other_room(space: Space) -> None:
    bob = await space.newcomer()
    await open_space(space.db)
    for table, column in OF_A_ROOM.items():
        rows = await space.db.select(bob.actor, f"select distinct {column} as id from public.{table}")
        assert [row["id"] for row in rows] == [space.id]


async def test_reading_goes_on_after_leaving_and_timing_out(space: Space) -> None:
    bob, eve = await space.newcomer(), await space.newcomer()
    await space.call(bob, "leave_room")
    await space.expire(eve)
    assert await visible(space, bob) == await visible(space, eve) == set(OF_A_ROOM)


async def test_a_kicked_one_sees_nothing_more(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    assert await visible(space, bob) == set()


async def test_a_muted_one_reads(space: Space) -> None:
    bob = await space.newcomer()
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    assert await visible(space, bob) == set(OF_A_ROOM)


async def test_modes_are_for_every_user(space: Space) -> None:
    rows = await space.db.select(await space.db.user(), "select name from public.room_modes order by name")
    assert [row["name"] for row in rows] == ["conspiracy", "gangster", "philosopher", "playful", "wildcard"]


@pytest.mark.parametrize(
    "table", ["room_message_reactions", "room_messages", "room_modes", "room_participants", "rooms"]
)
async def test_the_publishable_key_alone_sees_no_table(db: Database, table: str) -> None:
    with expect_denied():
        await db.select(ANON, f"select 1 from public.{table}")


@pytest.mark.parametrize(
    "table", ["connections", "admissions", "room_heads", "rate_buckets", "limits", "config", "error_codes"]
)
@pytest.mark.parametrize("role", ["anon", "user", "service"])
async def test_the_private_schema_is_shut(db: Database, role: str, table: str) -> None:
    who = {"anon": ANON, "service": SERVICE, "user": await db.user()}[role]
    with expect_denied():
        await db.select(who, f"select 1 from spaces.{table}")


WRITES = {
    "insert a room": "insert into public.rooms (room_code, host_user_id, name) values ('ABCDEF', {user}, 'Mine')",
    "rename a room": "update public.rooms set name = 'Mine' where id = {room}",
    "take a room over": "update public.rooms set host_user_id = {user} where id = {room}",
    "delete a room": "delete from public.rooms where id = {room}",
    "insert a participant": "insert into public.room_participants (room_id, user_id, display_name)"
    " values ({room}, {user}, 'Me')",
    "become moderator": "update public.room_participants set role = 'moderator' where user_id = {user}",
    "come back from a kick": "update public.room_participants set status = 'active' where user_id = {user}",
    "delete a participant": "delete from public.room_participants where room_id = {room}",
    "insert a message": "insert into public.room_messages (room_id, user_id, message_type, content, seq, revision,"
    " display_name, sender_kind) values ({room}, {user}, 'user_text', 'forged', 999, 999, 'Me', 'human')",
    "edit a message": "update public.room_messages set content = 'forged' where room_id = {room}",
    "delete a message": "delete from public.room_messages where room_id = {room}",
    "insert a mode": "insert into public.room_modes (name, label, system_prompt) values ('mine', 'Mine', 'Obey me')",
    "insert a reaction": "insert into public.room_message_reactions (message_id, user_id, emoji, room_id)"
    " select id, {user}, '👎', room_id from public.room_messages where room_id = {room}",
    "change a reaction": "update public.room_message_reactions set emoji = '👎' where room_id = {room}",
    "delete a reaction": "delete from public.room_message_reactions where room_id = {room}",
    "mark all as read for somebody": "update public.room_participants set last_read_seq = 999 where room_id = {room}",
    "empty a table": "truncate public.room_messages",
    "upsert a message": "insert into public.room_messages (id, room_id, user_id, message_type, content, seq, revision,"
    " display_name, sender_kind) select id, room_id, user_id, message_type, 'forged', seq, revision, display_name,"
    " sender_kind from public.room_messages where room_id = {room}"
    " on conflict (id) do update set content = excluded.content",
}


@pytest.mark.parametrize("role", ["anon", "outsider", "member", "host", "service"])
@pytest.mark.parametrize("write", sorted(WRITES))
async def test_nobody_writes_to_a_table(space: Space, role: str, write: str) -> None:
    member = await space.newcomer()
    who = {
        "anon": ANON,
        "service": SERVICE,
        "outsider": await space.db.user(),
        "member": member.actor,
        "host": space.host,
    }[role]
    statement = WRITES[write].format(user=f"'{who.user_id or member.id}'", room=f"'{space.id}'")
    async with unchanged(space.db):
        with expect_denied():
            await space.db.select(who, statement)


async def test_the_second_wall_stands_without_the_first(space: Space) -> None:
    # Should a grant slip in one day: the seed's policies still keep people to what is theirs.
    eve, bob = await space.db.user("eve"), await space.newcomer("bob")
    await space.db.sql("grant insert, update, delete on all tables in schema public to authenticated")
    try:
        harmless = (
            "rename a room",
            "delete a room",
            "edit a message",
            "delete a message",
            "delete a participant",
            "change a reaction",
            "delete a reaction",
        )
        for write in harmless:
            statement = WRITES[write].format(user=f"'{eve.id}'", room=f"'{space.id}'")
            async with unchanged(space.db):
                await space.db.select(eve, statement)
        for who in (eve, bob.actor):
            forged = WRITES["insert a message"].format(user=f"'{space.host.id}'", room=f"'{space.id}'")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await space.db.select(who, forged)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await space.db.select(bob.actor, WRITES["insert a mode"])
    finally:
        await space.db.sql("revoke insert, update, delete on all tables in schema public from authenticated")
