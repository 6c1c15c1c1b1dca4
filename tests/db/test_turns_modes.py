"""Which bot answers a message: by the mode of the room, and what the message is."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.db.support.barrier import after_the_barrier
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space
from tests.db.support.turns import bots, choose, lapse, verdicts

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


async def test_first_is_the_mode_of_a_room_that_has_chosen_none(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    assert await verdicts(message, one, two) == ["granted", "taken"]
    await one.finish(message)
    assert await verdicts(message, one, two) == ["done", "done"]


async def test_in_first_one_of_two_bots_at_once_is_granted(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    waited, answers = await after_the_barrier(space.db, space.id, one.claiming(message), two.claiming(message))
    assert waited == [True, True]
    assert [answer["turns"][0]["status"] for answer in answers] == ["granted", "taken"]


async def test_in_first_another_bot_answers_when_the_one_has_died(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    begun = await one.claim(message)
    await lapse(space)
    second = await two.claim(message)
    assert (second["status"], second["attempt"]) == ("granted", 1)
    assert second["turn_id"] != begun["turn_id"]
    assert await verdicts(message, one, one.another()) == ["taken", "taken"]
    assert await one.finish(message) == 0, "too late: it is the other's"
    await lapse(space)
    third = await one.claim(message)
    assert third == {**begun, "attempt": 2}, "and back, when that one has died too"
    assert await two.verdict(message) == "taken"
    assert await one.finish(message) == 1
    assert await verdicts(message, one, two) == ["done", "done"]


async def test_who_declines_leaves_it_to_the_others(space: Space) -> None:
    one, two, three = await bots(space, "One", "Two", "Three")
    message = await space.say(space.host)
    assert await verdicts(message, one, two) == ["granted", "taken"]
    assert await one.finish(message, outcome="declined") == 1
    assert await one.finish(message, outcome="declined") == 0
    assert await verdicts(message, one, one.another(), one) == ["done", "done", "done"], "for all its processes"
    assert await one.states() == {(message["seq"], "answer"): "declined"}
    assert (await one.enter())["open"] == []
    assert await verdicts(message, two, three) == ["granted", "taken"]
    assert await two.finish(message) == 1
    assert await verdicts(message, one, two, three) == ["done", "done", "done"]


async def test_what_all_decline_nobody_answers(space: Space) -> None:
    people = await bots(space, "One", "Two")
    message = await space.say(space.host)
    for each in people:
        assert await each.verdict(message) == "granted"
        await each.finish(message, outcome="declined")
    assert await verdicts(message, *people) == ["done", "done"]


async def test_everyone(space: Space) -> None:
    await choose(space, turn_mode="everyone")
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    assert await verdicts(message, one, two) == ["granted", "granted"]
    await one.finish(message)
    assert await verdicts(message, one, two) == ["done", "granted"]


async def test_mention(space: Space) -> None:
    await choose(space, turn_mode="mention")
    one, two, three = await bots(space, "One", "Two", "Three")
    assert await verdicts(await space.say(space.host, "well?"), one, two) == ["not_mentioned"] * 2
    both = await space.say(space.host, "@one and @two!")
    assert await verdicts(both, one, two, three) == ["granted", "granted", "not_mentioned"]
    assert await verdicts(both, one.another()) == ["taken"]


@pytest.mark.parametrize("mode", ["first", "round_robin"])
async def test_who_is_named_answers_and_of_several_one(space: Space, mode: str) -> None:
    await choose(space, turn_mode=mode)
    one, two, three = await bots(space, "One", "Two", "Three")
    message = await space.say(space.host, "@three, you tell us")
    assert await verdicts(message, one, two, three) == ["not_mentioned", "not_mentioned", "granted"]
    message = await space.say(space.host, "@One or @Two?")
    assert await verdicts(message, three, one, two) == ["not_mentioned", "granted", "taken"]


async def test_in_everyone_who_is_named_answers_alone(space: Space) -> None:
    await choose(space, turn_mode="everyone")
    one, two, three = await bots(space, "One", "Two", "Three")
    message = await space.say(space.host, "@one and @two, what do you say?")
    assert await verdicts(message, one, two, three) == ["granted", "granted", "not_mentioned"]


async def test_in_host_picks_nobody_answers_unasked(space: Space) -> None:
    await choose(space, turn_mode="host_picks")
    (one,) = await bots(space, "One")
    assert await verdicts(await space.say(space.host, "@one?"), one) == ["mode"]
    assert await one.states() == {}


async def test_the_mode_is_that_of_the_claim(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    await choose(space, turn_mode="host_picks")
    assert await verdicts(message, one) == ["mode"]
    await choose(space, turn_mode="first")
    assert await verdicts(message, one, two) == ["granted", "taken"]
    await choose(space, turn_mode="host_picks")
    assert await one.verdict(message) == "granted", "what is begun goes on"
    await lapse(space)
    assert (await one.another().claim(message))["attempt"] == 2, "and so for who goes on with it"


async def test_nobody_answers_themselves(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    await choose(space, bot_depth=1)
    message = await space.say(one.member)
    assert await verdicts(message, one, two) == ["own", "granted"]


async def test_notices_and_what_is_no_message_get_no_answer(space: Space) -> None:
    (one,) = await bots(space, "One")
    newcomer = await space.newcomer("Eve")
    (notice,) = [row for row in await space.messages() if row["metadata"].get("user_id") == str(newcomer.id)]
    assert await one.verdict(notice) == "system"
    joined = notice["seq"] - 1
    assert await one.verdict(joined) == "gone"
    assert await one.verdict(0) == "gone"
    assert await one.states() == {}


async def test_what_was_deleted_or_is_being_written_gets_none(space: Space) -> None:
    (one,) = await bots(space, "One")
    deleted = await space.say(space.host)
    await space.call(space.host, "delete_message", p_message_id=deleted["id"])
    assert await one.verdict(deleted) == "gone"
    begun = await space.call(space.host, "begin_stream", p_message_type="user_text")
    assert await one.verdict(begun["message"]) == "not_final"
    await space.call(space.host, "finish_stream", p_message_id=begun["message"]["id"], p_text="at last")
    assert await one.verdict(begun["message"]) == "granted"
    stopped = await space.call(space.host, "begin_stream", p_message_type="user_text")
    await space.call(space.host, "stop_stream", p_message_id=stopped["message"]["id"])
    assert await one.verdict(stopped["message"]) == "not_final"


async def test_who_goes_on_with_an_answer_looks_whether_the_question_stands(space: Space) -> None:
    (one,) = await bots(space, "One")
    message = await space.say(space.host)
    await one.claim(message)
    await space.call(space.host, "delete_message", p_message_id=message["id"])
    assert await one.verdict(message) == "granted", "it may end what it has begun"
    await lapse(space)
    assert await one.another().verdict(message) == "gone"
    assert await one.verdict(message) == "done"


async def test_nobody_answers_yesterday(space: Space) -> None:
    (one,) = await bots(space, "One")
    message = await space.say(space.host)
    await space.db.sql(
        "update public.room_messages set created_at = created_at - interval '25 hours' where id = %s", [message["id"]]
    )
    assert await one.verdict(message) == "too_old"


async def test_who_may_not_speak_does_not_answer(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    await one.claim(message)
    await space.call(space.host, "mute_participant", p_user_id=one.id, p_is_muted=True)
    assert await two.verdict(message) == "taken", "until they are heard of, or their lease is over"
    assert await one.verdict(message) == "muted", "it is not theirs to keep"
    assert await two.verdict(message) == "granted"
    assert await one.another().verdict(message) == "muted"
    assert await one.verdict(await space.say(space.host)) == "muted"
    await space.call(space.host, "mute_participant", p_user_id=one.id, p_is_muted=False)
    assert await one.verdict(message) == "taken", "they may have it again when the other one lets it go"
    await space.call(space.host, "set_participant_kind", p_user_id=two.id, p_kind="human")
    assert await two.verdict(message) == "not_a_bot"
    assert await one.verdict(message) == "granted"
    assert await two.verdict(await space.say(space.host)) == "not_a_bot"


async def test_who_dies_and_is_muted_then_leaves_the_answer_to_others(space: Space) -> None:
    one, two = await bots(space, "One", "Two")
    message = await space.say(space.host)
    await one.claim(message)
    await space.call(space.host, "mute_participant", p_user_id=one.id, p_is_muted=True)
    await lapse(space)
    assert await verdicts(message, one.another(), two) == ["muted", "granted"]
