"""How far one has read, and what is unread: nobody else's affair, and no step."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import Json, expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database, gathered
from tests.db.support.rooms import Member, Space, open_space

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def mark(space: Space, who: Member, seq: int) -> tuple[int, int]:
    """The mark after the call, and how many are unread."""
    answer: Json = await space.call(who, "mark_read", p_seq=seq)
    assert (set(answer), answer["ok"], answer["room_id"]) == (
        {"ok", "room_id", "last_read_seq", "unread_count"},
        True,
        str(space.id),
    )
    return answer["last_read_seq"], answer["unread_count"]


async def unread(space: Space, who: Member) -> int:
    """What the list says."""
    (item,) = (await space.db.call(who.actor, "unread_counts"))["items"]
    assert set(item) == {"room_id", "last_read_seq", "unread_count"}
    count: int = item["unread_count"]
    return count


async def test_what_others_said_after_the_mark_is_unread(space: Space) -> None:
    ada = await space.enter(space.host)
    await space.say(ada, "before Bob came")
    bob = await space.newcomer("bob")
    assert await unread(space, bob) == 0, "what was said before is not unread"
    first, second, third = [await space.say(ada, f"{number}") for number in range(3)]
    await space.say(bob, "his own")
    assert await unread(space, bob) == 3
    assert await mark(space, bob, first["seq"]) == (first["seq"], 2)
    assert await mark(space, bob, third["seq"]) == (third["seq"], 0)
    assert await mark(space, bob, second["seq"]) == (third["seq"], 0), "it goes forward only"
    await space.newcomer("eve")
    assert await unread(space, bob) == 0, "a notice is not unread"


async def test_marking_is_no_step_and_no_event(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    said = await space.say(ada)
    head, published = await space.head(), len(await space.broadcasts())
    await mark(space, bob, said["seq"])
    assert (await space.head(), len(await space.broadcasts())) == (head, published)
    page = await space.call(ada, "sync_room", p_after=0)
    assert all("last_read_seq" not in each for each in page["participants"])


async def test_deleted_messages_are_not_unread(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    said = await space.say(ada)
    await space.say(ada)
    await space.call(ada, "delete_message", p_message_id=said["id"])
    assert await unread(space, bob) == 1


async def test_an_edit_makes_nothing_unread(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    said = await space.say(ada)
    await mark(space, bob, said["seq"])
    await space.call(ada, "edit_message", p_message_id=said["id"], p_content="changed")
    assert await unread(space, bob) == 0


async def test_whoever_comes_back_finds_the_mark(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    said = await space.say(ada)
    await mark(space, bob, said["seq"])
    await space.call(bob, "leave_room")
    await space.say(ada)
    assert await unread(space, bob) == 1
    await space.enter(bob.actor)
    assert await unread(space, bob) == 1
    await space.call(bob, "leave_room")
    assert await mark(space, bob, await space.head()) == (await space.head(), 0), "reading needs no connection"


async def test_marks_of_several_devices_at_once(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    seqs = [(await space.say(ada))["seq"] for _ in range(10)]
    await gathered(*(space.call(bob, "mark_read", p_seq=seq) for seq in reversed(seqs)))
    assert (await space.participant(bob))["last_read_seq"] == seqs[-1]


async def test_the_newest_thousand_messages_are_looked_at(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.db.sql(
        """with head as (update spaces.room_heads set head = head + 1500 where room_id = %(room)s returning head)
           insert into public.room_messages (room_id, message_type, content, seq, revision, display_name, sender_kind)
           select %(room)s, 'user_text', 'hello', head - n, head - n, 'Ada', 'human'
           from head, generate_series(0, 1499) n""",
        {"room": space.id},
    )
    assert await unread(space, bob) == 1000


@pytest.mark.parametrize("seq", [-1, None, "above the head", 2**62])
async def test_what_the_room_has_not_reached(space: Space, seq: Any) -> None:
    bob = await space.newcomer("bob")
    with expect_refusal("invalid_argument"):
        await space.call(bob, "mark_read", p_seq=await space.head() + 1 if seq == "above the head" else seq)
    assert (await space.participant(bob))["last_read_seq"] <= await space.head()


async def test_a_step_that_is_heard_before_it_can_be_read_is_waited_for(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    seq = await space.head() + 1
    arguments = {"p_room_id": str(space.id), "p_seq": seq}
    async with AsyncExitStack() as started, space.db.api.connection() as connection:
        async with connection.transaction():
            said = await space.db.call_on(
                connection, ada.actor, "insert_message", {"p_room_id": str(space.id), "p_content": "hello"}
            )
            (waiting,) = await started.enter_async_context(pending(space.db, Call(bob.actor, "mark_read", arguments)))
            assert not waiting.is_answered
        answer = await waiting.answer()
    assert said["message"]["seq"] == seq == answer["last_read_seq"]
    assert answer["unread_count"] == 0


async def test_it_does_not_wait_for_what_goes_on_in_the_room(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    said = await space.say(ada)
    async with space.db.superuser.connection() as holder, holder.transaction():
        await holder.execute("select from spaces.room_heads where room_id = %s for no key update", [space.id])
        assert await mark(space, bob, said["seq"]) == (said["seq"], 0)


async def test_others_mark_nothing(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    with expect_refusal("kicked"):
        await space.call(bob, "mark_read", p_seq=1)
    with expect_refusal("not_participant"):
        await space.call(await space.db.user("outsider"), "mark_read", p_seq=1)
    with expect_refusal("not_participant"):
        await space.call(space.host, "mark_read", p_seq=1)  # who has not joined


async def test_unread_counts_of_the_callers_own_rooms(db: Database) -> None:
    bob = await db.user("bob")
    spaces = [await open_space(db) for _ in range(3)]
    strange = await open_space(db)
    await strange.newcomer("eve")
    for count, space in enumerate(spaces):
        await space.enter(bob)
        ada = await space.enter(space.host)
        for _ in range(count):
            await space.say(ada)
    kicked = await open_space(db)
    await kicked.enter(bob)
    await kicked.call(kicked.host, "kick_participant", p_user_id=bob.id)
    await db.sql("update public.rooms set last_activity = now() where id = %s", [spaces[1].id])

    async def counts(**arguments: Any) -> dict[str, int]:
        items = (await db.call(bob, "unread_counts", **arguments))["items"]
        return {item["room_id"]: item["unread_count"] for item in items}

    expected = {str(space.id): count for count, space in enumerate(spaces)}
    assert await counts() == await counts(p_room_ids=None) == expected
    assert next(iter(await counts())) == str(spaces[1].id), "latest activity first"
    named = [str(each) for each in (spaces[2].id, spaces[2].id, strange.id, kicked.id, uuid4())]
    assert await counts(p_room_ids=named) == {str(spaces[2].id): 2}
    assert await counts(p_room_ids=[]) == {}
    with expect_refusal("invalid_argument"):
        await db.call(bob, "unread_counts", p_room_ids=[str(uuid4()) for _ in range(101)])
