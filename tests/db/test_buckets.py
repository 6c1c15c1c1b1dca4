"""How often one may call: counted also for calls that are refused, and not to be undone by the caller."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, check_steps, empty_buckets, open_space, unchanged
from tests.db.support.templates import Templates

pytestmark = pytest.mark.db

CAPACITY = {
    "create": 5,
    "join": 20,
    "code_miss": 10,
    "send": 20,
    "send_bot": 40,
    "signal": 30,
    "moderation": 20,
}


@pytest.fixture(scope="module", autouse=True)
async def hardly_refilled(db: Database) -> None:
    """Limits as they are, but hardly refilled: a busy machine must not change the counts."""
    await db.sql("update spaces.limits set refill_per_s = 0.001")


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


def check_limited(answer: Any) -> None:
    assert (answer["ok"], answer["code"]) == (False, "rate_limited")
    assert 0 < answer["retry_after_s"] <= 1000
    assert answer["message"].startswith("cannot ")
    assert answer["hint"]


async def test_the_limits_are_those_of_the_contract(templates: Templates) -> None:
    rows = await (await templates.migrated()).sql(
        "select action, capacity, refill_per_s::float8 as refill from spaces.limits"
    )
    assert {row["action"]: (row["capacity"], pytest.approx(row["refill"])) for row in rows} == {
        "create": (5, 1 / 60),
        "join": (20, 1),
        "code_miss": (10, 1 / 60),
        "code_miss_all": (1000, 10),
        "send": (20, 5),
        "send_bot": (40, 10),
        "signal": (30, 10),
        "signal_room": (4, 2),
        "stream": (20, 10),
        "turn": (60, 20),
        "moderation": (20, 1 / 3),
        "rest": (100, 100 / 900),
    }


async def test_creating(db: Database) -> None:
    ada = await db.user("ada")
    for _ in range(5):
        answer = await db.call(ada, "create_room", p_name="Jam")
        await db.call(ada, "delete_room", p_room_id=answer["room"]["id"])
    async with unchanged(db):
        check_limited(await db.call(ada, "create_room", p_name="Jam"))
    assert (await db.call(await db.user(), "create_room", p_name="Jam"))["ok"], "it is a limit of one user"


async def test_joining(space: Space) -> None:
    bob = await space.newcomer("bob")
    for _ in range(CAPACITY["join"] - 1):
        assert (await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection))["ok"]
    async with unchanged(space.db):
        check_limited(await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection))


async def test_sending(space: Space) -> None:
    bob = await space.newcomer("bob")
    for _ in range(CAPACITY["send"]):
        await space.say(bob)
    async with unchanged(space.db):
        check_limited(await space.call(bob, "insert_message", p_content="hello"))
        check_limited(await space.call(bob, "set_voice", p_on=True))
    await check_steps(space)


async def test_sending_is_counted_by_room(space: Space) -> None:
    elsewhere = await open_space(space.db, space.host)
    bob = await space.newcomer("bob")
    await elsewhere.enter(bob.actor)
    for _ in range(CAPACITY["send"]):
        await space.say(bob)
    check_limited(await space.call(bob, "insert_message", p_content="hello"))
    assert (await elsewhere.say(bob))["content"] == "hello"


async def test_bots_may_send_more(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    for _ in range(CAPACITY["send_bot"]):
        await space.say(bot, p_message_type="ai_response")
    check_limited(await space.call(bot, "insert_message", p_content="hello", p_message_type="ai_response"))


async def test_changing_rooms_and_people(space: Space) -> None:
    ada = await space.enter(space.host)
    for number in range(CAPACITY["moderation"]):
        await space.call(ada, "update_room_state", p_changes={"name": f"Jam {number}"})
    bob = await space.newcomer("bob")
    async with unchanged(space.db):
        check_limited(await space.call(ada, "update_room_state", p_changes={"name": "Jam"}))
        check_limited(await space.call(ada, "kick_participant", p_user_id=bob.id))
        check_limited(await space.call(ada, "set_participant_kind", p_user_id=bob.id, p_kind="bot"))
        check_limited(await space.call(ada, "delete_room"))
        check_limited(await space.call(ada, "ban_participant", p_user_id=bob.id))
        check_limited(await space.call(ada, "unban_participant", p_user_id=bob.id))
        check_limited(await space.call(ada, "mute_participant", p_user_id=bob.id, p_is_muted=True))
        check_limited(await space.call(ada, "set_participant_role", p_user_id=bob.id, p_role="moderator"))
        check_limited(await space.call(ada, "transfer_host", p_user_id=bob.id))
        check_limited(await space.call(ada, "rotate_code"))


async def test_signals_over_the_limit_are_dropped_in_silence(space: Space) -> None:
    bob = await space.newcomer("bob")
    answers = [await space.call(bob, "signal", p_kind="typing") for _ in range(CAPACITY["signal"] + 1)]
    assert all(answer["ok"] for answer in answers)
    sent = [answer["sent"] for answer in answers]
    assert sent[0] is True
    assert sent[-1] is False
    assert len(named(await space.broadcasts(), "room:signal")) == sum(sent)
    assert set(answers[-1]) == {"ok", "sent"}


async def test_a_room_has_a_limit_on_signals_of_all_together(db: Database) -> None:
    space = await open_space(db)
    members = [await space.newcomer(f"user {number}") for number in range(8)]
    sent = [(await space.call(member, "signal", p_kind="typing"))["sent"] for member in members]
    assert 2 <= sum(sent) <= 4
    assert sent == sorted(sent, reverse=True)


async def test_misses_of_a_user(space: Space) -> None:
    eve = await space.db.user("eve")
    for _ in range(CAPACITY["code_miss"]):
        assert (await space.db.call(eve, "get_room_by_code", p_code="ABCDEF"))["code"] == "room_not_found"
    check_limited(await space.db.call(eve, "get_room_by_code", p_code="ABCDEF"))
    check_limited(await space.db.call(eve, "get_room_by_code", p_code=space.code))
    assert await space.db.column("select user_id from spaces.admissions where room_id = %s", [space.id]) == []
    bob = await space.db.user("bob")
    assert (await space.db.call(bob, "get_room_by_code", p_code=space.code))["ok"]


async def test_hits_are_not_counted(space: Space) -> None:
    bob = await space.db.user("bob")
    for _ in range(CAPACITY["code_miss"] * 2):
        assert (await space.db.call(bob, "get_room_by_code", p_code=space.code))["ok"]


async def test_misses_of_all_together(fresh_db: Database) -> None:
    # Anonymous accounts are free: a thousand of them must not guess a thousand times as much.
    await fresh_db.sql("update spaces.limits set capacity = 12, refill_per_s = 0.001 where action = 'code_miss_all'")
    answers = [
        (await fresh_db.call(await fresh_db.user(), "get_room_by_code", p_code="ABCDEF"))["code"] for _ in range(15)
    ]
    assert answers == ["room_not_found"] * 12 + ["rate_limited"] * 3


@pytest.mark.parametrize("code", ["SHORT", "TOOLONG", "ABCDE0", "ABCDEI", "", "      "])
async def test_a_malformed_code_is_no_guess(space: Space, code: str) -> None:
    eve = await space.db.user("eve")
    for _ in range(CAPACITY["code_miss"] + 1):
        with expect_refusal("invalid_room_code"):
            await space.db.call(eve, "get_room_by_code", p_code=code)
    await space.admit(eve)


async def test_buckets_fill_again(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.say(bob)
    await empty_buckets(space.db, bob)
    check_limited(await space.call(bob, "insert_message", p_content="hello"))
    # One token is back after 1/0.001 s.
    await space.db.sql(
        "update spaces.rate_buckets set refilled_at = now() - interval '1001 seconds' where user_id = %s", [bob.id]
    )
    await space.say(bob)
    check_limited(await space.call(bob, "insert_message", p_content="hello"))


async def test_a_full_bucket_does_not_overflow(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.say(bob)
    await space.db.sql("update spaces.rate_buckets set refilled_at = now() - interval '1 year'")
    for _ in range(CAPACITY["send"]):
        await space.say(bob)
    check_limited(await space.call(bob, "insert_message", p_content="hello"))


WAITING: dict[str, dict[str, Any]] = {
    "create_room": {"p_name": "Jam"},
    "insert_message": {"p_content": "hello"},
    "join_room": {"p_display_name": "Ada"},
    "set_voice": {"p_on": True},
    "update_room_state": {"p_changes": {"mode": "playful"}},
}


@pytest.mark.parametrize("rpc", sorted(WAITING))
async def test_waiting_as_told_is_enough(space: Space, rpc: str) -> None:
    ada = await space.enter(space.host)
    arguments = WAITING[rpc] | ({} if rpc == "create_room" else {"p_room_id": space.id})
    await space.db.call(ada.actor, rpc, **arguments)
    await space.db.sql("update spaces.rate_buckets set tokens = 0.3, refilled_at = now() where user_id = %s", [ada.id])
    answer = await space.db.call(ada.actor, rpc, **arguments)
    check_limited(answer)
    assert 600 < answer["retry_after_s"] <= 700, "0.7 of a token at 0.001 a second"
    await space.db.sql(
        "update spaces.rate_buckets set refilled_at = refilled_at - make_interval(secs => %s) where user_id = %s",
        [answer["retry_after_s"], ada.id],
    )
    assert (await space.db.call(ada.actor, rpc, **arguments))["ok"]


async def test_requests_to_the_rest_service(fresh_db: Database) -> None:
    ada = await fresh_db.user("ada")
    for left in range(99, -1, -1):
        answer = await fresh_db.call(ada, "take_request")
        assert (answer["ok"], answer["remaining"]) == (True, left)
    refused = await fresh_db.call(ada, "take_request")
    assert (refused["ok"], refused["code"], refused["remaining"]) == (False, "rate_limited", 0)
    assert 0 < refused["retry_after_s"] <= 9
    assert 0 < refused["reset_s"] <= refused["window_s"] == 900
    await fresh_db.sql("update spaces.rate_buckets set refilled_at = refilled_at - interval '15 minutes'")
    assert (await fresh_db.call(ada, "take_request"))["remaining"] == 99, "a quarter of an hour later it is full again"


async def test_a_limit_on_requests_that_was_deleted_limits_nothing(fresh_db: Database) -> None:
    await fresh_db.sql("delete from spaces.limits where action = 'rest'")
    answer = await fresh_db.call(await fresh_db.user(), "take_request")
    assert (answer["ok"], answer["limit"]) == (True, None)
