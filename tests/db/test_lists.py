"""Lists come in pages, in a stable order."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import Json
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


async def say(space: Space, count: int) -> None:
    drafts = [{"id": str(uuid4()), "content": f"message {number}"} for number in range(count)]
    answer = await space.call(space.host, "insert_messages", p_messages=drafts)
    assert all(item["ok"] for item in answer["results"])


async def seqs(space: Space) -> list[int]:
    return [row["seq"] for row in await space.messages()]


async def read(space: Space, **arguments: Any) -> Json:
    return await space.call(space.host, "get_room_messages", **arguments)


async def test_the_newest_messages_oldest_first(space: Space) -> None:
    await say(space, 10)
    answer = await read(space, p_limit=4)
    assert [item["seq"] for item in answer["items"]] == (await seqs(space))[-4:]
    assert answer["has_more"] is True


async def test_back_to_the_beginning(space: Space) -> None:
    await say(space, 10)
    got: list[int] = []
    cursor: str | None = None
    for _ in range(10):
        answer = await read(space, p_limit=4, p_before=None if cursor is None else int(cursor))
        got = [item["seq"] for item in answer["items"]] + got
        cursor = answer["next_cursor"]
        assert answer["has_more"] is (cursor is not None)
        if cursor is None:
            break
    assert got == await seqs(space)


async def test_forward_to_the_end(space: Space) -> None:
    await say(space, 10)
    got: list[int] = []
    cursor: str | None = "0"
    while cursor is not None:
        answer = await read(space, p_limit=4, p_after=int(cursor))
        got += [item["seq"] for item in answer["items"]]
        cursor = answer["next_cursor"]
    assert got == await seqs(space)


async def test_new_messages_do_not_shift_the_pages(space: Space) -> None:
    await say(space, 10)
    before = await seqs(space)
    first = await read(space, p_limit=5)
    await say(space, 3)
    second = await read(space, p_limit=5, p_before=int(first["next_cursor"]))
    assert [item["seq"] for item in second["items"] + first["items"]] == before[-10:]


@pytest.mark.parametrize("count", [9, 10, 11])
async def test_the_last_page_says_so(space: Space, count: int) -> None:
    await say(space, count - 1)  # and the system message of the join
    answer = await read(space, p_limit=10)
    assert len(answer["items"]) == min(count, 10)
    assert answer["has_more"] is (count > 10)
    assert (answer["next_cursor"] is None) is (count <= 10)


@pytest.mark.parametrize("arguments", [{"p_before": 0}, {"p_before": -1}, {"p_before": 1}, {"p_after": 2**62}])
async def test_beyond_either_end_there_is_nothing(space: Space, arguments: dict[str, int]) -> None:
    await say(space, 3)
    head = await space.head()
    assert await read(space, **arguments) == {"items": [], "has_more": False, "next_cursor": None, "head": head}


async def test_a_page_of_large_messages_is_shorter(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    for _ in range(5):
        await space.say(bot, "x" * 100_000, p_message_type="ai_response")
    got: list[int] = []
    cursor: str | None = "0"
    while cursor is not None:
        answer = await read(space, p_limit=200, p_after=int(cursor))
        assert sum(len(item["content"]) for item in answer["items"]) <= 262_144
        got += [item["seq"] for item in answer["items"]]
        cursor = answer["next_cursor"]
    assert got == await seqs(space)


async def test_participants_in_the_order_of_their_coming(space: Space) -> None:
    members = [await space.newcomer(f"user {number}") for number in range(6)]
    got: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        answer = await space.call(space.host, "get_participants", p_limit=3, p_cursor=cursor)
        assert len(answer["items"]) <= 3
        got += [item["user_id"] for item in answer["items"]]
        if (cursor := answer["next_cursor"]) is None:
            break
    assert got == [str(space.host.id), *(str(member.id) for member in members)]


async def test_comings_and_goings_do_not_shift_the_pages(space: Space) -> None:
    members = [await space.newcomer(f"user {number}") for number in range(5)]
    first = await space.call(space.host, "get_participants", p_limit=3)
    await space.call(members[0], "leave_room")
    await space.newcomer("late")
    second = await space.call(space.host, "get_participants", p_limit=200, p_cursor=first["next_cursor"])
    names = [item["display_name"] for item in first["items"] + second["items"]]
    assert names == ["host", *(f"user {number}" for number in range(5)), "late"]


async def test_those_offline_are_listed_and_those_kicked_are_not(space: Space) -> None:
    gone, expired, kicked = [await space.newcomer(label) for label in ("gone", "expired", "kicked")]
    await space.call(gone, "leave_room")
    await space.call(space.host, "kick_participant", p_user_id=kicked.id)
    await space.expire(expired)
    answer = await space.call(space.host, "get_participants")
    online = {item["display_name"]: item["is_online"] for item in answer["items"]}
    assert online == {"host": True, "gone": False, "expired": False}


async def test_participants_with_one_and_the_same_time(space: Space) -> None:
    await space.db.sql(
        """with people as (insert into auth.users (id) select gen_random_uuid() from generate_series(1, 9) returning id)
           insert into public.room_participants (room_id, user_id, display_name, joined_at)
           select %s, id, 'Somebody', '2030-01-01' from people""",
        [space.id],
    )
    got: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        answer = await space.call(space.host, "get_participants", p_limit=2, p_cursor=cursor)
        got += [item["user_id"] for item in answer["items"]]
        if (cursor := answer["next_cursor"]) is None:
            break
    assert len(got) == len(set(got)) == 10
