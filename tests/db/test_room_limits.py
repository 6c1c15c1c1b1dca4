"""Places in a room and rooms of a user, counted under the lock."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.db.support.actors import Refused, check_refusal, expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database, gathered
from tests.db.support.realtime import named
from tests.db.support.rooms import check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture(scope="module", autouse=True)
async def many_calls(db: Database) -> None:
    await db.sql("update spaces.limits set capacity = 1000 where action in ('create', 'join')")


async def test_five_of_ten_rooms_created_at_once_succeed(db: Database) -> None:
    ada = await db.user("ada")
    answers = await gathered(*(db.call(ada, "create_room", p_name=f"Room {number}") for number in range(10)))
    refusals = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refusals) == 5
    for refusal in refusals:
        check_refusal(refusal, "room_limit_reached")
    assert await db.value("select count(*) from public.rooms where host_user_id = %s", [ada.id]) == 5


async def test_a_closed_room_makes_place_for_another_and_cannot_be_opened_above_the_limit(db: Database) -> None:
    spaces = [await open_space(db, await db.user("ada"))]
    ada = spaces[0].host
    spaces += [await open_space(db, ada) for _ in range(4)]
    with expect_refusal("room_limit_reached"):
        await open_space(db, ada)
    await spaces[0].call(ada, "update_room_state", p_changes={"is_active": False})
    await open_space(db, ada)
    async with unchanged(db):
        with expect_refusal("room_limit_reached"):
            await spaces[0].call(ada, "update_room_state", p_changes={"is_active": True})
    await spaces[1].call(ada, "delete_room")
    answer = await spaces[0].call(ada, "update_room_state", p_changes={"is_active": True})
    assert answer["state"]["is_active"] is True


async def test_opening_again_and_creating_at_once_share_the_limit(db: Database) -> None:
    ada = await db.user("ada")
    closed = [await open_space(db, ada) for _ in range(5)]
    for space in closed:
        await space.call(ada, "update_room_state", p_changes={"is_active": False})
    await gathered(
        *(space.call(ada, "update_room_state", p_changes={"is_active": True}) for space in closed),
        *(db.call(ada, "create_room", p_name=f"Room {number}") for number in range(5)),
    )
    active = await db.value("select count(*) from public.rooms where host_user_id = %s and is_active", [ada.id])
    assert active == 5


@pytest.mark.parametrize("first", ["create", "open"])
async def test_opening_and_creating_wait_for_each_other(db: Database, first: str) -> None:
    ada = await db.user("ada")
    closed = await open_space(db, ada)
    await closed.call(ada, "update_room_state", p_changes={"is_active": False})
    for _ in range(4):
        await open_space(db, ada)
    calls = {
        "create": Call(ada, "create_room", {"p_name": "Jam"}),
        "open": Call(ada, "update_room_state", {"p_room_id": closed.id, "p_changes": {"is_active": True}}),
    }
    ahead = calls.pop(first)
    (behind,) = calls.values()
    async with AsyncExitStack() as started, db.api.connection() as connection:
        async with connection.transaction():
            assert (await db.call_on(connection, ahead.who, ahead.rpc, ahead.arguments))["ok"]
            (waiting,) = await started.enter_async_context(pending(db, behind))
            assert not waiting.is_answered
        check_refusal(await waiting.answer(), "room_limit_reached")


async def test_of_twenty_who_join_a_room_with_one_place_one_succeeds(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    users = [await db.user(f"user {number}") for number in range(20)]
    for user in users:
        await space.admit(user)
    answers = await gathered(
        *(space.call(user, "join_room", p_display_name=user.label, p_connection_id=uuid4()) for user in users)
    )
    refusals = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refusals) == 19
    for refusal in refusals:
        check_refusal(refusal, "room_full")
    assert await space.live_count() == 1
    assert len(named(await space.broadcasts(), "room:participant-joined")) == 1
    await check_steps(space)


async def test_several_connections_of_one_user_take_one_place(db: Database) -> None:
    space = await open_space(db, p_max_participants=2)
    bob = await space.newcomer("bob")
    for _ in range(4):
        await space.enter(bob.actor)
    await space.newcomer("eve")
    with expect_refusal("room_full"):
        await space.newcomer("late")
    assert await space.live_count() == 2


async def test_a_full_room_says_so(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    assert await space.call(space.host, "is_room_full") is False
    await space.newcomer()
    assert await space.call(space.host, "is_room_full") is True


async def test_an_expired_lease_frees_its_place(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    bob = await space.newcomer("bob")
    with expect_refusal("room_full"):
        await space.newcomer("early")
    await space.expire(bob)
    assert await space.call(space.host, "is_room_full") is False
    await space.newcomer("eve")
    with expect_refusal("room_full"):
        await space.join(bob)
    await check_steps(space)


async def test_the_host_needs_a_place_too(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    await space.newcomer()
    with expect_refusal("room_full"):
        await space.enter(space.host)


async def test_a_join_without_a_lease_takes_no_place(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    reader = await db.user("reader")
    await space.admit(reader)
    await space.call(reader, "join_room", p_display_name="Reader")
    assert await space.live_count() == 0
    await space.newcomer()


async def test_a_smaller_room_keeps_who_is_in_it(db: Database) -> None:
    space = await open_space(db, p_max_participants=3)
    bob, _ = await space.newcomer("bob"), await space.newcomer("eve")
    await space.call(space.host, "update_room_state", p_changes={"max_participants": 1})
    assert await space.live_count() == 2
    with expect_refusal("room_full"):
        await space.newcomer("late")
    await space.join(bob)  # renews what he has
    assert await space.live_count() == 2
