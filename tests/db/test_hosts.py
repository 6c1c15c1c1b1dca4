"""Who steers a room, and who does when the host's account is gone."""

from __future__ import annotations

import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def delete_account(space: Space) -> None:
    await space.db.sql("delete from auth.users where id = %s", [space.host.id])


async def host_of(space: Space) -> object:
    return await space.db.value("select host_user_id from public.rooms where id = %s", [space.id])


async def make_moderator(space: Space, member: Member) -> None:
    await space.db.sql(
        "update public.room_participants set role = 'moderator' where room_id = %s and user_id = %s",
        [space.id, member.id],
    )


async def test_the_creator_is_host(space: Space) -> None:
    bob = await space.newcomer()
    await space.enter(space.host)
    answer = await space.call(bob, "get_participants")
    assert {item["user_id"]: item["role"] for item in answer["items"]} == {
        str(space.host.id): "host",
        str(bob.id): "member",
    }
    assert await space.call(space.host, "is_host") is True
    assert await space.call(bob, "is_host") is False


async def test_the_room_outlives_its_hosts_account(space: Space) -> None:
    bob = await space.newcomer()
    await delete_account(space)
    assert await host_of(space) is None
    await space.say(bob)


@pytest.mark.parametrize("by", ["join", "heartbeat"])
async def test_the_longest_standing_member_follows(space: Space, by: str) -> None:
    first, second = await space.newcomer("first"), await space.newcomer("second")
    await delete_account(space)
    if by == "join":
        await space.newcomer("third")
    else:
        await space.db.call(second.actor, "heartbeat", p_connection_ids=[second.connection])
    assert await host_of(space) == first.id
    (event,) = named(await space.broadcasts(), "room:state-updated")
    assert event.payload["state"]["host"] == str(first.id)
    await check_steps(space)


async def test_a_moderator_comes_before_members(space: Space) -> None:
    await space.newcomer("first")
    second = await space.newcomer("second")
    await make_moderator(space, second)
    await delete_account(space)
    await space.db.call(second.actor, "heartbeat", p_connection_ids=[second.connection])
    assert await host_of(space) == second.id


async def test_a_kicked_one_is_never_promoted(space: Space) -> None:
    first, second = await space.newcomer("first"), await space.newcomer("second")
    await space.call(space.host, "kick_participant", p_user_id=first.id)
    await delete_account(space)
    await space.db.call(second.actor, "heartbeat", p_connection_ids=[second.connection])
    assert await host_of(space) == second.id


async def test_the_new_host_may_what_hosts_may(space: Space) -> None:
    first, second = await space.newcomer("first"), await space.newcomer("second")
    await delete_account(space)
    with expect_refusal("not_host"):
        await space.call(first, "update_room_state", p_changes={"mode": "playful"})
    await space.db.call(first.actor, "heartbeat", p_connection_ids=[first.connection])
    await space.call(first, "update_room_state", p_changes={"mode": "playful"})
    await space.call(first, "kick_participant", p_user_id=second.id)


async def test_messages_of_a_deleted_account_stay(space: Space) -> None:
    ada = await space.enter(space.host, "Ada")
    said = await space.say(ada)
    bob = await space.newcomer()
    await delete_account(space)
    answer = await space.call(bob, "get_room_messages")
    (message,) = [item for item in answer["items"] if item["id"] == said["id"]]
    assert (message["user_id"], message["display_name"], message["content"]) == (None, "Ada", "hello")


HOSTS_ONLY = {
    "update_room_state": {"p_changes": {"mode": "playful"}},
    "delete_room": {},
    "set_participant_kind": {"p_kind": "bot"},
}


@pytest.mark.parametrize("rpc", sorted(HOSTS_ONLY))
@pytest.mark.parametrize("role", ["member", "moderator", "host of another room"])
async def test_only_the_host(space: Space, rpc: str, role: str) -> None:
    bob = await space.newcomer("bob")
    if role == "moderator":
        await make_moderator(space, bob)
    elsewhere = await open_space(space.db)
    who = elsewhere.host if role == "host of another room" else bob.actor
    arguments = HOSTS_ONLY[rpc] | ({"p_user_id": bob.id} if rpc == "set_participant_kind" else {})
    async with unchanged(space.db):
        with expect_refusal("not_host"):
            await space.call(who, rpc, **arguments)


async def test_the_host_need_not_be_in_the_room_to_steer_it(space: Space) -> None:
    await space.call(space.host, "update_room_state", p_changes={"mode": "playful"})
    assert (await space.call(space.host, "get_room_by_id"))["room"]["current_mode"] == "playful"
