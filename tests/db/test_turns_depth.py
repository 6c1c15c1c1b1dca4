"""Bots answer bots as far as the room lets them."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.db.support.actors import Json
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space
from tests.db.support.turns import bots, choose

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


async def depth(space: Space, message: Json) -> int:
    return await space.db.value(
        "select spaces.message_depth(m) from public.room_messages m where m.id = %s", [message["id"]]
    )


async def test_how_deep_a_message_is(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    asked = await space.say(space.host, "so?")
    answers = [await space.say(each.member, "so", p_reply_to=asked["id"]) for each in (one, two)]
    assert [await depth(space, each) for each in (asked, *answers)] == [0, 1, 1], "two answers to one question"
    second = await space.say(one.member, "no", p_reply_to=answers[1]["id"])
    third = await space.say(two.member, "yes", p_reply_to=second["id"])
    assert [await depth(space, second), await depth(space, third)] == [2, 3]
    loose = await space.say(one.member, "by the way")
    assert await depth(space, loose) == 5, "the fifth message of bots since a human spoke"
    assert await depth(space, await space.say(two.member, "what?", p_reply_to=loose["id"])) == 6
    await space.newcomer("Eve")
    assert await depth(space, await space.say(two.member, "who?")) == 7, "a notice is nobody's word"
    again = await space.say(space.host, "stop")
    assert await depth(space, again) == 0
    assert await depth(space, await space.say(one.member, "I do")) == 1


async def test_a_walk_has_an_end(space: Space) -> None:
    (one,) = await bots(space, "One")
    await space.db.sql("delete from spaces.limits where action = 'send_bot'")
    try:
        message = await space.say(one.member, "0")
        loose = message
        for n in range(120):
            message = await space.say(one.member, str(n), p_reply_to=message["id"])
        assert await depth(space, message) == 101
        assert await depth(space, await space.say(one.member, "x")) == 101
        assert await depth(space, loose) == 1
    finally:
        await space.db.sql("insert into spaces.limits values ('send_bot', 40, 10, 'Messages.')")


async def test_bots_do_not_answer_bots_unless_they_may(space: Space) -> None:
    await choose(space, turn_mode="everyone")
    one, two = await bots(space, "One", "Two")
    asked = await space.say(space.host)
    answer = await space.say(one.member, "@two, you?", p_reply_to=asked["id"])
    assert await two.verdict(answer) == "depth"
    await choose(space, bot_depth=1)
    assert await two.verdict(answer) == "granted"
    second = await space.say(two.member, "me", p_reply_to=answer["id"])
    assert await one.verdict(second) == "depth"


async def test_a_loop_of_bots_ends(space: Space) -> None:
    await choose(space, turn_mode="everyone", bot_depth=6)
    pair = await bots(space, "One", "Two")
    message, said = await space.say(space.host, "@one begin"), 0
    for turn in range(20):
        speaker = pair[turn % 2]
        if await speaker.verdict(message) != "granted":
            break
        answered = message
        message = await space.say(speaker.member, f"@{'Two' if turn % 2 == 0 else 'One'}!", p_reply_to=message["id"])
        await speaker.finish(answered)
        said += 1
    assert said == 7, "one answer to the human, and six to bots"
