"""Removing somebody: who may, what it ends, and how they come back."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


async def moderator(space: Space, label: str = "moderator") -> Member:
    member = await space.newcomer(label)
    await space.db.sql("update public.room_participants set role = 'moderator' where user_id = %s", [member.id])
    return member


async def test_the_host_removes_a_member_and_a_moderator(space: Space) -> None:
    for member in (await space.newcomer(), await moderator(space)):
        epoch = await space.epoch()
        answer = await space.call(space.host, "kick_participant", p_user_id=member.id)
        assert answer["epoch"] == epoch + 1
        assert (await space.participant(member))["status"] == "kicked"
    await check_steps(space)


async def test_a_moderator_removes_a_member(space: Space) -> None:
    boss, bob = await moderator(space), await space.newcomer()
    await space.call(boss, "kick_participant", p_user_id=bob.id)
    assert (await space.participant(bob))["status"] == "kicked"


@pytest.mark.parametrize("target", ["host", "moderator", "themselves"])
async def test_a_moderator_does_not_remove(space: Space, target: str) -> None:
    boss, other = await moderator(space), await moderator(space, "other")
    user_id = {"host": space.host.id, "moderator": other.id, "themselves": boss.id}[target]
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(boss, "kick_participant", p_user_id=user_id)


async def test_the_host_does_not_remove_themselves(space: Space) -> None:
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(space.host, "kick_participant", p_user_id=space.host.id)


async def test_a_member_removes_nobody(space: Space) -> None:
    bob, eve = await space.newcomer(), await space.newcomer()
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(bob, "kick_participant", p_user_id=eve.id)


async def test_a_stranger_cannot_be_removed(space: Space) -> None:
    async with unchanged(space.db):
        with expect_refusal("participant_not_found"):
            await space.call(space.host, "kick_participant", p_user_id=uuid4())


async def test_removing_twice_is_removing_once(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    async with unchanged(space.db):
        again = await space.call(space.host, "kick_participant", p_user_id=bob.id)
    assert again == {"ok": True, "head": await space.head(), "epoch": await space.epoch()}


async def test_a_kicked_one_may_do_nothing(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    async with unchanged(space.db):
        for rpc, arguments in {
            "insert_message": {"p_content": "hello"},
            "set_voice": {"p_on": True},
            "get_participants": {},
            "get_room_messages": {},
            "sync_room": {"p_after": 0},
        }.items():
            with expect_refusal("kicked"):
                await space.call(bob, rpc, **arguments)
        with expect_refusal("room_not_found"):
            await space.call(bob, "get_room_by_id")
        (lease,) = (await space.db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"]
    assert lease["status"] == "kicked"
    assert "topic" not in lease


async def test_a_kicked_ones_signal_reaches_nobody(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    async with unchanged(space.db):
        with expect_refusal("kicked"):
            await space.call(bob, "signal", p_kind="typing")


async def test_a_kicked_one_frees_the_place(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "update_room_state", p_changes={"max_participants": 2})
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    assert await space.live_count() == 1
    await space.newcomer()


async def test_the_id_alone_does_not_let_them_back(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    async with unchanged(space.db):
        with expect_refusal("kicked"):
            await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection)


async def test_an_admission_from_before_does_not_let_them_back(space: Space) -> None:
    bob = await space.newcomer()
    await space.db.sql(
        "insert into spaces.admissions (room_id, user_id, expires_at) values (%s, %s, now() + interval '1 hour')",
        [space.id, bob.id],
    )
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    with expect_refusal("kicked"):
        await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection)


async def test_the_code_lets_them_back(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    answer = await space.join(bob, "Bob again")
    assert answer["me"]["is_online"] is True
    assert (await space.participant(bob))["status"] == "active"
    await space.say(bob)
    await check_steps(space)


async def test_who_comes_back_comes_back_with_no_rights_of_before(space: Space) -> None:
    boss = await moderator(space)
    await space.call(space.host, "kick_participant", p_user_id=boss.id)
    await space.join(boss)
    assert (await space.participant(boss))["role"] == "member"


async def test_somebody_offline_can_be_removed(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(bob, "leave_room")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    assert (await space.participant(bob))["status"] == "kicked"
    await check_steps(space)


async def test_the_rest_of_the_room_is_told_the_new_topic(space: Space) -> None:
    bob, eve = await space.newcomer(), await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    (lease,) = (await space.db.call(eve.actor, "heartbeat", p_connection_ids=[eve.connection]))["leases"]
    assert lease["topic"] == await space.topic()
    assert (await space.call(eve, "sync_room", p_after=await space.head()))["topic"] == await space.topic()
