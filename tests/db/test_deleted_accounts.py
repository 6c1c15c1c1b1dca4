"""Accounts that are deleted while they belong to rooms: what goes, what stays, who hears of it, who waits for whom."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.db.support.actors import Actor, Json, expect_refusal
from tests.db.support.barrier import Call, outcome, pending
from tests.db.support.database import Connection, Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space
from tests.db.support.scenario import WRITES, set_scene
from tests.db.test_storm import Person

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


async def delete_on(connection: Connection, *who: Actor | Member) -> None:
    """As the Auth service does when an administrator deletes users; in the connection's transaction."""
    await connection.execute("set local role supabase_auth_admin")
    for each in who:
        await connection.execute("delete from auth.users where id = %s", [each.id])


async def delete(db: Database, *who: Actor | Member) -> None:
    async with db.superuser.connection() as connection, connection.transaction():
        await delete_on(connection, *who)


async def beat(space: Space, member: Member) -> Json:
    answer = await space.db.call(member.actor, "heartbeat", p_connection_ids=[member.connection])
    (lease,) = answer["leases"]
    return lease


async def names_of(space: Space, who: Member) -> list[str]:
    return [item["display_name"] for item in (await space.call(who, "get_participants"))["items"]]


@pytest.mark.parametrize("by", ["heartbeat", "join", "the scheduled sweep"])
async def test_those_who_stay_hear_who_is_gone(space: Space, by: str) -> None:
    bob, cem = await space.newcomer("bob"), await space.newcomer("cem")
    eve = await space.newcomer("eve")
    await delete(space.db, bob, cem)
    before = len(await space.broadcasts())
    if by == "heartbeat":
        await beat(space, eve)
    elif by == "join":
        await space.newcomer("finn")
    else:
        await space.db.sql("select spaces.sweep_rooms()")
    left = named(await space.broadcasts(after=before), "room:participant-left")[0].payload
    assert left["reason"] == "gone"
    assert {each["user_id"] for each in left["participants"]} == {str(bob.id), str(cem.id)}
    assert all(each["is_online"] is False for each in left["participants"])
    await check_steps(space)
    assert await space.db.column("select 1 from spaces.departures where room_id = %s", [space.id]) == []


async def test_it_is_said_once(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await delete(space.db, bob)
    await beat(space, eve)
    head = await space.head()
    await beat(space, eve)
    await space.db.sql("select spaces.sweep_rooms()")
    assert await space.head() == head


async def test_many_are_said_in_portions(space: Space) -> None:
    # As when an operator deletes a year of anonymous users: no heartbeat does all of it under the room's lock.
    eve = await space.newcomer("eve")
    messages = [await space.say(eve) for _ in range(4)]
    await space.db.sql(
        """with people as (
             insert into auth.users (id, aud, role, email)
             select gen_random_uuid(), 'authenticated', 'authenticated', 'many' || n from generate_series(1, 230) n
             returning id),
           members as (
             insert into public.room_participants (room_id, user_id, display_name) select %(room)s, id, 'x' from people)
           insert into public.room_message_reactions (message_id, user_id, emoji, room_id)
           select m.id, p.id, '👍', %(room)s from people p cross join unnest(%(messages)s::uuid[]) m (id)""",
        {"room": space.id, "messages": [message["id"] for message in messages]},
    )
    await space.db.sql(
        "update public.room_messages set reactions = '{\"👍\": 230}' where id = any (%s)",
        [[message["id"] for message in messages]],
    )
    before = len(await space.broadcasts())
    await space.db.sql("delete from auth.users where email like 'many%%'")
    for _ in range(3):
        await beat(space, eve)
    published = await space.broadcasts(after=before)
    left = named(published, "room:participant-left")
    assert [len(event.payload["participants"]) for event in left] == [100, 100, 30]
    changed = named(published, "room:message-updated")
    assert sorted(event.payload["message"]["id"] for event in changed) == sorted(each["id"] for each in messages)
    assert all(event.payload["message"]["reactions"] == {} for event in changed)
    assert await space.db.column("select 1 from spaces.departures where room_id = %s", [space.id]) == []
    await check_steps(space)


async def test_all_that_was_theirs_goes_and_what_they_said_stays(space: Space) -> None:
    bob, eve = await space.newcomer("Bob"), await space.newcomer("Eve")
    said = await space.say(bob)
    await space.db.call(bob.actor, "get_room_by_code", p_code=(await open_space(space.db)).code)
    await delete(space.db, bob)
    for table in ("public.room_participants", "spaces.connections", "spaces.admissions"):
        assert await space.db.column(f"select 1 from {table} where user_id = %s", [bob.id]) == []
    (stored,) = [row for row in await space.messages() if str(row["id"]) == said["id"]]
    assert (stored["user_id"], stored["display_name"], stored["content"]) == (None, "Bob", "hello")
    assert await names_of(space, eve) == ["Ada", "Eve"]


async def test_their_place_is_free(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    bob = await space.newcomer("bob")
    await delete(db, bob)
    eve = await space.newcomer("eve")
    assert await db.column("select user_id from spaces.connections where room_id = %s", [space.id]) == [eve.id]


async def test_a_removed_one_has_left_before(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await space.call(space.host, "ban_participant", p_user_id=bob.id)
    head = await space.head()
    await delete(space.db, bob)
    await beat(space, eve)
    assert await space.head() == head
    assert (await space.call(space.host, "list_bans"))["items"] == []


async def test_a_ban_outlives_who_gave_it(space: Space) -> None:
    moderator, bob = await space.newcomer("moderator"), await space.newcomer("bob")
    await space.call(space.host, "set_participant_role", p_user_id=moderator.id, p_role="moderator")
    await space.call(moderator, "ban_participant", p_user_id=bob.id)
    await delete(space.db, moderator)
    (ban,) = (await space.call(space.host, "list_bans"))["items"]
    assert (ban["user_id"], ban["banned_by"]) == (str(bob.id), None)
    acts = await space.db.column("select action from spaces.audit where user_id = %s", [moderator.id])
    assert acts == ["ban"], "the record names who did it"


async def test_an_invitation_outlives_who_made_it(space: Space) -> None:
    moderator, bob = await space.newcomer("moderator"), await space.db.user("bob")
    await space.call(space.host, "set_participant_role", p_user_id=moderator.id, p_role="moderator")
    token = (await space.call(moderator, "create_invitation"))["token"]
    await delete(space.db, moderator)
    assert (await space.db.call(bob, "accept_invitation", p_token=token))["ok"]
    (standing,) = (await space.call(space.host, "list_invitations"))["items"]
    assert standing["created_by"] is None


async def test_an_acceptance_beside_a_deletion_ends_in_an_answer(space: Space) -> None:
    bob = await space.db.user("bob")
    token = (await space.call(space.host, "create_invitation", p_max_uses=1))["token"]
    async with AsyncExitStack() as started, space.db.superuser.connection() as connection:
        async with connection.transaction():
            await delete_on(connection, bob)
            call = Call(bob, "accept_invitation", {"p_token": token})
            (waiting,) = await started.enter_async_context(pending(space.db, call))
        answer = await waiting.answer()
    assert answer.code == "not_authenticated"
    (standing,) = (await space.call(space.host, "list_invitations"))["items"]
    assert standing["use_count"] == 0


async def test_reactions_are_counted_anew(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    said, gone = await space.say(eve), await space.say(eve)
    for who, emoji in ((bob, "👍"), (eve, "👍"), (bob, "🎉")):
        await space.call(who, "react", p_message_id=said["id"], p_emoji=emoji)
    await space.call(bob, "react", p_message_id=gone["id"], p_emoji="👍")
    await delete(space.db, bob)
    await space.call(eve, "delete_message", p_message_id=gone["id"])
    before = len(await space.broadcasts())
    await beat(space, eve)
    (updated,) = named(await space.broadcasts(after=before), "room:message-updated")
    assert updated.payload["message"]["id"] == said["id"]
    assert updated.payload["message"]["reactions"] == {"👍": 1}
    await check_steps(space)


async def test_a_call_of_a_deleted_account(space: Space) -> None:
    bob = await space.newcomer("bob")
    await delete(space.db, bob)
    with expect_refusal("not_authenticated"):
        await space.call(bob, "insert_message", p_content="hello")
    assert (await beat(space, bob))["status"] == "lease_expired"


async def test_the_end_of_a_room_leaves_nothing_to_say(space: Space) -> None:
    bob = await space.newcomer("bob")
    await delete(space.db, bob)
    await space.call(space.host, "delete_room")
    await space.db.sql("select spaces.sweep_rooms()")
    assert await space.db.column("select 1 from spaces.departures where room_id = %s", [space.id]) == []


@pytest.mark.parametrize("whose", ["the caller's", "the target's", "the host's", "the idle one's"])
@pytest.mark.parametrize("write", sorted(WRITES))
async def test_a_call_beside_a_deletion_ends_in_an_answer(db: Database, write: str, whose: str) -> None:
    # The deletion has taken all its locks and is not committed when the call begins; no foreign key is to break.
    scene = await set_scene(db)
    call = WRITES[write](scene)
    gone = {
        "the caller's": call.who if call.who.user_id else scene.bob.actor,
        "the target's": scene.bob.actor,
        "the host's": scene.ada.actor,
        "the idle one's": scene.idle.actor,
    }[whose]
    if write == "cleanup_inactive_rooms":
        await scene.forsake()
    async with AsyncExitStack() as started, db.superuser.connection() as connection:
        async with connection.transaction():
            await delete_on(connection, gone)
            (waiting,) = await started.enter_async_context(pending(db, call))
        await waiting.answer()
    await scene.check()
    stays = scene.ada if gone is scene.bob.actor else scene.bob
    await outcome(db, Call(stays.actor, "heartbeat", {"p_connection_ids": [stays.connection]}))
    await scene.check()


@pytest.mark.parametrize("by", ["join", "heartbeat"])
async def test_nobody_is_promoted_whose_account_is_being_deleted(space: Space, by: str) -> None:
    first, second = await space.newcomer("first"), await space.newcomer("second")
    await delete(space.db, space.host)
    async with space.db.superuser.connection() as connection, connection.transaction():
        await delete_on(connection, first)
        await (beat(space, second) if by == "heartbeat" else space.newcomer("third"))
    host = await space.db.value("select host_user_id from public.rooms where id = %s", [space.id])
    assert host == second.id


async def test_a_storm_of_deletions_comes_to_no_deadlock(fresh_db: Database) -> None:
    db = fresh_db
    await db.sql("update spaces.limits set capacity = 100000, refill_per_s = 1000")
    await db.sql("update spaces.config set activity_refresh_s = 0")
    dice = random.Random(20261124)  # noqa: S311
    spaces = [await open_space(db, p_max_participants=50) for _ in range(3)]
    keeper = await db.user("keeper")
    kept = [await space.enter(keeper) for space in spaces]
    actors = [space.host for space in spaces] + [await db.user(f"user {number}") for number in range(30)]
    happened: Counter[str] = Counter()

    async def run(actor: Actor) -> None:
        person = Person(actor, spaces, random.Random(dice.random()))  # noqa: S311
        for _ in range(40):
            happened[await person.act(actors)] += 1

    async def let_leases_expire() -> None:
        for _ in range(20):
            await db.sql(
                """update spaces.connections set expires_at = now() where connection_id in (
                     select connection_id from spaces.connections where ended_at is null and user_id <> %s
                     order by random() limit 3 for update skip locked)""",
                [keeper.id],
            )
            await asyncio.sleep(0.05)

    async def delete_accounts() -> None:
        for actor in actors[:20]:
            await asyncio.sleep(dice.random() * 0.1)
            await delete(db, actor)

    async with asyncio.TaskGroup() as tasks:
        for actor in actors[::2]:
            tasks.create_task(run(actor))
        tasks.create_task(let_leases_expire())
        tasks.create_task(delete_accounts())

    assert happened["insert_message"], happened
    for member, space in zip(kept, spaces, strict=True):
        if await db.column("select 1 from public.rooms where id = %s", [space.id]):
            await space.join(member)
            await beat(space, member)
            await beat(space, member)
            await check_steps(space)
            await counts_agree(db, space)
            host = await db.value("select host_user_id from public.rooms where id = %s", [space.id])
            assert host is not None


async def counts_agree(db: Database, space: Space) -> None:
    counted = "select reactions = spaces.reaction_counts(id) from public.room_messages where room_id = %s"
    assert all(await db.column(counted, [space.id]))


async def test_a_sweep_does_not_wait_for_a_deletion(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.newcomer("eve")
    await space.expire(bob)
    head = await space.head()
    async with space.db.superuser.connection() as connection, connection.transaction(force_rollback=True):
        await delete_on(connection, bob)
        await beat(space, eve)
        assert await space.head() == head
    await beat(space, eve)
    (left,) = named(await space.broadcasts(), "room:participant-left")
    assert left.payload["reason"] == "timeout", "the deletion was undone, and the lease had run out"
