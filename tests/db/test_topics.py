"""Who may listen on a room's topic and who may write there, as the Realtime server asks for it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.db.support.actors import ANON, SERVICE, Actor, expect_denied
from tests.db.support.database import Database, fetch
from tests.db.support.realtime import may_read, may_write, topic_of
from tests.db.support.rooms import Space, open_space

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


@pytest.mark.parametrize("extension", ["broadcast", "presence"])
async def test_a_member_listens(space: Space, extension: str) -> None:
    bob = await space.newcomer()
    assert await may_read(space.db, bob.actor, await space.topic(), extension=extension)


async def test_the_host_listens_once_in_the_room(space: Space) -> None:
    assert not await may_read(space.db, space.host, await space.topic())
    await space.enter(space.host)
    assert await may_read(space.db, space.host, await space.topic())


async def test_nobody_else_listens(space: Space) -> None:
    await space.newcomer()
    admitted = await space.db.user("admitted")
    await space.admit(admitted)
    elsewhere = await open_space(space.db)
    neighbour = await elsewhere.newcomer()
    for who in (ANON, await space.db.user("outsider"), admitted, neighbour.actor, elsewhere.host):
        assert not await may_read(space.db, who, await space.topic()), who.label
        assert not await may_write(space.db, who, await space.topic(), extension="presence"), who.label
        assert not await may_write(space.db, who, await space.topic()), who.label


async def test_without_a_lease_one_does_not_listen(space: Space) -> None:
    reader = await space.db.user("reader")
    await space.admit(reader)
    await space.call(reader, "join_room", p_display_name="Reader")
    assert not await may_read(space.db, reader, await space.topic())


async def test_an_expired_lease_ends_it(space: Space) -> None:
    bob = await space.newcomer()
    await space.expire(bob)
    assert not await may_read(space.db, bob.actor, await space.topic())
    assert not await may_write(space.db, bob.actor, await space.topic(), extension="presence")
    await space.join(bob)
    assert await may_read(space.db, bob.actor, await space.topic())


async def test_one_live_lease_of_two_is_enough(space: Space) -> None:
    bob = await space.newcomer()
    await space.enter(bob.actor)
    await space.expire(bob)
    assert await may_read(space.db, bob.actor, await space.topic())


async def test_leaving_ends_it(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(bob, "leave_room")
    assert not await may_read(space.db, bob.actor, await space.topic())


async def test_a_kick_ends_it_at_commit(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    before = await space.topic()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    after = await space.topic()
    for topic in (before, after):
        assert not await may_read(space.db, bob.actor, topic)
        assert not await may_write(space.db, bob.actor, topic, extension="presence")
    assert await may_read(space.db, eve.actor, after)


async def test_somebody_removed_does_not_listen_even_with_a_lease_left(space: Space) -> None:
    # A kick ends the leases too; either alone must be enough.
    bob = await space.newcomer("bob")
    await space.db.sql(
        "update public.room_participants set status = 'kicked', is_online = false where user_id = %s", [bob.id]
    )
    assert await space.live_count() == 1
    assert not await may_read(space.db, bob.actor, await space.topic())


async def test_an_old_epoch_is_admitted_to_who_is_still_in(space: Space) -> None:
    # It is silent, so that is harmless; a refused join would freeze the whole socket for five seconds.
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    before = await space.topic()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    assert await may_read(space.db, eve.actor, before)


@pytest.mark.parametrize("ahead", [1, 2, 100, 999_999_998])
async def test_a_future_epoch_is_refused(space: Space, ahead: int) -> None:
    bob = await space.newcomer()
    topic = topic_of(space.id, await space.epoch() + ahead)
    assert not await may_read(space.db, bob.actor, topic)
    assert not await may_write(space.db, bob.actor, topic, extension="presence")


async def test_a_muted_one_listens(space: Space) -> None:
    bob = await space.newcomer()
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    assert await may_read(space.db, bob.actor, await space.topic())


async def test_a_member_may_track_presence_and_nothing_else(space: Space) -> None:
    bob = await space.newcomer()
    topic = await space.topic()
    assert await may_write(space.db, bob.actor, topic, extension="presence")
    assert not await may_write(space.db, bob.actor, topic, extension="broadcast")
    assert not await may_write(space.db, bob.actor, topic, extension="postgres_changes")
    # A row with a payload is delivered as a message, whatever its extension says.
    forged = {"message": "forged"}
    assert not await may_write(space.db, bob.actor, topic, event="room:message-received", payload=forged)
    for event, payload in [("room:message-received", forged), ("room:message-received", None), (None, forged)]:
        assert not await may_write(space.db, bob.actor, topic, extension="presence", event=event, payload=payload)


async def test_nobody_rewrites_what_was_said(space: Space) -> None:
    bob = await space.newcomer()
    async with space.db.transaction(bob.actor) as connection:
        await connection.execute("select set_config('realtime.topic', %s, true)", [await space.topic()])
        assert await fetch(connection, "update realtime.messages set event = 'forged' returning id") == []
    with expect_denied():
        await space.db.select(bob.actor, "delete from realtime.messages")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "spaces:",
        "spaces::",
        "spaces:room:1",
        "spaces:{id}",
        "spaces:{id}:",
        "spaces:{id}:x",
        "spaces:{id}:-1",
        "spaces:{id}:1:1",
        "spaces:{id}:1 ",
        " spaces:{id}:1",
        "spaces:{id}:1\n",
        "spaces:{id}:99999999999999999999",
        "spaces:{id}:999999999",
        "spaces:{upper}:1",
        "spaces:------------------------------------:1",
        "spaces:ffffffff-ffff-ffff-ffff-ffffffffffff-:1",
        "SPACES:{id}:1",
        "spaces:{id}:1'; drop table public.rooms; --",
    ],
)
async def test_no_other_spelling_of_a_topic_lets_anybody_in_or_raises(space: Space, topic: str) -> None:
    bob = await space.newcomer()
    spelled = topic.format(id=space.id, upper=str(space.id).upper())
    for who in (ANON, bob.actor, await space.db.user("outsider")):
        assert not await may_read(space.db, who, spelled)
        assert not await may_write(space.db, who, spelled, extension="presence")


@pytest.mark.parametrize("subject", ["", "no uuid", pytest.param(str(uuid4()), id="nobody"), None, "'"])
async def test_odd_tokens_are_refused_and_do_not_raise(space: Space, subject: str | None) -> None:
    await space.newcomer()
    odd = Actor("odd", "authenticated", None, {"sub": subject, "role": "authenticated"})
    bare = Actor("bare", "authenticated", None, {"role": "authenticated"})
    for who in (odd, bare):
        assert not await may_read(space.db, who, await space.topic())
        assert not await may_write(space.db, who, await space.topic(), extension="presence")


async def test_the_service_key_passes(space: Space) -> None:
    assert await may_read(space.db, SERVICE, await space.topic())


async def test_a_deleted_room_has_no_listeners(space: Space) -> None:
    bob = await space.newcomer()
    topic = await space.topic()
    await space.call(space.host, "delete_room")
    assert not await may_read(space.db, bob.actor, topic)


async def test_nobody_listens_to_a_closed_room(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    assert not await may_read(space.db, bob.actor, await space.topic())
