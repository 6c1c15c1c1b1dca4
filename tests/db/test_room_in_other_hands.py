"""Muting, roles, another host, another code; and what is kept on record of all of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.db.support.actors import check_refusal, expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture(scope="module", autouse=True)
async def many_calls(db: Database) -> None:
    await db.sql("update spaces.limits set capacity = 1000 where action in ('create', 'join')")


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


@pytest.fixture
async def bob(space: Space) -> Member:
    return await space.newcomer("Bob")


async def mute(space: Space, bob: Member, is_muted: bool = True) -> None:
    await space.call(space.host, "mute_participant", p_user_id=bob.id, p_is_muted=is_muted)


async def test_a_mute_takes_the_word_and_gives_it_back(space: Space, bob: Member) -> None:
    await mute(space, bob)
    for rpc, arguments in {
        "insert_message": {"p_content": "x"},
        "set_voice": {"p_on": True},
        "signal": {"p_kind": "x"},
    }.items():
        with expect_refusal("muted"):
            await space.call(bob, rpc, **arguments)
    await mute(space, bob, False)
    await space.say(bob)


async def test_a_mute_outlasts_coming_back(space: Space, bob: Member) -> None:
    await mute(space, bob)
    await space.call(bob, "leave_room")
    await space.join(bob)
    with expect_refusal("muted"):
        await space.say(bob)
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    await space.join(bob)
    with expect_refusal("muted"):
        await space.say(bob)


async def test_a_muted_one_who_becomes_host_may_speak_again_by_their_own_word(space: Space, bob: Member) -> None:
    await mute(space, bob)
    await space.call(space.host, "transfer_host", p_user_id=bob.id)
    await space.call(bob, "mute_participant", p_user_id=bob.id, p_is_muted=False)
    assert not (await space.participant(bob))["is_muted"]
    await space.say(bob)


async def test_a_moderator_has_the_rights_as_long_as_the_role(space: Space, bob: Member) -> None:
    eve = await space.newcomer("Eve")
    await space.call(space.host, "set_participant_role", p_user_id=bob.id, p_role="moderator")
    await space.call(bob, "mute_participant", p_user_id=eve.id, p_is_muted=True)
    await space.call(space.host, "set_participant_role", p_user_id=bob.id, p_role="member")
    with expect_refusal("not_allowed"):
        await space.call(bob, "mute_participant", p_user_id=eve.id, p_is_muted=False)


async def test_the_new_host_has_the_rights_and_the_old_one_is_a_member(space: Space, bob: Member) -> None:
    await space.call(space.host, "transfer_host", p_user_id=bob.id)
    assert await space.call(bob, "is_host") is True
    with expect_refusal("not_host"):
        await space.call(space.host, "update_room_state", p_changes={"mode": "playful"})
    await space.call(bob, "update_room_state", p_changes={"mode": "playful"})
    roles = {row["user_id"]: row["role"] for row in (await space.call(bob, "get_participants"))["items"]}
    assert roles == {str(bob.id): "host", str(space.host.id): "member"}
    await space.call(bob, "kick_participant", p_user_id=space.host.id)
    await check_steps(space)


async def test_who_was_moderator_before_they_were_host_is_a_member_after_it(space: Space, bob: Member) -> None:
    await space.call(space.host, "set_participant_role", p_user_id=bob.id, p_role="moderator")
    await space.call(space.host, "transfer_host", p_user_id=bob.id)
    await space.call(bob, "transfer_host", p_user_id=space.host.id)
    assert (await space.participant(bob))["role"] == "member"


async def test_a_repeated_transfer_is_one(space: Space, bob: Member) -> None:
    first = await space.call(space.host, "transfer_host", p_user_id=bob.id)
    async with unchanged(space.db):
        assert await space.call(space.host, "transfer_host", p_user_id=bob.id) == first
        eve = await space.db.user("eve")
        with expect_refusal("not_host"):
            await space.call(eve, "transfer_host", p_user_id=bob.id)


async def test_a_transfer_that_another_has_followed_is_no_repeat(space: Space, bob: Member) -> None:
    eve = await space.newcomer("Eve")
    await space.call(space.host, "transfer_host", p_user_id=bob.id)
    await space.call(bob, "transfer_host", p_user_id=eve.id)
    for target in (bob, eve):
        with expect_refusal("not_host"):
            await space.call(space.host, "transfer_host", p_user_id=target.id)


async def test_an_active_room_counts_against_the_new_host(space: Space, bob: Member) -> None:
    for _ in range(5):
        await open_space(space.db, bob.actor)
    async with unchanged(space.db):
        with expect_refusal("room_limit_reached"):
            await space.call(space.host, "transfer_host", p_user_id=bob.id)
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    await space.call(space.host, "transfer_host", p_user_id=bob.id)
    with expect_refusal("room_limit_reached"):
        await space.call(bob, "update_room_state", p_changes={"is_active": True})


@pytest.mark.parametrize("first", ["transfer", "create"])
async def test_a_transfer_and_a_new_room_wait_for_each_other(space: Space, bob: Member, first: str) -> None:
    for _ in range(4):
        await open_space(space.db, bob.actor)
    calls = {
        "transfer": Call(space.host, "transfer_host", {"p_room_id": space.id, "p_user_id": bob.id}),
        "create": Call(bob.actor, "create_room", {"p_name": "Jam"}),
    }
    ahead = calls.pop(first)
    (behind,) = calls.values()
    async with AsyncExitStack() as started, space.db.api.connection() as connection:
        async with connection.transaction():
            assert (await space.db.call_on(connection, ahead.who, ahead.rpc, ahead.arguments))["ok"]
            (waiting,) = await started.enter_async_context(pending(space.db, behind))
            assert not waiting.is_answered
        answer = await waiting.answer()
    check_refusal(answer, "room_limit_reached")


async def test_the_old_code_opens_nothing_any_more(space: Space, bob: Member) -> None:
    eve, admitted = await space.db.user("eve"), await space.db.user("admitted")
    await space.admit(admitted)
    code = (await space.call(space.host, "rotate_code"))["room"]["room_code"]
    assert (await space.db.call(eve, "get_room_by_code", p_code=space.code))["code"] == "room_not_found"
    with expect_refusal("room_not_found"):
        await space.call(admitted, "join_room", p_display_name="Late")
    assert (await space.db.call(eve, "get_room_by_code", p_code=code))["ok"]
    await space.call(eve, "join_room", p_display_name="Eve")
    await space.say(bob)
    assert (await space.call(bob, "sync_room", p_after=await space.head()))["room"]["room_code"] == code


@pytest.mark.parametrize("first", ["look-up", "rotate"])
async def test_a_look_up_at_the_moment_of_the_change_admits_nobody(space: Space, first: str) -> None:
    eve = await space.db.user("eve")
    look_up = Call(eve, "get_room_by_code", {"p_code": space.code})
    rotate = Call(space.host, "rotate_code", {"p_room_id": space.id})
    ahead, behind = (look_up, rotate) if first == "look-up" else (rotate, look_up)
    async with AsyncExitStack() as started, space.db.api.connection() as connection:
        async with connection.transaction():
            assert (await space.db.call_on(connection, ahead.who, ahead.rpc, ahead.arguments))["ok"]
            (waiting,) = await started.enter_async_context(pending(space.db, behind))
            assert not waiting.is_answered
        answer = await waiting.answer()
    assert isinstance(answer, dict)
    assert answer["ok"] is (first == "look-up")
    assert await space.db.column("select 1 from spaces.admissions where room_id = %s", [space.id]) == []


async def test_each_act_is_on_record_once(space: Space, bob: Member) -> None:
    acts: list[tuple[str, dict[str, Any], str, str | None]] = [
        ("set_participant_kind", {"p_kind": "bot"}, "set_kind", "bot"),
        ("set_participant_role", {"p_role": "moderator"}, "set_role", "moderator"),
        ("mute_participant", {"p_is_muted": True}, "mute", None),
        ("mute_participant", {"p_is_muted": False}, "unmute", None),
        ("kick_participant", {}, "kick", None),
        ("ban_participant", {"p_reason": "spam"}, "ban", "spam"),
        ("unban_participant", {}, "unban", None),
    ]
    for rpc, arguments, _, _ in acts:
        for _ in range(2):
            await space.call(space.host, rpc, p_user_id=bob.id, **arguments)
    eve = await space.newcomer("Eve")
    await space.call(space.host, "rotate_code")
    await space.call(space.host, "transfer_host", p_user_id=eve.id)
    rows = await space.db.sql(
        "select user_id, action, target_user_id, detail from spaces.audit where room_id = %s order by id", [space.id]
    )
    assert [(row["action"], row["target_user_id"], row["detail"]) for row in rows] == [
        *((action, bob.id, detail) for _, _, action, detail in acts),
        ("rotate_code", None, None),
        ("transfer_host", eve.id, None),
    ]
    assert {row["user_id"] for row in rows} == {space.host.id}


async def test_the_record_outlives_the_room_and_ends_with_its_time(fresh_db: Database) -> None:
    space = await open_space(fresh_db)
    bob = await space.newcomer("Bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    await space.call(space.host, "delete_room")
    await fresh_db.sql("select spaces.purge()")
    assert await fresh_db.column("select action from spaces.audit order by id") == ["kick", "delete_room"]
    await fresh_db.sql("update spaces.config set audit_s = 0.001")
    await fresh_db.sql("select spaces.purge()")
    assert await fresh_db.value("select count(*) from spaces.audit") == 0


async def test_who_deletes_the_words_of_another_is_on_record(space: Space, bob: Member) -> None:
    theirs, own = await space.say(bob, "spam"), await space.say(bob, "oops")
    for _ in range(2):
        await space.call(space.host, "delete_message", p_message_id=theirs["id"])
        await space.call(bob, "delete_message", p_message_id=own["id"])
    (act,) = await space.db.sql(
        "select user_id, action, target_user_id, detail from spaces.audit where room_id = %s", [space.id]
    )
    assert tuple(act.values()) == (space.host.id, "delete_message", bob.id, theirs["id"])
