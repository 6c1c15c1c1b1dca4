"""Catching up: pages of one snapshot that together hold everything, whatever is written meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import Actor, Json, expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, check_steps, open_space

pytestmark = pytest.mark.db


@pytest.fixture(scope="module", autouse=True)
async def many_calls(db: Database) -> None:
    await db.sql("update spaces.limits set capacity = 100000 where action = 'send'")


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


async def fill(space: Space, count: int, content: str = "hello") -> None:
    """Add so many messages by batches of 50."""
    for start in range(0, count, 50):
        drafts = [{"id": str(uuid4()), "content": content} for _ in range(min(50, count - start))]
        answer = await space.call(space.host, "insert_messages", p_messages=drafts)
        assert all(item["ok"] for item in answer["results"])


async def revise(space: Space, *seqs: int) -> None:
    """Edit messages of the host, each by a step of its own."""
    ids = {row["seq"]: row["id"] for row in await space.messages()}
    for seq in seqs:
        await space.call(space.host, "edit_message", p_message_id=ids[seq], p_content="edited")


async def pages(space: Space, who: Actor | Member, after: int) -> list[Json]:
    """All pages of one sync."""
    answered = [await space.call(who, "sync_room", p_after=after)]
    while (cursor := answered[-1]["cursor"]) is not None:
        answered.append(await space.call(who, "sync_room", p_after=after, p_to=answered[0]["to"], p_cursor=cursor))
        assert len(answered) < 100
    return answered


def messages_of(answered: list[Json]) -> list[Json]:
    return [message for page in answered for message in page["messages"]]


async def test_all_of_a_room_from_its_beginning(space: Space) -> None:
    await space.say(space.host)
    (page,) = await pages(space, space.host, 0)
    assert [message["seq"] for message in page["messages"]] == [row["seq"] for row in await space.messages()]
    assert page["to"] == page["head"] == await space.head()
    assert page["topic"] == await space.topic()
    assert page["state"]["mode"] == "gangster"
    assert page["room"]["id"] == str(space.id)
    assert [each["user_id"] for each in page["participants"]] == [str(space.host.id)]


async def test_nothing_new(space: Space) -> None:
    (page,) = await pages(space, space.host, await space.head())
    assert page["messages"] == []
    assert page["to"] == await space.head()
    assert page["participants"]


async def test_only_what_is_after_the_position(space: Space) -> None:
    await fill(space, 5)
    head = await space.head()
    await fill(space, 3)
    (page,) = await pages(space, space.host, head)
    assert [message["seq"] for message in page["messages"]] == [head + 1, head + 2, head + 3]


async def test_two_hundred_rows_a_page(space: Space) -> None:
    head = await space.head()
    await fill(space, 450)
    answered = await pages(space, space.host, head)
    assert [len(page["messages"]) for page in answered] == [200, 200, 50]
    assert [message["seq"] for message in messages_of(answered)] == list(range(head + 1, head + 451))
    assert ["state" in page and page["state"] is not None for page in answered] == [False, False, True]


async def test_exactly_two_hundred_rows_are_one_page(space: Space) -> None:
    head = await space.head()
    await fill(space, 200)
    assert len(await pages(space, space.host, head)) == 1


async def test_a_page_is_of_limited_size(space: Space) -> None:
    head = await space.head()
    await fill(space, 120, "x" * 8000)
    answered = await pages(space, space.host, head)
    assert len(answered) == 4
    for page in answered:
        assert sum(len(message["content"]) for message in page["messages"]) <= 262_144
    assert [message["seq"] for message in messages_of(answered)] == list(range(head + 1, head + 121))


async def test_a_row_that_is_larger_than_a_page_comes_alone(space: Space) -> None:
    head = await space.head()
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    for _ in range(2):
        await space.say(bot, "ä" * 200_000, p_message_type="ai_response")
    answered = await pages(space, space.host, head)
    large = [page for page in answered if page["messages"][0]["message_type"] == "ai_response"]
    assert [len(page["messages"]) for page in large] == [1, 1]
    assert len(messages_of(answered)) == 3


async def test_rows_that_changed_come_after_the_new_ones(space: Space) -> None:
    await fill(space, 10)
    old = [row["seq"] for row in await space.messages()]
    head = await space.head()
    await fill(space, 2)
    await revise(space, old[7], old[2])
    (page,) = await pages(space, space.host, head)
    assert [message["seq"] for message in page["messages"]] == [head + 1, head + 2, old[7], old[2]]
    assert [message["content"] for message in page["messages"]] == ["hello", "hello", "edited", "edited"]
    assert page["to"] == head + 4


async def test_a_new_row_that_changed_comes_once(space: Space) -> None:
    head = await space.head()
    await fill(space, 1)
    await revise(space, head + 1)
    (page,) = await pages(space, space.host, head)
    assert [(message["seq"], message["revision"]) for message in page["messages"]] == [(head + 1, head + 2)]


async def test_a_row_that_changed_before_the_position_does_not_come(space: Space) -> None:
    await fill(space, 2)
    await revise(space, await space.head())
    (page,) = await pages(space, space.host, await space.head())
    assert page["messages"] == []


async def test_changed_rows_come_in_pages_too(space: Space) -> None:
    await fill(space, 250)
    old = [row["seq"] for row in await space.messages()][-230:]
    head = await space.head()
    await revise(space, *old)
    await fill(space, 3)
    answered = await pages(space, space.host, head)
    assert [len(page["messages"]) for page in answered] == [200, 33]
    assert [message["seq"] for message in messages_of(answered)][3:] == old


async def test_edits_deletions_and_reactions_come_once_each_over_the_pages(space: Space) -> None:
    await fill(space, 260)
    ids = [str(row["id"]) for row in await space.messages() if row["user_id"] is not None]
    head = await space.head()
    await fill(space, 3)
    for number, message_id in enumerate(ids):
        kinds: list[tuple[str, Json]] = [
            ("edit_message", {"p_content": "edited"}),
            ("delete_message", {}),
            ("react", {"p_emoji": "👍"}),
        ]
        rpc, arguments = kinds[number % 3]
        await space.call(space.host, rpc, p_message_id=message_id, **arguments)
    await space.call(space.host, "react", p_message_id=ids[0], p_emoji="🎉")  # twice changed: it comes with the last
    answered = await pages(space, space.host, head)
    assert [len(page["messages"]) for page in answered] == [200, 63]
    changed = messages_of(answered)[3:]
    assert [message["id"] for message in changed] == [*ids[1:], ids[0]]
    revisions = [message["revision"] for message in changed]
    assert revisions == sorted(set(revisions))
    assert revisions[-1] == answered[-1]["to"] == await space.head()
    stored = {str(row["id"]): row for row in await space.messages()}
    for message in changed:
        row = stored[message["id"]]
        for field in ("content", "metadata", "status", "revision", "reactions"):
            assert message[field] == row[field]
    assert (changed[-1]["content"], changed[-1]["reactions"]) == ("edited", {"🎉": 1})
    assert (changed[0]["content"], changed[0]["status"]) == ("", "deleted")
    assert changed[1]["reactions"] == {"👍": 1}
    await check_steps(space)


async def test_a_change_between_two_pages_is_left_for_later(space: Space) -> None:
    await fill(space, 250)
    old = [row["seq"] for row in await space.messages() if row["user_id"] is not None]
    head = await space.head()
    await revise(space, *old[:230])
    first = await space.call(space.host, "sync_room", p_after=head)
    (early,) = [row["id"] for row in await space.messages() if row["seq"] == old[0]]
    (late,) = [row["id"] for row in await space.messages() if row["seq"] == old[229]]
    for message_id in (early, late):
        await space.call(space.host, "react", p_message_id=message_id, p_emoji="👍")
    second = await space.call(space.host, "sync_room", p_after=head, p_to=first["to"], p_cursor=first["cursor"])
    assert [message["seq"] for message in messages_of([first, second])] == old[:229], "the late one has moved on"
    (rest,) = await pages(space, space.host, first["to"])
    assert [message["id"] for message in rest["messages"]] == [str(early), str(late)]


async def test_what_is_written_between_two_pages_is_left_for_later(space: Space) -> None:
    head = await space.head()
    await fill(space, 250)
    first = await space.call(space.host, "sync_room", p_after=head)
    await fill(space, 5)
    second = await space.call(space.host, "sync_room", p_after=head, p_to=first["to"], p_cursor=first["cursor"])
    assert second["cursor"] is None
    assert len(messages_of([first, second])) == 250
    assert second["to"] == first["to"] == second["head"] - 5


@pytest.mark.parametrize("after", ["above the head", "far above", -1])
async def test_a_position_that_the_room_has_not_reached(space: Space, after: Any) -> None:
    position = {"above the head": await space.head() + 1, "far above": 2**62}.get(after, after)
    with expect_refusal("invalid_argument"):
        await space.call(space.host, "sync_room", p_after=position)


@pytest.mark.parametrize(
    "cursor", [{}, [], "x", 1, {"phase": 4, "at": 1}, {"phase": 1, "at": -1}, {"phase": 1, "at": "x"}, {"phase": None}]
)
async def test_a_cursor_of_somebodys_own_making(space: Space, cursor: Any) -> None:
    with expect_refusal("invalid_argument"):
        await space.call(space.host, "sync_room", p_after=0, p_to=await space.head(), p_cursor=cursor)


async def test_a_cursor_needs_the_position_of_its_first_page(space: Space) -> None:
    await fill(space, 210)
    first = await space.call(space.host, "sync_room", p_after=0)
    with expect_refusal("invalid_argument"):
        await space.call(space.host, "sync_room", p_after=0, p_cursor=first["cursor"])


async def test_the_head_never_names_a_message_that_the_answer_lacks(space: Space) -> None:
    # One snapshot for all of an answer: tried while others write.
    bob, after, seen = await space.newcomer("bob"), await space.head(), 0
    writing = asyncio.create_task(_write(space, bob, 120))
    try:
        position = after
        while not writing.done() or position < await space.head():
            page = await space.call(space.host, "sync_room", p_after=position)
            assert page["cursor"] is None
            assert [message["seq"] for message in page["messages"]] == list(range(position + 1, page["to"] + 1))
            seen += len(page["messages"])
            position = page["to"]
    finally:
        await writing
    assert seen == 120


async def test_what_is_committed_while_a_sync_runs_is_no_part_of_it(space: Space) -> None:
    bob = await space.newcomer("Bob")
    head = await space.head()
    call = Call(space.host, "sync_room", {"p_room_id": str(space.id), "p_after": 0})
    async with AsyncExitStack() as started, space.db.superuser.connection() as holder:
        async with holder.transaction():
            # It has read the head when it comes to the messages, and reads the participants after them.
            await holder.execute("lock table public.room_messages in access exclusive mode")
            (waiting,) = await started.enter_async_context(pending(space.db, call))
            assert not waiting.is_answered
            await holder.execute("update spaces.room_heads set head = head + 1 where room_id = %s", [space.id])
            await holder.execute(
                "update public.room_participants set display_name = 'Robert' where user_id = %s", [bob.id]
            )
        page = await waiting.answer()
    names = {each["user_id"]: each["display_name"] for each in page["participants"]}
    assert (page["head"], names[str(bob.id)]) == (head, "Bob")


async def test_a_sync_and_the_events_after_it_make_the_whole_table(space: Space) -> None:
    bob = await space.newcomer("bob")
    await fill(space, 250)
    writing = asyncio.create_task(_write(space, bob, 100))
    try:
        answered = await pages(space, space.host, 0)
    finally:
        await writing
    told = {message["id"] for message in messages_of(answered)}
    assert len(told) == len(messages_of(answered))
    for event in await space.broadcasts():
        if event.event == "room:message-received" and (event.pos or 0) > answered[0]["to"]:
            assert event.payload["message"]["id"] not in told
            told.add(event.payload["message"]["id"])
    assert told == {str(row["id"]) for row in await space.messages()}
    await check_steps(space)


async def _write(space: Space, who: Member, count: int) -> None:
    for number in range(count):
        await space.say(who, f"message {number}")


async def test_five_hundred_participants_are_shown(space: Space) -> None:
    await space.db.sql(
        """with people as (
             insert into auth.users (id) select gen_random_uuid() from generate_series(1, 600) returning id)
           insert into public.room_participants (room_id, user_id, display_name)
           select %s, id, 'Somebody' from people""",
        [space.id],
    )
    (page,) = await pages(space, space.host, await space.head())
    assert len(page["participants"]) == 500
    assert page["participants"][0]["user_id"] == str(space.host.id), "those online come first"


async def test_somebody_kicked_is_not_among_the_participants(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    (page,) = await pages(space, space.host, 0)
    assert str(bob.id) not in {each["user_id"] for each in page["participants"]}
