"""Rooms whose time is over: which go, in what portions, and what keeps the others."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from tests.db.support.actors import SERVICE, expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database
from tests.db.support.realtime import may_read, named, topic_of
from tests.db.support.rooms import Member, Space, check_steps, open_space

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
async def no_rooms(db: Database) -> None:
    await db.sql("delete from public.rooms")


async def clean(db: Database) -> dict[str, Any]:
    return await db.call(SERVICE, "cleanup_inactive_rooms")


async def let_pass(space: Space, hours: float) -> None:
    """Let so many hours have gone by since anything happened in the room."""
    await space.db.sql(
        "update public.rooms set last_activity = last_activity - make_interval(secs => %s) where id = %s",
        [hours * 3600, space.id],
    )


async def rooms(db: Database) -> set[UUID]:
    return set(await db.column("select id from public.rooms"))


async def test_a_room_goes_24_hours_after_its_last_activity(db: Database) -> None:
    fresh, stale = await open_space(db), await open_space(db)
    await let_pass(fresh, 23.9)
    await let_pass(stale, 24.1)
    assert await clean(db) == {"rooms_deleted": 1, "messages_deleted": 0, "has_more": False}
    assert await rooms(db) == {fresh.id}


async def test_a_room_says_itself_how_long_it_is_kept(db: Database) -> None:
    short, for_ever = await open_space(db, p_expires_after_s=60), await open_space(db, p_expires_after_s=None)
    await let_pass(short, 0.1)
    await let_pass(for_ever, 100_000)
    await clean(db)
    assert await rooms(db) == {for_ever.id}


async def test_a_closed_room_goes_at_once(db: Database) -> None:
    space = await open_space(db, p_expires_after_s=None)
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    assert (await clean(db))["rooms_deleted"] == 1


async def test_a_room_with_somebody_in_it_stays(db: Database) -> None:
    space = await open_space(db)
    bob = await space.newcomer("bob")
    await let_pass(space, 48)
    assert (await clean(db))["rooms_deleted"] == 0
    await space.expire(bob)
    assert (await clean(db))["rooms_deleted"] == 1


async def test_all_of_a_room_goes_with_it_and_its_topic_is_told(db: Database) -> None:
    space = await open_space(db)
    bob = await space.newcomer("bob")
    await space.say(bob)
    count = len(await space.messages())
    await space.expire(bob)
    await let_pass(space, 48)
    topic = await space.topic()
    assert await clean(db) == {"rooms_deleted": 1, "messages_deleted": count, "has_more": False}
    for table in ("public.room_messages", "public.room_participants", "spaces.room_heads", "spaces.admissions"):
        assert await db.column(f"select 1 from {table} where room_id = %s", [space.id]) == []
    (deleted,) = named(await space.broadcasts(), "room:deleted")
    assert deleted.topic == topic


async def test_activity_keeps_a_room(db: Database) -> None:
    space = await open_space(db)
    bob = await space.newcomer("bob")
    await let_pass(space, 48)
    await space.say(bob)
    await space.expire(bob)
    assert (await clean(db))["rooms_deleted"] == 0


async def test_twenty_rooms_a_call(db: Database) -> None:
    host = await db.user("host")
    await db.sql(
        """with made as (
             insert into public.rooms (room_code, host_user_id, name, is_active)
             select public.generate_room_code(), %s, 'Jam', false from generate_series(1, 45) returning id)
           insert into spaces.room_heads (room_id) select id from made""",
        [host.id],
    )
    answers = [await clean(db) for _ in range(3)]
    assert [answer["rooms_deleted"] for answer in answers] == [20, 20, 5]
    assert [answer["has_more"] for answer in answers] == [True, True, False]


async def test_twenty_thousand_messages_a_call(db: Database) -> None:
    space = await open_space(db)
    await db.sql(
        """insert into public.room_messages (room_id, message_type, content, seq, revision, display_name, sender_kind)
           select %s, 'user_text', 'hello', n, n, 'Somebody', 'human' from generate_series(1, 25000) n""",
        [space.id],
    )
    await db.sql("update spaces.room_heads set head = 25000 where room_id = %s", [space.id])
    await let_pass(space, 48)
    first = await clean(db)
    assert first == {"rooms_deleted": 0, "messages_deleted": 20_000, "has_more": True}
    with expect_refusal("not_host"):  # it has lost its newest messages
        await space.call(space.host, "update_room_state", p_changes={"is_active": True})
    (closed,) = named(await space.broadcasts(), "room:state-updated")
    assert (closed.payload["state"]["is_active"], closed.payload["state"]["host"]) == (False, None)
    second = await clean(db)
    assert second == {"rooms_deleted": 1, "messages_deleted": 5_000, "has_more": False}


async def test_what_belongs_to_a_room_counts_too(db: Database) -> None:
    # Reactions and people: each is a row to delete, and a call is to be short.
    space = await open_space(db)
    await space.enter(space.host)
    said = await space.say(space.host)
    await db.sql(
        """with people as (
             insert into auth.users (id, aud, role) select gen_random_uuid(), 'authenticated', 'authenticated'
             from generate_series(1, 12000) returning id),
           members as (
             insert into public.room_participants (room_id, user_id, display_name) select %(room)s, id, 'x' from people)
           insert into public.room_message_reactions (message_id, user_id, emoji, room_id)
           select %(message)s, id, '👍', %(room)s from people""",
        {"room": space.id, "message": said["id"]},
    )
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    await db.sql("delete from spaces.connections")
    assert await clean(db) == {"rooms_deleted": 0, "messages_deleted": 2, "has_more": True}
    assert await db.value("select count(*) from public.room_participants where room_id = %s", [space.id]) == 4003
    assert await clean(db) == {"rooms_deleted": 1, "messages_deleted": 0, "has_more": False}


async def test_a_room_whose_author_is_being_deleted_is_left_for_the_next_call(db: Database) -> None:
    space = await open_space(db)
    bob = await space.newcomer("bob")
    said = await space.say(bob)
    await space.say(bob, p_reply_to=said["id"])
    await space.expire(bob)
    await let_pass(space, 48)
    async with db.superuser.connection() as connection, connection.transaction():
        await connection.execute("delete from auth.users where id = %s", [bob.id])
        assert (await clean(db))["has_more"] is True
    assert (await clean(db))["rooms_deleted"] == 1


async def test_a_room_that_somebody_is_changing_is_left_for_the_next_call(db: Database) -> None:
    space = await open_space(db)
    await let_pass(space, 48)
    async with db.superuser.connection() as connection, connection.transaction():
        await connection.execute("select from spaces.room_heads where room_id = %s for no key update", [space.id])
        assert (await clean(db))["rooms_deleted"] == 0
    assert (await clean(db))["rooms_deleted"] == 1


async def test_a_room_that_somebody_has_just_come_into_stays(db: Database) -> None:
    space = await open_space(db)
    bob = await space.newcomer("bob")
    await space.expire(bob)
    await let_pass(space, 48)
    async with AsyncExitStack() as started, db.superuser.connection() as holder:
        async with holder.transaction():
            # The clean-up has chosen its rooms when it comes to their locks.
            await holder.execute("lock table spaces.room_heads in access exclusive mode")
            (waiting,) = await started.enter_async_context(pending(db, Call(SERVICE, "cleanup_inactive_rooms", {})))
            assert not waiting.is_answered
            await holder.execute(
                "update spaces.connections set expires_at = now() + interval '1 minute' where connection_id = %s",
                [bob.connection],
            )
        assert (await waiting.answer())["rooms_deleted"] == 0
    assert await rooms(db) == {space.id}


async def test_nothing_to_do(db: Database) -> None:
    space = await open_space(db)
    assert await clean(db) == {"rooms_deleted": 0, "messages_deleted": 0, "has_more": False}
    await check_steps(space)


async def test_deleting_a_room_deletes_all_of_it(db: Database) -> None:
    space = await open_space(db)
    bob = await space.newcomer("bob")
    first = await space.say(bob)
    await space.say(bob, p_reply_to=first["id"])
    await space.call(space.host, "delete_room")
    assert await rooms(db) == set()
    assert await db.column("select 1 from public.room_messages where room_id = %s", [space.id]) == []
    (lease,) = (await db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"]
    assert lease["status"] == "room_not_found"


async def test_a_large_room_is_gone_at_once_and_its_rows_in_batches(db: Database) -> None:
    space = await open_space(db, p_visibility="public")
    bob = await space.newcomer("bob")
    stranger = await db.user("stranger")
    made = await space.call(space.host, "create_invitation")
    await db.sql(
        """insert into public.room_messages
             (room_id, user_id, message_type, content, seq, revision, display_name, sender_kind)
           select %s, %s, 'user_text', 'hello', n + 100, n + 100, 'bob', 'human' from generate_series(1, 24000) n""",
        [space.id, bob.id],
    )
    await db.sql("update spaces.room_heads set head = 24100 where room_id = %s", [space.id])
    written = len(await space.broadcasts())
    assert await space.call(space.host, "delete_room") == {"ok": True}
    assert [event.event for event in await space.broadcasts(after=written)] == ["room:deleted"]
    assert await db.value("select count(*) from public.room_messages where room_id = %s", [space.id]) > 20_000

    for who in (space.host, bob):
        for table, column in {"rooms": "id", "room_participants": "room_id", "room_messages": "room_id"}.items():
            actor = who.actor if isinstance(who, Member) else who
            assert await db.select(actor, f"select 1 from public.{table} where {column} = %s", [space.id]) == []
        for rpc, arguments in {
            "delete_room": {},
            "update_room_state": {"p_changes": {"is_active": True}},
            "sync_room": {"p_after": 0},
            "get_room_messages": {},
            "get_room_by_id": {},
            "get_participants": {},
            "join_room": {"p_display_name": "x"},
            "insert_message": {"p_content": "hello"},
            "create_invitation": {},
            "is_room_full": {},
            "forget_room": {},
        }.items():
            with expect_refusal("room_not_found"):
                await space.call(who, rpc, **arguments)
        page = await db.call(who.actor if isinstance(who, Member) else who, "list_rooms")
        assert page["items"] == []
    assert (await db.call(stranger, "get_room_by_code", p_code=space.code))["code"] == "room_not_found"
    assert (await db.call(stranger, "accept_invitation", p_token=made["token"]))["code"] == "room_not_found"
    assert (await db.call(stranger, "list_rooms", p_scope="public"))["items"] == []
    assert not await may_read(db, bob.actor, topic_of(space.id, 1))
    (lease,) = (await db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"]
    assert lease["status"] == "room_not_found"
    await db.sql("select spaces.sweep_rooms()")

    assert await clean(db) == {"rooms_deleted": 0, "messages_deleted": 20_000, "has_more": True}
    assert (await clean(db))["rooms_deleted"] == 1
    assert [event.event for event in await space.broadcasts(after=written)] == ["room:deleted"], "said once"
    for table in ("public.room_messages", "spaces.invitations", "spaces.room_heads"):
        assert await db.value(f"select count(*) from {table} where room_id = %s", [space.id]) == 0


async def test_a_large_room_whose_head_is_gone_is_emptied_by_one_clean_up_beside_another(db: Database) -> None:
    space = await open_space(db)
    await db.sql(
        """insert into public.room_messages (room_id, message_type, content, seq, revision, display_name, sender_kind)
           select %s, 'user_text', 'hello', n + 100, n + 100, 'x', 'human' from generate_series(1, 12000) n""",
        [space.id],
    )
    await space.call(space.host, "delete_room")
    answers = await asyncio.gather(clean(db), clean(db))
    assert sum(answer["messages_deleted"] for answer in answers) == 10_000
    assert (await clean(db))["has_more"] is False
    assert await rooms(db) == set()


async def test_the_activity_of_a_room_is_written_at_most_once_a_minute(db: Database) -> None:
    # The column is indexed: a write with each message would cost more than the message.
    space = await open_space(db)
    await space.enter(space.host)
    row = "select ctid::text || xmin::text from public.rooms where id = %s"
    before = await db.value(row, [space.id])
    for _ in range(3):
        await space.say(space.host)
    assert await db.value(row, [space.id]) == before
    await let_pass(space, 2 / 60)
    await space.say(space.host)
    assert await db.value(
        "select now() - last_activity < interval '1 minute' from public.rooms where id = %s", [space.id]
    )
