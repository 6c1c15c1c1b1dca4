"""Going for good: what ends, what stays, and that it is no way around a mute, a kick or a ban."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.barrier import Call, after_the_barrier
from tests.db.support.database import Database
from tests.db.support.realtime import may_read, named, topic_of
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


@pytest.fixture
async def bob(space: Space) -> Member:
    return await space.newcomer("Bob")


async def forget(space: Space, member: Member) -> dict[str, Any]:
    answer = await space.call(member, "forget_room")
    assert answer["ok"]
    return answer


async def rows(space: Space, member: Member) -> int:
    return await space.db.value(
        "select count(*) from public.room_participants where room_id = %s and user_id = %s", [space.id, member.id]
    )


async def test_reading_ends_at_once(space: Space, bob: Member) -> None:
    answer = await forget(space, bob)
    assert answer == {"ok": True, "head": await space.head()}
    assert await rows(space, bob) == 0
    for rpc, arguments in {
        "sync_room": {"p_after": 0},
        "get_room_messages": {},
        "get_participants": {},
        "insert_message": {"p_content": "hello"},
        "signal": {"p_kind": "typing"},
        "leave_room": {},
        "mark_read": {"p_seq": 0},
    }.items():
        with expect_refusal("not_participant"):
            await space.call(bob, rpc, **arguments)
    with expect_refusal("room_not_found"):
        await space.call(bob, "get_room_by_id")
    with expect_refusal("room_not_found"):
        await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection)
    for table in ("rooms", "room_participants", "room_messages"):
        column = "id" if table == "rooms" else "room_id"
        query = f"select 1 from public.{table} where {column} = %s"
        assert await space.db.select(bob.actor, query, [space.id]) == []
    assert not await may_read(space.db, bob.actor, await space.topic())
    (lease,) = (await space.db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"]
    assert (lease["status"], "topic" in lease) == ("not_participant", False)


async def test_all_connections_end_and_the_others_hear_of_it(space: Space, bob: Member) -> None:
    await space.enter(bob.actor, "Bob")
    await space.call(bob, "set_voice", p_on=True)
    head = await space.head()
    await forget(space, bob)
    assert await space.live_count() == 1
    left = named(await space.broadcasts(), "room:participant-left")[-1]
    (gone,) = left.payload["participants"]
    assert (left.pos, left.payload["reason"], gone["user_id"]) == (head + 1, "forgot", str(bob.id))
    assert (gone["is_online"], gone["voice_since"]) == (False, None)
    assert (await space.messages())[-1]["content"] == "Bob left the room"
    await check_steps(space)


async def test_somebody_offline_forgets_without_a_notice(space: Space, bob: Member) -> None:
    await space.call(bob, "leave_room")
    head, count = await space.head(), len(await space.messages())
    await forget(space, bob)
    assert (await space.head(), len(await space.messages())) == (head + 1, count)
    await check_steps(space)


async def test_what_was_said_stays_with_its_name(space: Space, bob: Member) -> None:
    said = await space.say(bob, "remember me")
    await space.call(space.host, "react", p_message_id=said["id"], p_emoji="👍")
    await forget(space, bob)
    (message,) = [row for row in await space.messages() if str(row["id"]) == said["id"]]
    assert (message["content"], message["display_name"], message["user_id"]) == ("remember me", "Bob", bob.id)


async def test_forgetting_twice_is_forgetting_once(space: Space, bob: Member) -> None:
    await forget(space, bob)
    async with unchanged(space.db):
        assert await forget(space, bob) == {"ok": True, "head": None}


async def test_the_host_does_not(space: Space, bob: Member) -> None:
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(space.host, "forget_room")
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    with expect_refusal("not_allowed"):
        await space.call(space.host, "forget_room")
    await space.call(space.host, "update_room_state", p_changes={"is_active": True})
    await space.call(space.host, "transfer_host", p_user_id=bob.id)
    assert (await space.call(space.host, "forget_room"))["ok"]


async def test_a_closed_room_can_be_forgotten(space: Space, bob: Member) -> None:
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    await forget(space, bob)
    assert await rows(space, bob) == 0


async def test_the_code_lets_them_come_back_as_newcomers(space: Space, bob: Member) -> None:
    await space.call(space.host, "set_participant_role", p_user_id=bob.id, p_role="moderator")
    await forget(space, bob)
    answer = await space.join(bob, "Robert")
    assert (answer["me"]["display_name"], answer["me"]["role"]) == ("Robert", "member")
    assert (await space.participant(bob))["last_read_seq"] > 0
    assert await space.db.column("select 1 from spaces.former_participants where room_id = %s", [space.id]) == []
    await check_steps(space)


async def test_an_admission_from_before_is_forgotten_too(space: Space, bob: Member) -> None:
    await space.db.sql(
        "insert into spaces.admissions (room_id, user_id, expires_at) values (%s, %s, now() + interval '1 hour')",
        [space.id, bob.id],
    )
    await forget(space, bob)
    with expect_refusal("room_not_found"):
        await space.call(bob, "join_room", p_display_name="Bob")


async def test_a_muted_one_comes_back_muted(space: Space, bob: Member) -> None:
    await space.call(space.host, "mute_participant", p_user_id=bob.id, p_is_muted=True)
    for name in ("Bob", "Rob", "Bert"):
        await forget(space, bob)
        assert (await space.join(bob, name))["me"]["is_muted"] is True
        with expect_refusal("muted"):
            await space.call(bob, "insert_message", p_content="hello")
    await space.call(space.host, "mute_participant", p_user_id=bob.id, p_is_muted=False)
    await forget(space, bob)
    assert (await space.join(bob))["me"]["is_muted"] is False


async def test_coming_and_going_under_other_names_says_nothing(space: Space, bob: Member) -> None:
    await forget(space, bob)
    count = len(await space.messages())
    for name in ("buy", "my", "watches"):
        await space.join(bob, name)
        await forget(space, bob)
    assert len(await space.messages()) == count
    await space.db.sql("update spaces.former_participants set forgotten_at = now() - interval '11 minutes'")
    await space.join(bob, "Bob")
    assert (await space.messages())[-1]["content"] == "Bob joined the room"


async def test_what_the_host_has_made_a_bot_stays_one(space: Space, bob: Member) -> None:
    await space.call(space.host, "set_participant_kind", p_user_id=bob.id, p_kind="bot")
    await forget(space, bob)
    assert (await space.join(bob))["me"]["kind"] == "bot"


@pytest.mark.parametrize("visibility", ["unlisted", "public"])
async def test_who_was_kicked_stays_kicked(db: Database, visibility: str) -> None:
    space = await open_space(db, p_visibility=visibility)
    bob = await space.newcomer("Bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    async with unchanged(db):
        assert await forget(space, bob) == {"ok": True, "head": None}
        with expect_refusal("kicked"):
            await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=uuid4())
    await space.join(bob)  # by the code, as ever


async def test_who_was_banned_stays_banned(space: Space, bob: Member) -> None:
    await space.call(space.host, "ban_participant", p_user_id=bob.id)
    await forget(space, bob)
    assert (await space.db.call(bob.actor, "get_room_by_code", p_code=space.code))["ok"] is False
    with expect_refusal("banned"):
        await space.call(bob, "join_room", p_display_name="Bob")


async def test_who_has_forgotten_the_room_can_still_be_banned(space: Space, bob: Member) -> None:
    await space.say(bob, "something bad")
    await forget(space, bob)
    await space.admit(bob.actor)
    for rpc in ("kick_participant", "mute_participant", "transfer_host"):
        more = {"p_is_muted": True} if rpc == "mute_participant" else {}
        with expect_refusal("participant_not_found"):
            await space.call(space.host, rpc, p_user_id=bob.id, **more)
    head, epoch = await space.head(), await space.epoch()
    assert (await space.call(space.host, "ban_participant", p_user_id=bob.id))["ok"]
    # No step, but another topic: their socket may still be on the one that they have joined.
    assert (await space.head(), await space.epoch()) == (head, epoch + 1)
    moved = (await space.broadcasts())[-1]
    assert (moved.event, moved.topic, moved.payload["epoch"]) == (
        "room:moved",
        topic_of(space.id, epoch),
        epoch + 1,
    )
    (ban,) = (await space.call(space.host, "list_bans"))["items"]
    assert (ban["user_id"], ban["display_name"]) == (str(bob.id), "Bob")
    with expect_refusal("banned"):
        await space.call(bob, "join_room", p_display_name="Bob")
    with expect_refusal("banned"):
        await space.call(bob, "insert_message", p_content="hello")


@pytest.mark.parametrize("word", ["kick", "ban", "mute"])
@pytest.mark.parametrize("first", ["forget", "them"])
async def test_at_once_with_moderation(space: Space, bob: Member, word: str, first: str) -> None:
    more = {"p_is_muted": True} if word == "mute" else {}
    calls = [
        Call(bob.actor, "forget_room", {"p_room_id": space.id}),
        Call(space.host, f"{word}_participant", {"p_room_id": space.id, "p_user_id": bob.id, **more}),
    ]
    waited, answers = await after_the_barrier(space.db, space.id, *(calls if first == "forget" else reversed(calls)))
    assert waited == [True, True]
    if first == "them":
        assert all(answer["ok"] for answer in answers)
    elif word == "ban":
        assert answers[1]["ok"]
    else:
        assert answers[1].code == "participant_not_found"
    if word == "ban":
        with expect_refusal("banned"):
            await space.call(bob, "join_room", p_display_name="Bob")
    elif first == "them":
        assert (await space.join(bob))["me"]["is_muted"] is (word == "mute")
    await check_steps(space)


async def test_rooms_that_are_none(space: Space, bob: Member) -> None:
    async with unchanged(space.db):
        for room_id in (None, uuid4()):
            with expect_refusal("room_not_found"):
                await space.db.call(bob.actor, "forget_room", p_room_id=room_id)
        with expect_refusal("not_participant"):
            await space.call(await space.db.user("stranger"), "forget_room")


async def test_a_deleted_account_leaves_nothing_behind(space: Space, bob: Member) -> None:
    await forget(space, bob)
    await space.db.sql("delete from auth.users where id = %s", [bob.id])
    assert await space.db.column("select 1 from spaces.former_participants where user_id = %s", [bob.id]) == []
