"""A piece of work is one process's at a time, and is known to be done until its bot has gone past it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.db.support.actors import SERVICE, expect_refusal
from tests.db.support.barrier import after_the_barrier, outcome
from tests.db.support.database import Database, gathered
from tests.db.support.rooms import Space, check_steps, empty_buckets, open_space, unchanged
from tests.db.support.turns import Replica, bot, claim_of, lapse

pytestmark = pytest.mark.db

LOG = "message:log"


@pytest_asyncio.fixture(loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host, "Ada")
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def one(space: Space) -> Replica:
    return await bot(space)


# -- where a bot begins ----------------------------------------------------------------------------------


async def test_the_first_time_a_bot_begins_at_the_head(space: Space) -> None:
    before = await space.say(space.host, "before")
    one = Replica(space, await space.newcomer("Bot", app_metadata={"spaces_kind": "bot"}))
    head = await space.head()
    assert await one.enter() == {"ok": True, "position": None, "open": [], "head": head}
    assert await one.position() == head
    after = await space.say(space.host, "after")
    assert await one.verdict(before) == "done"
    assert await one.verdict(after) == "granted"
    assert (await one.enter())["position"] == head


async def test_or_at_the_head_of_its_join(space: Space) -> None:
    one = Replica(space, await space.newcomer("Bot", app_metadata={"spaces_kind": "bot"}))
    joined = await space.head()
    between = await space.say(space.host, "said before it has entered")
    assert (await one.enter(p_position=joined))["position"] is None
    assert await one.verdict(between) == "granted"
    assert (await one.enter(p_position=between["seq"]))["position"] == joined, "a later one does not move it"
    late = Replica(space, await space.newcomer("Late"))
    await late.enter(p_position=10**9)
    assert await late.position() == await space.head(), "and never over the head"


async def test_what_is_open_is_told_to_who_comes_back(space: Space, one: Replica) -> None:
    first, second, third = [await space.say(space.host) for _ in range(3)]
    await one.claims(claim_of(third), claim_of(first), claim_of(first, LOG), claim_of(second), claim_of(0, "timers"))
    await one.finish(second)
    again = await one.another().enter()
    assert again["open"] == [
        {"position": first["seq"], "purpose": "answer", "message_id": first["id"]},
        {"position": first["seq"], "purpose": LOG, "message_id": first["id"]},
        {"position": third["seq"], "purpose": "answer", "message_id": third["id"]},
    ]
    await space.db.sql(
        "update spaces.turns set changed_at = changed_at - interval '25 hours' where room_id = %s and position = %s",
        [space.id, first["seq"]],
    )
    assert [turn["position"] for turn in (await one.enter())["open"]] == [third["seq"]], "not what is of yesterday"


async def test_who_has_not_entered_claims_nothing(space: Space) -> None:
    message = await space.say(space.host)
    one = Replica(space, await space.newcomer("Bot", app_metadata={"spaces_kind": "bot"}))
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await one.claim(message)
        with expect_refusal("not_allowed"):
            await one.finish(message)


# -- one process at a time -------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["answer", LOG])
async def test_of_two_processes_at_once_one_is_granted(space: Space, one: Replica, purpose: str) -> None:
    message = await space.say(space.host)
    replicas = [one, one.another()]
    waited, answers = await after_the_barrier(
        space.db, space.id, *(each.claiming(message, purpose) for each in replicas)
    )
    assert waited == [True, True]
    granted, taken = [answer["turns"][0] for answer in answers]
    assert (granted["status"], granted["attempt"], granted["lease_s"]) == ("granted", 1, 15)
    assert taken["status"] == "taken"
    assert 0 < taken["retry_after_s"] <= 15
    assert "turn_id" not in taken


async def test_of_ten_processes_without_any_order_one_is_granted(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    replicas = [one.another() for _ in range(10)]
    answers = await gathered(*(outcome(space.db, each.claiming(message)) for each in replicas))
    statuses = [answer["turns"][0]["status"] for answer in answers]
    assert sorted(statuses) == ["granted"] + ["taken"] * 9


async def test_the_same_process_again_keeps_it(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    first = await one.claim(message)
    ends_at = (await one.rows())[0]["expires_at"]
    assert await one.claim(message) == first
    (row,) = await one.rows()
    assert row["expires_at"] > ends_at
    await lapse(space)
    assert await one.claim(message) == first, "nobody has taken it meanwhile"
    assert await one.another().verdict(message) == "taken"


async def test_when_the_lease_is_over_another_process_goes_on_with_it(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    first, two = await one.claim(message), one.another()
    await lapse(space)
    second = await two.claim(message)
    assert second == {**first, "attempt": 2}
    assert await one.verdict(message) == "taken"
    assert await one.finish(message) == 0, "it is not theirs any more"
    assert await two.finish(message) == 1
    assert await one.verdict(message) == "done"


async def test_what_is_given_back_is_free_at_once(space: Space, one: Replica) -> None:
    message, two = await space.say(space.host), one.another()
    first = await one.claim(message)
    assert await one.finish(message, outcome="released") == 1
    assert await two.claim(message) == {**first, "attempt": 2}
    assert await two.finish(message, outcome="released") == 1
    assert (await two.claim(message))["attempt"] == 3, "also to who gave it back"


async def test_only_who_holds_it_ends_it(space: Space, one: Replica) -> None:
    message, stranger = await space.say(space.host), await bot(space, "Stranger")
    await one.claim(message, LOG)
    for other in (one.another(), Replica(space, stranger.member, one.holder)):
        assert await other.finish(message, LOG) == 0
    assert await one.finish(message, LOG) == 1
    assert await one.finish(message, LOG) == 0, "once"
    assert await one.another().verdict(message, LOG) == "done"
    assert await stranger.verdict(message, LOG) == "granted", "handlers of other bots are other work"


async def test_one_process_stands_by_for_what_never_ends(space: Space, one: Replica) -> None:
    two = one.another()
    assert await one.verdict(0, "timers") == "granted"
    assert await two.verdict(0, "timers") == "taken"
    with expect_refusal("invalid_argument"):
        await one.finish(0, "timers")
    assert await one.finish(0, "timers", outcome="released") == 1
    assert await two.verdict(0, "timers") == "granted"
    await lapse(space)
    assert (await one.claim(0, "timers"))["attempt"] == 3


async def test_people_may_have_handlers_too(space: Space) -> None:
    person = Replica(space, await space.newcomer("Eve"))
    message = await space.say(space.host)
    await person.enter(p_position=0)
    assert await person.verdict(message, LOG) == "granted"
    assert await person.verdict(message) == "not_a_bot"


# -- how far a bot is ------------------------------------------------------------------------------------


async def test_what_is_below_the_position_and_not_open_is_done(space: Space, one: Replica) -> None:
    first, second, third = [await space.say(space.host) for _ in range(3)]
    await one.claims(claim_of(first, LOG), claim_of(second, LOG))
    assert await one.finish(second, LOG, position=second["seq"]) == 1
    assert await one.states() == {(first["seq"], LOG): "held"}, "what is done below it is forgotten, what is open stays"
    two = one.another()
    assert await two.verdict(first, LOG) == "taken"
    assert await two.verdict(second, LOG) == "done"
    assert await two.verdict(second, "message:other") == "done"
    assert await two.verdict(third, LOG) == "granted"
    await lapse(space)
    assert (await two.claim(first, LOG))["attempt"] == 2, "open work outlives the position"


async def test_what_is_done_above_the_position_is_known_to_be(space: Space, one: Replica) -> None:
    first, second = [await space.say(space.host) for _ in range(2)]
    await one.claims(claim_of(first, LOG), claim_of(second, LOG))
    await one.finish(second, LOG)
    assert await one.another().verdict(second, LOG) == "done"
    await one.finish(first, LOG, position=second["seq"])
    assert await one.states() == {}
    assert await one.another().verdict(second, LOG) == "done"


async def test_answers_stay_known_to_the_other_bots(space: Space, one: Replica) -> None:
    message, other = await space.say(space.host), await bot(space, "Other")
    await one.claim(message)
    await one.finish(message, position=message["seq"])
    assert await one.states() == {(message["seq"], "answer"): "done"}
    assert await other.verdict(message) == "done"


async def test_the_position_goes_forward_only_and_not_past_the_room(space: Space, one: Replica) -> None:
    begun = await one.position()
    message = await space.say(space.host)
    await one.claims(position=message["seq"])
    await one.claims(position=begun)
    assert await one.position() == message["seq"]
    await one.claims(position=10**15)
    assert await one.position() == await space.head()
    await one.finish(message, position=10**15)
    assert await one.position() == await space.head()


async def test_all_processes_of_a_bot_share_it_and_other_bots_do_not(space: Space, one: Replica) -> None:
    other = await bot(space, "Other")
    message = await space.say(space.host)
    await one.claims(position=message["seq"])
    assert (await one.another().enter())["position"] == message["seq"]
    assert await other.verdict(message, LOG) == "granted"


async def test_nothing_of_it_is_a_step(space: Space, one: Replica) -> None:
    message, published = await space.say(space.host), len(await space.broadcasts())
    await one.claim(message)
    await one.finish(message, position=message["seq"])
    assert len(await space.broadcasts()) == published
    await check_steps(space)


# -- who is gone -----------------------------------------------------------------------------------------


async def test_what_a_kicked_bot_has_is_free_when_its_lease_is_over(space: Space, one: Replica) -> None:
    message, other = await space.say(space.host), await bot(space, "Other")
    await one.claim(message)
    await space.call(space.host, "kick_participant", p_user_id=one.id)
    with expect_refusal("kicked"):
        await one.claim(message)
    with expect_refusal("kicked"):
        await one.finish(message)
    assert await other.verdict(message) == "taken"
    await lapse(space)
    assert (await other.claim(message))["attempt"] == 1
    await space.enter(one.member.actor)
    assert await one.verdict(message) == "taken"


@pytest.mark.parametrize("way", ["forgets the room", "loses its account"])
async def test_who_goes_for_good_takes_their_claims_along(space: Space, one: Replica, way: str) -> None:
    message, other = await space.say(space.host), await bot(space, "Other")
    await one.claim(message)
    if way == "forgets the room":
        await space.call(one.member, "forget_room")
    else:
        await space.db.sql("delete from auth.users where id = %s", [one.id])
    assert await one.rows() == []
    assert await other.verdict(message) == "granted"
    await space.call(space.host, "delete_room")
    assert await other.rows() == []


async def test_in_a_closed_room_nothing_is_claimed_and_what_was_can_end(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    await one.claim(message)
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    with expect_refusal("room_inactive"):
        await one.claim(message)
    assert await one.finish(message) == 1


async def test_what_is_of_yesterday_is_forgotten_and_what_is_kept_up_is_not(space: Space, one: Replica) -> None:
    messages = [await space.say(space.host) for _ in range(3)]
    for message in messages:
        await one.claim(message)
    await one.claim(0, "timers")
    await one.finish(messages[0])
    await space.db.sql(
        """update spaces.turns set created_at = created_at - interval '25 hours',
             changed_at = changed_at - interval '25 hours' where room_id = %s""",
        [space.id],
    )
    await one.claim(messages[2])
    await one.claim(0, "timers")
    await space.db.call(SERVICE, "cleanup_inactive_rooms")
    assert await one.states() == {(0, "timers"): "held", (messages[2]["seq"], "answer"): "held"}


async def test_a_large_room_goes_with_all_its_claims(space: Space, one: Replica) -> None:
    await space.db.sql(
        """insert into spaces.turns (room_id, user_id, position, purpose, state)
           select %s, %s, n, 'message:log', 'done' from generate_series(1, 3000) n""",
        [space.id, one.id],
    )
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    await space.db.call(SERVICE, "cleanup_inactive_rooms")
    for table in ("spaces.turns", "spaces.bots", "spaces.room_turns"):
        assert await space.db.value(f"select count(*) from {table} where room_id = %s", [space.id]) == 0
    assert await space.db.column("select id from public.rooms where id = %s", [space.id]) == []


# -- bad input -------------------------------------------------------------------------------------------

MALFORMED: dict[str, Any] = {
    "null": None,
    "no list": {},
    "too many": [claim_of(1, f"h{n}") for n in range(101)],
    "no object": [1],
    "no position": [{"purpose": "answer"}],
    "a position as text": [{"position": "1", "purpose": "answer"}],
    "a position below zero": [{"position": -1, "purpose": "answer"}],
    "half a position": [{"position": 1.5, "purpose": "answer"}],
    "a position over all numbers": [{"position": 10**30, "purpose": "answer"}],
    "a position that the room has not reached": [{"position": 10**9, "purpose": "answer"}],
    "no purpose": [{"position": 1}],
    "an empty purpose": [{"position": 1, "purpose": ""}],
    "a purpose with capitals": [{"position": 1, "purpose": "Answer"}],
    "a purpose with a line break": [{"position": 1, "purpose": "answer\n"}],
    "a purpose that is too long": [{"position": 1, "purpose": "a" * 61}],
    "a purpose that is no text": [{"position": 1, "purpose": 7}],
    "a message that is none": [{"position": 1, "purpose": "answer", "message_id": "x"}],
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_no_claim_can_be(space: Space, one: Replica, what: str) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(one.member, "claim_turns", p_holder=uuid4(), p_claims=MALFORMED[what])


ENDS: dict[str, Any] = {
    "no outcome": {"outcome": None},
    "another outcome": {"outcome": "failed"},
    "standing work that is declined": {"position": 0, "outcome": "declined"},
    "another purpose than answers that is declined": {"purpose": "message:echo", "outcome": "declined"},
    "tokens below zero": {"tokens": -1},
    "tokens as text": {"tokens": "12"},
    "half a token": {"tokens": 0.5},
    "too many tokens": {"tokens": 10**10},
    "a position that the room has not reached": {"position": 10**9},
}


@pytest.mark.parametrize("what", ENDS)
async def test_what_no_end_can_be(space: Space, one: Replica, what: str) -> None:
    message = await space.say(space.host)
    await one.claim(message)
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            turn = {**claim_of(message), "outcome": "done", **ENDS[what]}
            await space.call(one.member, "finish_turns", p_holder=one.holder, p_turns=[turn])


async def test_arguments_that_are_missing(space: Space, one: Replica) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("claim_turns", {"p_holder": None, "p_claims": []}),
        ("claim_turns", {"p_holder": uuid4(), "p_claims": [], "p_position": -1}),
        ("finish_turns", {"p_holder": None, "p_turns": []}),
        ("finish_turns", {"p_holder": uuid4(), "p_turns": None}),
        ("enter_turns", {"p_takes_turns": None}),
        ("enter_turns", {"p_position": -1}),
    ]
    async with unchanged(space.db):
        for rpc, arguments in calls:
            with expect_refusal("invalid_argument"):
                await space.call(one.member, rpc, **arguments)


async def test_handlers_keep_no_more_than_so_many_claims(space: Space, one: Replica) -> None:
    message = await space.say(space.host)
    await space.db.sql("update spaces.config set turns_per_user = 3")
    try:
        for purpose in ("a", "b", "c"):
            assert await one.verdict(message, purpose) == "granted"
        with expect_refusal("not_allowed"):
            await one.claim(message, "d")
        assert await one.verdict(message, "a") == "granted", "what is known may be kept"
        await one.finish(message, "a", position=message["seq"])
        later = await space.say(space.host)
        assert await one.verdict(later, "d") == "granted"
    finally:
        await space.db.sql("update spaces.config set turns_per_user = 2000")


@pytest.mark.parametrize("rpc", ["enter_turns", "claim_turns", "finish_turns", "give_turn"])
async def test_over_the_limit(space: Space, one: Replica, rpc: str) -> None:
    await empty_buckets(space.db, one.member)
    arguments: dict[str, Any] = {
        "claim_turns": {"p_holder": one.holder, "p_claims": []},
        "finish_turns": {"p_holder": one.holder, "p_turns": []},
        "give_turn": {"p_user_id": UUID(int=0)},
    }
    if rpc == "give_turn":
        await space.call(space.host, "set_participant_role", p_user_id=one.id, p_role="moderator")
    async with unchanged(space.db):
        answer = await space.call(one.member, rpc, **arguments.get(rpc, {}))
    assert (answer["ok"], answer["code"]) == (False, "rate_limited")
    assert answer["retry_after_s"] > 0
