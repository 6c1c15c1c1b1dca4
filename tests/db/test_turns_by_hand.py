"""A person decides: picks who answers, and stops an answer."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from tests.db.support.actors import Json, expect_refusal
from tests.db.support.barrier import Call, after_the_barrier
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, check_steps, open_space, unchanged
from tests.db.support.turns import Replica, bot, choose, lapse

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    await choose(made, turn_mode="host_picks")
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def one(space: Space) -> Replica:
    return await bot(space)


async def pick(space: Space, replica: Replica, message: Json | None = None) -> int:
    """Give a bot the turn; the position of the pick."""
    arguments: Json = {} if message is None else {"p_message_id": message["id"]}
    answer = await space.call(space.host, "give_turn", p_user_id=replica.id, **arguments)
    assert answer["ok"], answer
    return answer["state"]["turn"]["position"]


# -- picks -----------------------------------------------------------------------------------------------


async def test_a_pick_is_one_step_and_part_of_the_state(space: Space, one: Replica) -> None:
    message, published = await space.say(space.host), len(await space.broadcasts())
    head = await space.head()
    answer = await space.call(space.host, "give_turn", p_user_id=one.id, p_message_id=message["id"])
    turn = {"user_id": str(one.id), "message_id": message["id"], "position": head + 1}
    assert (answer["state"]["turn"], answer["head"]) == (turn, head + 1)
    (event,) = named(await space.broadcasts(after=published), "room:state-updated")
    assert (event.pos, event.payload["state"]) == (head + 1, answer["state"])
    assert (await space.call(one.member, "sync_room", p_after=0))["state"]["turn"] == turn
    await check_steps(space)


async def test_who_is_picked_answers_whatever_the_rules_say(space: Space, one: Replica) -> None:
    await choose(space, bot_cooldown_s=60)
    other = await bot(space, "Other")
    message = await space.say(one.member, "@Other, I have spoken")
    at = await pick(space, one, message)
    assert await other.verdict(at) == "picked_other"
    assert (await one.enter())["open"] == [{"position": at, "purpose": "answer", "message_id": message["id"]}]
    granted = await one.claim(at)
    assert (granted["status"], granted["attempt"]) == ("granted", 1)
    assert await one.another().verdict(at) == "taken"
    assert await one.finish(at) == 1
    again = await pick(space, one, message)
    assert again > at, "answered; so this is another one"
    assert await one.verdict(again) == "granted", "and without any rest"


async def test_without_a_message_it_is_about_the_newest(space: Space, one: Replica) -> None:
    with expect_refusal("message_not_found"):
        await pick(space, one)
    messages = [await space.say(space.host, str(n)) for n in range(3)]
    await space.newcomer("Eve")
    await space.call(space.host, "begin_stream", p_message_type="user_text")
    await space.call(space.host, "delete_message", p_message_id=messages[2]["id"])
    answer = await space.call(space.host, "give_turn", p_user_id=one.id)
    assert answer["state"]["turn"]["message_id"] == messages[1]["id"]
    for gone in (messages[2]["id"], one.holder):
        async with unchanged(space.db):
            with expect_refusal("message_not_found"):
                await space.call(space.host, "give_turn", p_user_id=one.id, p_message_id=gone)


async def test_the_same_pick_again_is_the_same_turn(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    at = await pick(space, one, message)
    async with unchanged(space.db):
        assert await pick(space, one, message) == at
    await one.claim(at)
    async with unchanged(space.db):
        assert await pick(space, one, message) == at


async def test_a_newer_pick_ends_one_that_nobody_has_begun(space: Space, one: Replica) -> None:
    other, message = await bot(space, "Other"), await space.say(space.host)
    first = await pick(space, one, message)
    second = await pick(space, other, message)
    assert await one.verdict(first) == "picked_other"
    assert await one.states() == {}
    assert await other.verdict(second) == "granted"
    third = await pick(space, one, message)
    assert await other.verdict(second) == "granted", "it has begun"
    assert await one.verdict(third) == "granted"
    await lapse(space)
    await pick(space, other, await space.say(space.host))
    assert (await one.another().claim(third))["attempt"] == 2, "and another process goes on with it"


async def test_a_pick_whose_message_is_deleted_is_not_answered(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    at = await pick(space, one, message)
    await space.call(space.host, "delete_message", p_message_id=message["id"])
    assert await one.verdict(at) == "gone"


async def test_a_bot_that_has_never_entered_finds_its_pick(space: Space) -> None:
    late = Replica(space, await space.newcomer("Late", app_metadata={"spaces_kind": "bot"}))
    message = await space.say(space.host)
    at = await pick(space, late, message)
    entered = await late.enter()
    assert entered["position"] is None
    assert [turn["position"] for turn in entered["open"]] == [at]
    assert await late.verdict(at) == "granted"


async def test_who_is_picked_and_muted_does_not_answer(space: Space, one: Replica) -> None:
    await space.say(space.host)
    at = await pick(space, one)
    await space.call(space.host, "mute_participant", p_user_id=one.id, p_is_muted=True)
    assert await one.verdict(at) == "muted"


WHO_MAY = {
    "host": None,
    "moderator": None,
    "member": "not_allowed",
    "bot": "not_allowed",
    "outsider": "not_participant",
}


@pytest.mark.parametrize("who", WHO_MAY)
async def test_who_may_pick(space: Space, one: Replica, who: str) -> None:
    message = await space.say(space.host)
    actors: dict[str, Any] = {
        "host": space.host,
        "moderator": await space.appointed("moderator"),
        "member": await space.newcomer("member"),
        "bot": one.member,
        "outsider": await space.db.user("outsider"),
    }
    refused = WHO_MAY[who]
    if refused is None:
        await space.call(actors[who], "give_turn", p_user_id=one.id, p_message_id=message["id"])
        return
    async with unchanged(space.db):
        with expect_refusal(refused):
            await space.call(actors[who], "give_turn", p_user_id=one.id, p_message_id=message["id"])


async def test_who_can_be_picked(space: Space, one: Replica) -> None:
    await space.say(space.host)
    person, muted, kicked = await space.newcomer("Eve"), await bot(space, "Muted"), await bot(space, "Kicked")
    await space.call(space.host, "mute_participant", p_user_id=muted.id, p_is_muted=True)
    await space.call(space.host, "kick_participant", p_user_id=kicked.id)
    outsider = await space.db.user("outsider")
    async with unchanged(space.db):
        for user_id, code in (
            (person.id, "not_allowed"),
            (space.host.id, "not_allowed"),
            (muted.id, "not_allowed"),
            (kicked.id, "participant_not_found"),
            (outsider.id, "participant_not_found"),
            (None, "participant_not_found"),
        ):
            with expect_refusal(code):
                await space.call(space.host, "give_turn", p_user_id=user_id)
    await space.call(space.host, "set_participant_kind", p_user_id=person.id, p_kind="bot")
    assert (await space.call(space.host, "give_turn", p_user_id=person.id))["ok"]
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    with expect_refusal("room_inactive"):
        await space.call(space.host, "give_turn", p_user_id=one.id)


async def test_two_picks_at_once_leave_the_later_one(space: Space, one: Replica) -> None:
    other, message = await bot(space, "Other"), await space.say(space.host)
    moderator = await space.appointed("moderator")
    calls = [
        Call(who, "give_turn", {"p_room_id": space.id, "p_user_id": whom.id, "p_message_id": message["id"]})
        for who, whom in ((space.host, one), (moderator, other))
    ]
    _, (first, second) = await after_the_barrier(space.db, space.id, *calls)
    assert second["head"] == first["head"] + 1
    assert await one.verdict(first["head"]) == "picked_other"
    assert await other.verdict(second["head"]) == "granted"


# -- stops -----------------------------------------------------------------------------------------------


async def answer_to(space: Space, replica: Replica) -> tuple[Json, Json]:
    """A question, and what a bot that was granted it is writing."""
    await choose(space, turn_mode="first")
    question = await space.say(space.host)
    assert await replica.verdict(question) == "granted"
    begun = await space.call(replica.member, "begin_stream", p_reply_to=question["id"])
    return question, begun["message"]


@pytest.mark.parametrize("act", ["stop_stream", "delete_message"])
async def test_what_a_person_has_stopped_nobody_begins_anew(space: Space, one: Replica, act: str) -> None:
    other = await bot(space, "Other")
    question, answer = await answer_to(space, one)
    assert await other.verdict(question) == "taken"
    await space.call(space.host, act, p_message_id=answer["id"])
    assert await one.finish(question) == 0
    verdicts = [await each.verdict(question) for each in (one, one.another(), other)]
    assert verdicts == ["done", "done", "done"]


async def test_a_bot_that_stops_by_itself_may_go_on(space: Space, one: Replica) -> None:
    question, answer = await answer_to(space, one)
    await space.call(one.member, "stop_stream", p_message_id=answer["id"])
    assert await one.verdict(question) == "granted"
    await one.finish(question, outcome="released")
    assert (await one.another().claim(question))["attempt"] == 2


async def test_a_stop_ends_this_answer_and_no_other(space: Space, one: Replica) -> None:
    other = await bot(space, "Other")
    await choose(space, turn_mode="everyone")
    question, later = await space.say(space.host), await space.say(space.host)
    for each in (one, other):
        await each.claim(question)
        await each.claim(later)
    begun = await space.call(one.member, "begin_stream", p_reply_to=question["id"])
    await space.call(space.host, "stop_stream", p_message_id=begun["message"]["id"])
    assert [await each.verdict(question) for each in (one, other)] == ["done", "granted"]
    assert [await each.verdict(later) for each in (one, other)] == ["granted", "granted"]


async def test_a_stopped_pick_is_over(space: Space, one: Replica) -> None:
    question = await space.say(space.host)
    at = await pick(space, one, question)
    await one.claim(at)
    begun = await space.call(one.member, "begin_stream", p_reply_to=question["id"])
    await space.call(space.host, "stop_stream", p_message_id=begun["message"]["id"])
    assert await one.another().verdict(at) == "done"
