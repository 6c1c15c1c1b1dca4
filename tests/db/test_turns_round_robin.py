"""The turn goes round among the bots, past those that rest or do not come."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space
from tests.db.support.turns import age_turns, bots, choose, lapse, verdicts

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


async def test_in_round_robin_it_goes_round(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    people = await bots(space, "One", "Two", "Three")
    answered: list[int] = []
    for _ in range(6):
        message = await space.say(space.host)
        for each in people:
            await each.claim(message)
        (granted,) = [n for n, each in enumerate(people) if await each.verdict(message) == "granted"]
        await people[granted].finish(message)
        answered.append(granted)
    assert answered == [0, 1, 2, 0, 1, 2]


async def test_whose_turn_it_is_has_some_seconds_to_take_it(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    one, two, three = await bots(space, "One", "Two", "Three")
    message = await space.say(space.host)
    offered = await two.claim(message)
    assert offered["status"] == "taken"
    assert offered["retry_after_s"] == 5
    assert await one.states() == {(message["seq"], "answer"): "offered"}
    assert await two.states() == {(message["seq"], "answer"): "waiting"}
    assert 0 < (await three.claim(message))["retry_after_s"] <= 5
    assert (await one.enter())["open"] == [
        {"position": message["seq"], "purpose": "answer", "message_id": message["id"]}
    ]
    assert await one.verdict(message) == "granted"


async def test_who_lets_the_turn_pass_comes_after_all_others(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    one, two, three = await bots(space, "One", "Two", "Three")
    message = await space.say(space.host)
    assert await verdicts(message, three) == ["taken"], "it is offered to one"
    await lapse(space)
    assert await verdicts(message, three) == ["taken"], "now to two"
    assert await one.states() == {(message["seq"], "answer"): "waiting"}, "it may still come to it"
    assert await one.verdict(message) == "taken", "which comes too late"
    await lapse(space)
    assert await verdicts(message, three) == ["granted"]
    assert await verdicts(message, one, two) == ["taken", "taken"]
    await lapse(space)
    assert await verdicts(message, one) == ["granted"], "who has come back and waited longest"
    await one.finish(message)
    assert await verdicts(message, one, two, three) == ["done"] * 3


async def test_who_declines_is_not_asked_again(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    one, two, three = await bots(space, "One", "Two", "Three")
    message, following = await space.say(space.host), await space.say(space.host)
    assert await verdicts(message, one, three) == ["granted", "taken"]
    await one.finish(message, outcome="declined")
    assert await verdicts(message, three, two) == ["taken", "granted"], "after one comes two"
    assert await one.states() == {(message["seq"], "answer"): "declined"}
    await two.finish(message, outcome="declined")
    assert await verdicts(message, three) == ["granted"]
    await three.finish(message)
    assert await verdicts(following, two, three, one) == ["taken", "taken", "granted"], "it has had its turn, and waits"


async def test_a_bot_that_hangs_is_waited_for_once(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    assert await verdicts(message, two) == ["taken"], "it is offered to one"
    await lapse(space)
    assert await verdicts(message, two) == ["granted"]
    await two.finish(message)
    for _ in range(2):
        message = await space.say(space.host)
        assert await verdicts(message, two) == ["granted"], "which has not been heard of since"
        await two.finish(message)
    assert await verdicts(message, one) == ["done"]
    assert await verdicts(await space.say(space.host), two) == ["taken"], "now it has"


async def test_what_another_bot_has_taken_away_is_that_ones_in_every_mode(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    await one.claim(message)
    await lapse(space)
    assert await two.verdict(message) == "granted"
    for mode in ("mention", "everyone", "host_picks"):
        await choose(space, turn_mode=mode)
        assert await verdicts(message, one, two) == ["taken", "granted"]
    await two.finish(message)
    assert await one.verdict(message) == "done"


async def test_when_all_have_let_it_pass_it_goes_round_among_those(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    for _ in range(2):
        assert await one.verdict(message) == "granted"
        await lapse(space)
        assert await two.verdict(message) == "granted"
        await lapse(space)
    assert [row["attempt"] for row in [*await one.rows(), *await two.rows()]] == [2, 2]


WAITS_FOR_NOBODY = {
    "offline": "leave_room",
    "muted": "mute_participant",
    "human": "set_participant_kind",
    "kicked": "kick_participant",
    "takes no turns": "enter_turns",
    "past it": "claim_turns",
    "its author": "insert_message",
}


@pytest.mark.parametrize("why", WAITS_FOR_NOBODY)
async def test_round_robin_waits_for_nobody_who_would_not_answer(space: Space, why: str) -> None:
    await choose(space, turn_mode="round_robin", bot_depth=1)
    one, two = await bots(space, "One", "Two")
    message = await space.say(one.member if why == "its author" else space.host)
    match why:
        case "offline":
            await space.call(one.member, "leave_room")
        case "muted":
            await space.call(space.host, "mute_participant", p_user_id=one.id, p_is_muted=True)
        case "human":
            await space.call(space.host, "set_participant_kind", p_user_id=one.id, p_kind="human")
        case "kicked":
            await space.call(space.host, "kick_participant", p_user_id=one.id)
        case "takes no turns":
            await one.enter(p_takes_turns=False)
        case "past it":
            await one.claims(position=message["seq"])
        case _:
            pass
    assert await two.verdict(message) == "granted"


async def test_who_claims_is_there_whatever_its_lease_says(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    (one,) = await bots(space, "One")
    await space.expire(one.member)
    assert await one.verdict(await space.say(space.host)) == "granted"


async def test_a_bot_whose_account_is_being_deleted_is_passed_over(space: Space) -> None:
    await choose(space, turn_mode="round_robin")
    one, two = await bots(space, "One", "Two")
    offered, free = await space.say(space.host), await space.say(space.host)
    assert await two.verdict(offered) == "taken"
    await lapse(space)
    async with space.db.superuser.connection() as connection, connection.transaction(force_rollback=True):
        await connection.execute("delete from auth.users where id = %s", [one.id])
        async with asyncio.timeout(5):
            assert await two.verdict(free) == "granted"
            assert (await two.claim(offered))["retry_after_s"] == 1, (
                "it is not known yet whether the offer goes with it"
            )
    assert await two.verdict(offered) == "granted"


async def test_a_bot_rests_between_two_answers(space: Space) -> None:
    await choose(space, bot_cooldown_s=60)
    (one,) = await bots(space, "One")
    first, second = await space.say(space.host), await space.say(space.host)
    assert await one.verdict(first) == "granted"
    later = await one.claim(second)
    assert (later["status"], later["reason"]) == ("later", "cooldown")
    assert 59 < later["retry_after_s"] <= 60
    assert await one.verdict(first) == "granted", "what it has it keeps"
    assert (await one.states())[second["seq"], "answer"] == "waiting", "and is told of the other when it comes back"
    await age_turns(space, 50)
    await one.finish(first)
    assert (await one.claim(second))["retry_after_s"] > 59, "counted from the end of the answer"
    await age_turns(space, 60)
    assert await one.verdict(second) == "granted"


async def test_while_one_rests_another_answers(space: Space) -> None:
    await choose(space, turn_mode="round_robin", bot_cooldown_s=60)
    one, two = await bots(space, "One", "Two")
    messages = [await space.say(space.host) for _ in range(3)]
    assert await verdicts(messages[0], one) == ["granted"]
    assert await verdicts(messages[1], one, two) == ["taken", "granted"]
    assert await verdicts(messages[2], one, two) == ["cooldown", "cooldown"]
    await age_turns(space, 61)
    assert await verdicts(messages[2], two, one) == ["taken", "granted"]
