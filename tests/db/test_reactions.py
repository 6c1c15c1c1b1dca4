"""Reactions: put and taken back by each for themselves, counted on the message."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from spaces_sdk.errors import InvalidRequestError
from spaces_sdk.rooms import checks
from tests.db.support.actors import ANON, Json, expect_denied, expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database, gathered
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged
from tests.db.test_message_changes import change

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


@pytest.fixture
async def bob(space: Space) -> Member:
    return await space.newcomer("bob")


@pytest.fixture
async def said(space: Space, bob: Member) -> Json:
    return await space.say(bob)


async def test_reactions_are_counted_by_emoji(space: Space, bob: Member, said: Json) -> None:
    ada = await space.enter(space.host)

    async def after(who: Member, emoji: str, **arguments: Any) -> dict[str, int]:
        message = await change(space, who, "react", p_message_id=said["id"], p_emoji=emoji, **arguments)
        assert message == said | {"reactions": message["reactions"], "revision": message["revision"]}
        counts: dict[str, int] = message["reactions"]
        return counts

    assert said["reactions"] == {}
    assert await after(ada, "👍") == {"👍": 1}
    assert await after(bob, "👍") == {"👍": 2}
    assert await after(bob, "🎉") == {"👍": 2, "🎉": 1}
    assert await after(ada, "👍", p_is_on=False) == {"👍": 1, "🎉": 1}
    assert await after(bob, "👍", p_is_on=False) == {"🎉": 1}
    assert await after(bob, "🎉", p_is_on=False) == {}
    await check_steps(space)


@pytest.mark.parametrize("is_on", [True, False])
async def test_the_same_again_is_no_change(space: Space, bob: Member, said: Json, is_on: bool) -> None:
    ada = await space.enter(space.host)
    await space.call(ada, "react", p_message_id=said["id"], p_emoji="👍")
    who = ada if is_on else bob  # Bob has none to take back
    async with unchanged(space.db):
        answer = await space.call(who, "react", p_message_id=said["id"], p_emoji="👍", p_is_on=is_on)
    assert (answer["message"]["reactions"], answer["head"]) == ({"👍": 1}, await space.head())


async def test_one_reaction_ten_times_at_once_is_one_step(space: Space, bob: Member, said: Json) -> None:
    head = await space.head()
    answers = await gathered(*(space.call(bob, "react", p_message_id=said["id"], p_emoji="👍") for _ in range(10)))
    assert [answer["message"]["reactions"] for answer in answers] == [{"👍": 1}] * 10
    assert await space.head() == head + 1
    assert len(named(await space.broadcasts(), "room:message-updated")) == 1


async def test_everybody_at_once(space: Space, said: Json) -> None:
    people = [await space.newcomer(f"user {number}") for number in range(6)]
    await gathered(
        *(space.call(who, "react", p_message_id=said["id"], p_emoji=emoji) for who in people for emoji in "👍🎉")
    )
    await gathered(
        *(space.call(who, "react", p_message_id=said["id"], p_emoji="🎉", p_is_on=False) for who in people[:4])
    )
    (row,) = [row for row in await space.messages() if str(row["id"]) == said["id"]]
    assert row["reactions"] == {"👍": 6, "🎉": 2}
    await check_steps(space)


async def test_one_user_puts_five_emojis_on_a_message(space: Space, bob: Member, said: Json) -> None:
    for emoji in "😀😁😂😃😄":
        await space.call(bob, "react", p_message_id=said["id"], p_emoji=emoji)
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(bob, "react", p_message_id=said["id"], p_emoji="😅")
        assert (await space.call(bob, "react", p_message_id=said["id"], p_emoji="😀"))["ok"], "it is there already"
    await space.call(bob, "react", p_message_id=said["id"], p_emoji="😀", p_is_on=False)
    await space.call(bob, "react", p_message_id=said["id"], p_emoji="😅")


async def test_twenty_different_emojis_fit_on_a_message(space: Space, bob: Member, said: Json) -> None:
    people = [await space.newcomer(f"user {number}") for number in range(4)]
    for number in range(20):
        emoji = chr(0x1F600 + number)
        await space.call(people[number // 5], "react", p_message_id=said["id"], p_emoji=emoji)
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍")
    answer = await space.call(bob, "react", p_message_id=said["id"], p_emoji=chr(0x1F600))
    assert len(answer["message"]["reactions"]) == 20
    assert answer["message"]["reactions"][chr(0x1F600)] == 2


async def test_who_is_muted_takes_back_and_puts_nothing(space: Space, bob: Member, said: Json) -> None:
    await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍")
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    async with unchanged(space.db):
        with expect_refusal("muted"):
            await space.call(bob, "react", p_message_id=said["id"], p_emoji="🎉")
    answer = await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍", p_is_on=False)
    assert answer["message"]["reactions"] == {}


EMOJIS = [
    "👍",
    "👍🏽",
    "❤️",
    "❤",
    "1️⃣",
    "#️⃣",
    "©️",
    "™",
    "‼️",
    "㊙️",
    "🇩🇪",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "👨‍👩‍👧‍👦",
    "🫱🏻‍🫲🏿",
]
NO_EMOJIS = [
    "",
    " ",
    "a",
    "buy now",
    "1",
    "#1",
    "\u200d",
    "\ufe0f",
    "👍 👍",
    "👍\n",
    "👍a",
    "ä",
    "я",
    "\u202e👍",
    "\u2800",
    "👍" * 17,
    None,
]


@pytest.mark.parametrize("emoji", EMOJIS)
async def test_an_emoji(space: Space, bob: Member, said: Json, emoji: str) -> None:
    answer = await space.call(bob, "react", p_message_id=said["id"], p_emoji=emoji)
    assert answer["message"]["reactions"] == {emoji: 1}


@pytest.mark.parametrize("text", NO_EMOJIS)
async def test_no_emoji(space: Space, bob: Member, said: Json, text: str | None) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(bob, "react", p_message_id=said["id"], p_emoji=text)


async def test_the_sdk_takes_the_same_characters_for_emojis(db: Database) -> None:
    points = [*range(1, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0100)]

    def is_emoji(text: str) -> bool:
        try:
            return bool(checks.emoji_of("react", text))
        except InvalidRequestError:
            return False

    query = "select n from unnest(%s::integer[]) n where spaces.is_emoji({}) order by n"
    alone = await db.column(query.format("chr(n)"), [points])
    assert alone == [point for point in points if is_emoji(chr(point))]
    beside = await db.column(query.format("'👍' || chr(n)"), [points])
    assert beside == [point for point in points if is_emoji("👍" + chr(point))]


async def test_neither_on_nor_off(space: Space, bob: Member, said: Json) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍", p_is_on=None)


async def test_a_deleted_account_takes_its_reactions_along(space: Space, bob: Member, said: Json) -> None:
    eve = await space.newcomer("eve")
    await space.call(eve, "react", p_message_id=said["id"], p_emoji="👍")
    await space.db.sql("delete from auth.users where id = %s", [eve.id])
    answer = await space.call(bob, "react", p_message_id=said["id"], p_emoji="🎉")
    assert answer["message"]["reactions"] == {"🎉": 1}, "counted anew with the next change"


@pytest.mark.parametrize("rpc", ["react", "delete_message"])
async def test_the_message_is_locked_before_its_reactions(space: Space, bob: Member, said: Json, rpc: str) -> None:
    # As when an account is deleted: the two would otherwise wait for each other.
    await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍")
    arguments = {"p_room_id": space.id, "p_message_id": said["id"]}
    if rpc == "react":
        arguments |= {"p_emoji": "👍", "p_is_on": False}
    async with AsyncExitStack() as started, space.db.superuser.connection() as holder:
        async with holder.transaction():
            await holder.execute("select from public.room_messages where id = %s for no key update", [said["id"]])
            (waiting,) = await started.enter_async_context(pending(space.db, Call(bob.actor, rpc, arguments)))
            assert not waiting.is_answered
            free = await space.db.sql(
                "select 1 from public.room_message_reactions where message_id = %s for update skip locked", [said["id"]]
            )
            assert len(free) == 1
        assert (await waiting.answer())["message"]["reactions"] == {}


async def test_members_read_who_reacted(space: Space, bob: Member, said: Json) -> None:
    await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍")
    query = "select user_id, emoji from public.room_message_reactions"
    eve, outsider = await space.newcomer("eve"), await space.db.user("outsider")
    assert await space.db.select(eve.actor, query) == [{"user_id": bob.id, "emoji": "👍"}]
    await space.call(space.host, "kick_participant", p_user_id=eve.id)
    for stranger in (eve.actor, outsider):
        assert await space.db.select(stranger, query) == []
    with expect_denied():
        await space.db.select(ANON, query)


async def test_the_end_of_a_room_is_the_end_of_its_reactions(space: Space, bob: Member, said: Json) -> None:
    await space.call(bob, "react", p_message_id=said["id"], p_emoji="👍")
    await space.call(space.host, "delete_room")
    assert await space.db.sql("select 1 from public.room_message_reactions where room_id = %s", [space.id]) == []
