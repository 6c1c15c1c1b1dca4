"""A connection is a lease: what keeps it, what ends it, who is told. Time passes by changing rows, not by waiting."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.barrier import Call, after_the_barrier
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def beat(space: Space, *members: Member) -> list[dict[str, Any]]:
    """One heartbeat for connections of one user; the leases in the members' order."""
    answer = await space.db.call(
        members[0].actor, "heartbeat", p_connection_ids=[member.connection for member in members]
    )
    by_id = {lease["connection_id"]: lease for lease in answer["leases"]}
    return [by_id[str(member.connection)] for member in members]


async def seconds_left(space: Space, member: Member) -> float:
    return await space.db.value(
        """select extract(epoch from expires_at - clock_timestamp())::float8 from spaces.connections
           where connection_id = %s""",
        [member.connection],
    )


async def test_a_lease_lives_as_long_as_the_settings_say(space: Space) -> None:
    bob = await space.newcomer()
    assert 60 < await seconds_left(space, bob) <= 75


async def test_a_heartbeat_extends_it_and_tells_where_the_room_is(space: Space) -> None:
    bob = await space.newcomer()
    await space.db.sql("update spaces.connections set expires_at = now() + interval '5 seconds'")
    (lease,) = await beat(space, bob)
    assert await seconds_left(space, bob) > 60
    assert lease["status"] == "live"
    assert (lease["room_id"], lease["head"], lease["epoch"]) == (str(space.id), await space.head(), await space.epoch())
    assert lease["topic"] == await space.topic()
    assert lease["state"]["mode"] == "gangster"


async def test_a_heartbeat_does_not_revive_an_expired_lease(space: Space) -> None:
    bob = await space.newcomer()
    await space.expire(bob)
    (lease,) = await beat(space, bob)
    assert lease["status"] == "lease_expired"
    assert "head" not in lease
    assert "topic" not in lease
    (again,) = await beat(space, bob)
    assert again["status"] == "lease_expired"
    assert await space.live_count() == 0


async def test_a_heartbeat_reveals_and_extends_nothing_of_others(space: Space) -> None:
    bob, eve = await space.newcomer(), await space.newcomer()
    await space.db.sql("update spaces.connections set expires_at = now() + interval '5 seconds'")
    answer = await space.db.call(eve.actor, "heartbeat", p_connection_ids=[bob.connection])
    (lease,) = answer["leases"]
    assert lease == {"connection_id": str(bob.connection), "status": "lease_expired"}
    assert await seconds_left(space, bob) < 6


async def test_each_lease_of_a_heartbeat_has_its_own_status(space: Space) -> None:
    # One user in six rooms, each lost in another way.
    db, bob = space.db, await space.db.user("bob")
    rooms = [await open_space(db) for _ in range(6)]
    live, expired, kicked, banned, closed, deleted = rooms
    members = [await room.enter(bob) for room in rooms]
    await expired.expire(members[1])
    await kicked.call(kicked.host, "kick_participant", p_user_id=bob.id)
    await banned.call(banned.host, "ban_participant", p_user_id=bob.id)
    await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
    await deleted.call(deleted.host, "delete_room")
    leases = await beat(live, *members)
    statuses = [lease["status"] for lease in leases]
    assert statuses == ["live", "lease_expired", "kicked", "banned", "room_inactive", "room_not_found"]
    assert [bool(lease.get("topic")) for lease in leases] == [True, False, False, False, False, False]


async def test_a_heartbeat_sweeps_its_room(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await space.expire(eve)
    published = len(await space.broadcasts())
    (lease,) = await beat(space, bob)
    (left,) = await space.broadcasts(after=published)
    assert left.event == "room:participant-left"
    assert left.payload["reason"] == "timeout"
    assert [each["user_id"] for each in left.payload["participants"]] == [str(eve.id)]
    assert left.payload["participants"][0]["is_online"] is False
    assert lease["head"] == left.pos
    await check_steps(space)


async def test_those_who_went_together_are_told_of_together(space: Space) -> None:
    bob = await space.newcomer("bob")
    gone = [await space.newcomer(f"user {number}") for number in range(4)]
    await space.expire(*gone)
    head = await space.head()
    await beat(space, bob)
    (left,) = named(await space.broadcasts(), "room:participant-left")
    assert {each["user_id"] for each in left.payload["participants"]} == {str(member.id) for member in gone}
    assert await space.head() == head + 1


async def test_a_time_out_writes_no_system_message_and_switches_voice_off(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await space.call(eve, "set_voice", p_on=True)
    messages = len(await space.messages())
    await space.expire(eve)
    await beat(space, bob)
    assert len(await space.messages()) == messages
    row = await space.participant(eve)
    assert (row["is_online"], row["voice_since"], row["status"]) == (False, None, "active")
    (left,) = named(await space.broadcasts(), "room:participant-left")
    assert left.payload["participants"][0]["voice_since"] is None


async def test_a_join_sweeps_first(space: Space) -> None:
    eve = await space.newcomer("eve")
    await space.expire(eve)
    bob = await space.newcomer("bob")
    events = [event.event for event in await space.broadcasts()]
    assert events[-3:] == ["room:participant-left", "room:participant-joined", "room:message-received"]
    answer = await space.join(bob)
    online = {each["user_id"]: each["is_online"] for each in answer["participants"]}
    assert online == {str(bob.id): True, str(eve.id): False}


async def test_the_stacks_scheduler_sweeps_every_room(fresh_db: Database) -> None:
    spaces = [await open_space(fresh_db) for _ in range(3)]
    members = [await space.newcomer() for space in spaces]
    for space, member in zip(spaces[:2], members[:2], strict=True):
        await space.expire(member)
    await fresh_db.sql("select spaces.sweep_rooms()")
    assert [len(named(await space.broadcasts(), "room:participant-left")) for space in spaces] == [1, 1, 0]
    async with unchanged(fresh_db):
        await fresh_db.sql("select spaces.sweep_rooms()")
    for space in spaces:
        await check_steps(space)


async def test_with_one_of_two_connections_gone_a_user_is_still_there(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await space.enter(eve.actor)
    await space.expire(eve)
    head = await space.head()
    await beat(space, bob)
    assert await space.head() == head
    assert (await space.participant(eve))["is_online"] is True


async def test_a_return_within_ten_minutes_writes_no_system_message(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(bob, "leave_room")
    messages = len(await space.messages())
    published = len(await space.broadcasts())
    await space.age(bob, 590)
    await space.join(bob)
    assert len(await space.messages()) == messages
    assert [event.event for event in await space.broadcasts(after=published)] == ["room:participant-joined"]


async def test_a_return_after_ten_minutes_does(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(bob, "leave_room")
    messages = len(await space.messages())
    await space.age(bob, 610)
    await space.join(bob)
    assert len(await space.messages()) == messages + 1
    await check_steps(space)


async def test_joining_again_with_the_same_connection_renews_it(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.db.sql("update spaces.connections set expires_at = now() + interval '5 seconds'")
    head = await space.head()
    answer = await space.join(bob)
    assert await seconds_left(space, bob) > 60
    assert answer["head"] == await space.head() == head


async def test_joining_again_after_expiry_brings_it_back(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await space.expire(bob)
    await beat(space, eve)
    await space.join(bob)
    (lease,) = await beat(space, bob)
    assert lease["status"] == "live"
    await check_steps(space)


async def test_leaving_ends_all_connections_when_none_is_named(space: Space) -> None:
    bob = await space.newcomer("bob")
    second = await space.enter(bob.actor)
    await space.call(bob, "leave_room")
    assert [lease["status"] for lease in await beat(space, bob, second)] == ["lease_expired"] * 2
    assert (await space.participant(bob))["is_online"] is False


async def test_leaving_ends_no_connection_of_somebody_else(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    async with unchanged(space.db):
        await space.call(eve, "leave_room", p_connection_id=bob.connection)
    assert await space.live_count() == 2


async def test_voice_needs_a_live_lease(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.expire(bob)
    with expect_refusal("lease_expired"):
        await space.call(bob, "set_voice", p_on=True)
    assert (await space.participant(bob))["voice_since"] is None


async def test_messages_need_no_live_lease(space: Space) -> None:
    reader = await space.db.user("reader")
    await space.admit(reader)
    await space.call(reader, "join_room", p_display_name="Reader")
    assert (await space.say(reader))["display_name"] == "Reader"
    bob = await space.newcomer("bob")
    await space.expire(bob)
    await space.say(bob)


async def test_a_reader_without_a_lease_is_never_swept(space: Space) -> None:
    reader, bob = await space.db.user("reader"), await space.newcomer("bob")
    await space.admit(reader)
    await space.call(reader, "join_room", p_display_name="Reader")
    head = await space.head()
    await beat(space, bob)
    assert await space.head() == head


@pytest.mark.parametrize("count", [0, 101])
async def test_a_heartbeat_is_for_one_to_a_hundred_connections(space: Space, count: int) -> None:
    bob = await space.newcomer("bob")
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.db.call(bob.actor, "heartbeat", p_connection_ids=[uuid4() for _ in range(count)])


async def test_a_hundred_connections_are_answered(space: Space) -> None:
    bob = await space.newcomer("bob")
    ids = [bob.connection, *(uuid4() for _ in range(99))]
    answer = await space.db.call(bob.actor, "heartbeat", p_connection_ids=ids)
    assert {lease["connection_id"] for lease in answer["leases"]} == {str(each) for each in ids}


@pytest.mark.parametrize(("seconds", "waits"), [(15, True), (45, False)])
async def test_a_lease_that_is_about_to_end_is_extended_under_the_rooms_lock(
    space: Space, seconds: int, waits: bool
) -> None:
    """Else a join could count it as gone, and give its place away, while a heartbeat brings it back."""
    bob = await space.newcomer()
    await space.db.sql(
        "update spaces.connections set expires_at = now() + make_interval(secs => %s) where connection_id = %s",
        [seconds, bob.connection],
    )
    call = Call(bob.actor, "heartbeat", {"p_connection_ids": [bob.connection]})
    waited, (answer,) = await after_the_barrier(space.db, space.id, call)
    assert waited == [waits]
    assert [lease["status"] for lease in answer["leases"]] == ["live"]
    assert await seconds_left(space, bob) > 60
