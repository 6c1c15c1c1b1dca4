"""Each durable change takes exactly one step, and what changes nothing takes none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import psycopg
import pytest

from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def test_a_life_of_a_room_has_no_hole(space: Space) -> None:
    ada = await space.enter(space.host, "Ada")
    bob, eve = await space.newcomer("Bob"), await space.newcomer("Eve")
    await space.say(ada)
    await space.call(bob, "insert_messages", p_messages=[{"id": str(uuid4()), "content": f"{n}"} for n in range(5)])
    await space.call(ada, "update_room_state", p_changes={"mode": "playful"})
    await space.call(ada, "update_room_state", p_changes={"conversation_active": True})
    await space.call(bob, "set_voice", p_on=True)
    await space.call(bob, "signal", p_kind="typing")
    said = await space.say(bob, "helo")
    await space.call(bob, "edit_message", p_message_id=said["id"], p_content="hello")
    await space.call(ada, "react", p_message_id=said["id"], p_emoji="👋")
    await space.call(ada, "mark_read", p_seq=said["seq"])
    await space.call(ada, "delete_message", p_message_id=said["id"])
    await space.call(ada, "set_participant_kind", p_user_id=bob.id, p_kind="bot")
    await space.call(bob, "leave_room", p_connection_id=bob.connection)
    await space.join(bob)
    await space.call(ada, "kick_participant", p_user_id=eve.id)
    await space.expire(bob)
    await space.db.call(space.host, "heartbeat", p_connection_ids=[ada.connection])
    await space.say(ada, "alone")
    await check_steps(space)
    seqs = [message["seq"] for message in await space.messages()]
    assert seqs == sorted(set(seqs))
    changed = [message for message in await space.messages() if message["revision"] != message["seq"]]
    assert [str(message["id"]) for message in changed] == [said["id"]]


async def test_a_new_room_begins_with_its_first_step(space: Space) -> None:
    assert space.born_at == await space.head() == 0
    assert await space.broadcasts() == []


Step = Callable[[Space, Member, Member], Awaitable[object]]

ONE_STEP: dict[str, Step] = {
    "message": lambda space, ada, bob: space.say(bob),
    "state": lambda space, ada, bob: space.call(ada, "update_room_state", p_changes={"mode": "wildcard"}),
    "state, several keys": lambda space, ada, bob: space.call(
        ada, "update_room_state", p_changes={"mode": "wildcard", "name": "Jam", "max_participants": 7}
    ),
    "closing": lambda space, ada, bob: space.call(ada, "update_room_state", p_changes={"is_active": False}),
    "voice": lambda space, ada, bob: space.call(bob, "set_voice", p_on=True),
    "kind": lambda space, ada, bob: space.call(ada, "set_participant_kind", p_user_id=bob.id, p_kind="bot"),
    "kick": lambda space, ada, bob: space.call(ada, "kick_participant", p_user_id=bob.id),
    "ban": lambda space, ada, bob: space.call(ada, "ban_participant", p_user_id=bob.id),
    "mute": lambda space, ada, bob: space.call(ada, "mute_participant", p_user_id=bob.id, p_is_muted=True),
    "role": lambda space, ada, bob: space.call(ada, "set_participant_role", p_user_id=bob.id, p_role="moderator"),
    "another host": lambda space, ada, bob: space.call(ada, "transfer_host", p_user_id=bob.id),
    "another code": lambda space, ada, bob: space.call(ada, "rotate_code"),
}


@pytest.mark.parametrize("change", sorted(ONE_STEP))
async def test_a_change_is_one_step(space: Space, change: str) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer()
    head = await space.head()
    await ONE_STEP[change](space, ada, bob)
    assert await space.head() == head + 1
    await check_steps(space)


NO_STEP: dict[str, Step] = {
    "state as it is": lambda space, ada, bob: space.call(ada, "update_room_state", p_changes={"mode": "gangster"}),
    "no state": lambda space, ada, bob: space.call(ada, "update_room_state", p_changes={}),
    "settings as they are": lambda space, ada, bob: space.call(
        ada, "update_room_state", p_changes={"settings": {"absent": None}}
    ),
    "voice off as it is": lambda space, ada, bob: space.call(bob, "set_voice", p_on=False),
    "kind as it is": lambda space, ada, bob: space.call(ada, "set_participant_kind", p_user_id=bob.id, p_kind="human"),
    "mute as it is": lambda space, ada, bob: space.call(ada, "mute_participant", p_user_id=bob.id, p_is_muted=False),
    "role as it is": lambda space, ada, bob: space.call(ada, "set_participant_role", p_user_id=bob.id, p_role="member"),
    "host as it is": lambda space, ada, bob: space.call(ada, "transfer_host", p_user_id=ada.id),
    "no ban to lift": lambda space, ada, bob: space.call(ada, "unban_participant", p_user_id=bob.id),
    "heartbeat": lambda space, ada, bob: space.db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]),
    "leaving with an unknown connection": lambda space, ada, bob: space.call(
        bob, "leave_room", p_connection_id=uuid4()
    ),
    "second connection": lambda space, ada, bob: space.call(
        bob, "join_room", p_display_name=None, p_connection_id=uuid4()
    ),
    "same connection": lambda space, ada, bob: space.call(
        bob, "join_room", p_display_name=None, p_connection_id=bob.connection
    ),
    "marking as read": lambda space, ada, bob: space.call(bob, "mark_read", p_seq=1),
    "signal": lambda space, ada, bob: space.call(bob, "signal", p_kind="typing"),
    "reading": lambda space, ada, bob: space.call(bob, "sync_room", p_after=0),
}


@pytest.mark.parametrize("call", sorted(NO_STEP))
async def test_what_changes_nothing_takes_no_step(space: Space, call: str) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer()
    head, published = await space.head(), len(await space.broadcasts())
    await NO_STEP[call](space, ada, bob)
    assert await space.head() == head
    assert named(await space.broadcasts(after=published), "room:signal") == await space.broadcasts(after=published)


async def test_leaving_twice_is_leaving_once(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(bob, "leave_room", p_connection_id=bob.connection)
    async with unchanged(space.db):
        again = await space.call(bob, "leave_room", p_connection_id=bob.connection)
    assert again == {"ok": True, "head": await space.head()}


async def test_leaving_with_one_of_two_connections_is_no_leave(space: Space) -> None:
    bob = await space.newcomer()
    second = await space.enter(bob.actor)
    head = await space.head()
    await space.call(bob, "leave_room", p_connection_id=bob.connection)
    assert await space.head() == head
    await space.call(bob, "leave_room", p_connection_id=second.connection)
    (left,) = named(await space.broadcasts(), "room:participant-left")
    assert left.pos == head + 1
    await check_steps(space)


async def test_a_new_name_is_one_step(space: Space) -> None:
    bob = await space.newcomer("Bob")
    before = len(await space.broadcasts())
    await space.join(bob, "Robert")
    (event,) = await space.broadcasts(after=before)
    assert event.event == "room:participant-updated"
    assert event.payload["participant"]["display_name"] == "Robert"
    await check_steps(space)


async def test_a_rename_does_not_rewrite_history(space: Space) -> None:
    bob = await space.newcomer("Bob")
    said = await space.say(bob)
    await space.join(bob, "Robert")
    (stored,) = [row for row in await space.messages() if str(row["id"]) == said["id"]]
    assert stored["display_name"] == "Bob"
    assert (await space.say(bob))["display_name"] == "Robert"


async def test_a_plain_insert_fails_for_want_of_a_step(space: Space) -> None:
    async with unchanged(space.db):
        with pytest.raises(psycopg.errors.NotNullViolation, match="seq"):
            await space.db.sql(
                """insert into public.room_messages (room_id, message_type, content, display_name, sender_kind)
                   values (%s, 'user_text', 'forged', 'Eve', 'human')""",
                [space.id],
            )
