"""What bots may use up in a day, and that the room says when it is used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, check_steps, open_space
from tests.db.support.turns import Replica, bot, choose, lapse

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def one(space: Space) -> Replica:
    return await bot(space)


async def resume_at(space: Space) -> datetime | None:
    """What the state says, the same for who catches up as in the last event of it."""
    page = await space.call(space.host, "sync_room", p_after=0)
    told = page["state"]["bots_resume_at"]
    events = named(await space.broadcasts(), "room:state-updated")
    if events:
        assert events[-1].payload["state"] == page["state"]
    return None if told is None else datetime.fromisoformat(told)


async def next_midnight(space: Space) -> datetime:
    now: datetime = await space.db.value("select clock_timestamp()")
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)


async def tomorrow(space: Space) -> None:
    """Let all that was used have been used the day before."""
    await space.db.sql(
        """update spaces.room_turns set day = day - 1, bots_resume_at = bots_resume_at - interval '1 day'
           where room_id = %s""",
        [space.id],
    )


async def test_the_answers_of_a_day(space: Space, one: Replica) -> None:
    await choose(space, bot_messages_per_day=2)
    other = await bot(space, "Other")
    messages = [await space.say(space.host) for _ in range(4)]
    head = await space.head()
    assert await one.verdict(messages[0]) == "granted"
    assert await resume_at(space) is None
    assert await space.head() == head
    assert await other.verdict(messages[1]) == "granted", "the last one of the day"
    assert await resume_at(space) == await next_midnight(space)
    assert await space.head() == head + 1, "one step says it"
    assert await one.verdict(messages[2]) == "budget"
    assert (messages[2]["seq"], "answer") not in await one.states()
    assert await one.verdict(messages[0]) == "granted", "what is begun goes on"
    await one.finish(messages[0])
    assert await one.verdict(messages[1]) == "taken"
    assert await space.head() == head + 1
    await tomorrow(space)
    assert await one.verdict(messages[2]) == "granted"
    assert await resume_at(space) is None, "and that it has begun anew"
    assert await space.head() == head + 2
    await check_steps(space)


async def test_an_answer_counts_once_however_many_begin_it(space: Space, one: Replica) -> None:
    await choose(space, bot_messages_per_day=1)
    message, other = await space.say(space.host), await bot(space, "Other")
    await one.claim(message)
    for each in (one.another(), one.another()):
        await lapse(space)
        assert await each.verdict(message) == "granted"
    await each.finish(message, outcome="released")
    assert await one.verdict(message) == "granted"
    await lapse(space)
    assert await other.verdict(message) == "budget", "another bot's would be another answer"
    used = await space.db.value("select messages from spaces.room_turns where room_id = %s", [space.id])
    assert used == 1


async def test_what_is_declined_is_no_answer(space: Space, one: Replica) -> None:
    await choose(space, bot_messages_per_day=1)
    message, other = await space.say(space.host), await bot(space, "Other")
    await one.claim(message)
    assert await resume_at(space) == await next_midnight(space)
    await one.finish(message, outcome="declined")
    assert await resume_at(space) is None
    assert await other.verdict(message) == "granted"
    assert await resume_at(space) == await next_midnight(space)
    await tomorrow(space)
    await other.finish(message, outcome="declined")
    used = await space.db.value("select messages from spaces.room_turns where room_id = %s", [space.id])
    assert used == 0, "and nothing of today"
    await check_steps(space)


async def test_the_tokens_of_a_day(space: Space, one: Replica) -> None:
    await choose(space, bot_tokens_per_day=100)
    messages = [await space.say(space.host) for _ in range(3)]
    for message in messages[:2]:
        assert await one.verdict(message) == "granted"
    head = await space.head()
    await one.finish(messages[0], tokens=99)
    assert await one.finish(messages[0], tokens=99) == 0, "a repeat counts nothing"
    assert await resume_at(space) is None
    assert await one.finish(messages[1], tokens=1, outcome="released") == 1
    assert await resume_at(space) == await next_midnight(space)
    assert await space.head() == head + 1
    assert await one.verdict(messages[2]) == "budget"
    assert await one.verdict(messages[1]) == "granted", "it was counted when it was begun"
    await check_steps(space)


async def test_what_people_tell_of_tokens_counts_nothing(space: Space, one: Replica) -> None:
    await choose(space, bot_tokens_per_day=100)
    eve = Replica(space, await space.newcomer("Eve"))
    await eve.enter()
    message = await space.say(space.host)
    await eve.claim(message, "message:log")
    assert await eve.finish(message, "message:log", tokens=999_999_999) == 1
    assert await resume_at(space) is None
    assert await one.verdict(message) == "granted"


async def test_handlers_are_free(space: Space, one: Replica) -> None:
    await choose(space, bot_messages_per_day=0)
    message = await space.say(space.host)
    assert await one.verdict(message, "message:log") == "granted"
    assert await one.verdict(message) == "budget"


async def test_another_limit_counts_at_once(space: Space, one: Replica) -> None:
    messages = [await space.say(space.host) for _ in range(3)]
    for message in messages[:2]:
        assert await one.verdict(message) == "granted"
    head = await space.head()
    await choose(space, bot_messages_per_day=2)
    assert await resume_at(space) == await next_midnight(space)
    assert await space.head() == head + 1, "in the step of the change itself"
    assert await one.verdict(messages[2]) == "budget"
    await choose(space, bot_messages_per_day=3)
    assert await resume_at(space) is None
    assert await one.verdict(messages[2]) == "granted"
    assert await resume_at(space) == await next_midnight(space)
    await choose(space, bot_messages_per_day=None)
    assert await resume_at(space) is None, "a thousand, where nothing is said"
    await check_steps(space)


async def test_each_room_has_its_own(db: Database) -> None:
    one_room, other_room = await open_space(db), await open_space(db)
    for space in (one_room, other_room):
        await space.enter(space.host)
        await choose(space, bot_messages_per_day=1)
    one = await bot(one_room)
    same = await bot(other_room, actor=one.member.actor)
    assert await one.verdict(await one_room.say(one_room.host)) == "granted"
    assert await same.verdict(await other_room.say(other_room.host)) == "granted"


async def test_a_pick_costs_too(space: Space, one: Replica) -> None:
    await choose(space, turn_mode="host_picks", bot_messages_per_day=1)
    await space.say(space.host)
    picks: list[int] = []
    for _ in range(2):
        answer = await space.call(space.host, "give_turn", p_user_id=one.id)
        picks.append(answer["state"]["turn"]["position"])
        await one.claim(picks[-1])
        await one.finish(picks[-1])
    assert [await one.verdict(each) for each in picks] == ["done", "budget"]
