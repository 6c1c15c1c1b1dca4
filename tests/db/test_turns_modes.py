"""Which bot answers a message: by the mode of the room, what the message is, and who has spoken before."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from tests.db.support.actors import Json
from tests.db.support.barrier import after_the_barrier
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space
from tests.db.support.turns import Replica, age_turns, bot, choose, lapse

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


async def bots(space: Space, *names: str) -> list[Replica]:
    return [await bot(space, name) for name in names]


async def verdicts(message: Json | int, *replicas: Replica) -> list[str]:
    return [await each.verdict(message) for each in replicas]


# -- modes -----------------------------------------------------------------------------------------------


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


# -- round robin -----------------------------------------------------------------------------------------


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


# -- what a message is -----------------------------------------------------------------------------------


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


# -- bots that answer bots -------------------------------------------------------------------------------


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


# -- cool-down -------------------------------------------------------------------------------------------


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
