"""A call that is made again has happened once."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import Refused, check_refusal, expect_refusal
from tests.db.support.database import Database, gathered
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, check_steps, empty_buckets, open_space, unchanged

pytestmark = pytest.mark.db

TIMES = 10


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def test_one_id_ten_times_at_once_is_one_message(space: Space) -> None:
    ada = await space.enter(space.host)
    head, published, message_id = await space.head(), len(await space.broadcasts()), uuid4()
    answers = await gathered(
        *(space.call(ada, "insert_message", p_content="hello", p_id=message_id) for _ in range(TIMES))
    )
    assert [answer["ok"] for answer in answers] == [True] * TIMES
    assert sorted(answer["is_repeated"] for answer in answers) == [False] + [True] * (TIMES - 1)
    (message,) = {str(answer["message"]) for answer in answers}
    assert str(message_id) in message
    assert [row["id"] for row in await space.messages()].count(message_id) == 1
    assert await space.head() == head + 1
    assert len(await space.broadcasts(after=published)) == 1
    await check_steps(space)


async def test_a_repeat_answers_the_stored_row_whatever_it_says_now(space: Space) -> None:
    ada = await space.enter(space.host)
    message_id = uuid4()
    first = await space.say(ada, "first", p_id=message_id, p_metadata={"n": 1})
    async with unchanged(space.db):
        again = await space.call(ada, "insert_message", p_content="second", p_id=message_id, p_metadata={"n": 2})
    assert (again["message"], again["is_repeated"]) == (first, True)


async def test_an_id_of_another_room_is_a_conflict_and_tells_nothing(space: Space) -> None:
    elsewhere = await open_space(space.db, space.host)
    await space.enter(space.host)
    await elsewhere.enter(space.host)
    message_id = uuid4()
    await space.say(space.host, "a secret of the first room", p_id=message_id)
    async with unchanged(space.db):
        with pytest.raises(Refused) as caught:
            await elsewhere.say(space.host, "mine", p_id=message_id)
    check_refusal(caught.value, "conflict")
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    assert str(space.id) not in f"{caught.value} {caught.value.hint}"


async def test_an_id_of_another_sender_is_a_conflict(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer()
    message_id = uuid4()
    await space.say(ada, "a secret", p_id=message_id)
    async with unchanged(space.db):
        with expect_refusal("conflict"):
            await space.say(bob, "mine", p_id=message_id)


async def test_an_id_of_a_system_message_is_a_conflict(space: Space) -> None:
    ada = await space.enter(space.host)
    (system,) = await space.messages()
    async with unchanged(space.db):
        with expect_refusal("conflict"):
            await space.say(ada, "mine", p_id=system["id"])


async def test_two_senders_with_one_id_at_once(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer()
    message_id = uuid4()
    answers = await gathered(
        *(space.call(who, "insert_message", p_content="mine", p_id=message_id) for who in (ada, bob) * 3)
    )
    refusals = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refusals) == 3
    for refusal in refusals:
        check_refusal(refusal, "conflict")
    await check_steps(space)


async def test_two_rooms_with_one_id_at_once(space: Space) -> None:
    elsewhere = await open_space(space.db, space.host)
    await space.enter(space.host)
    await elsewhere.enter(space.host)
    message_id = uuid4()
    answers = await gathered(
        *(each.call(space.host, "insert_message", p_content="mine", p_id=message_id) for each in (space, elsewhere) * 3)
    )
    assert sum(isinstance(answer, Refused) for answer in answers) == 3
    assert len(await space.db.sql("select 1 from public.room_messages where id = %s", [message_id])) == 1
    await check_steps(space)
    await check_steps(elsewhere)


async def test_a_repeat_is_answered_before_the_limit(space: Space) -> None:
    ada = await space.enter(space.host)
    message_id = uuid4()
    first = await space.say(ada, p_id=message_id)
    await empty_buckets(space.db, ada)
    assert (await space.call(ada, "insert_message", p_content="hello"))["code"] == "rate_limited"
    again = await space.call(ada, "insert_message", p_content="hello", p_id=message_id)
    assert (again["ok"], again["message"]) == (True, first)


async def test_a_repeat_in_a_closed_room_is_answered(space: Space) -> None:
    ada = await space.enter(space.host)
    message_id = uuid4()
    first = await space.say(ada, p_id=message_id)
    await space.call(ada, "update_room_state", p_changes={"is_active": False})
    with expect_refusal("room_inactive"):
        await space.say(ada)
    assert (await space.say(ada, p_id=message_id))["id"] == first["id"]


async def test_a_repeat_by_somebody_muted_tells_id_and_seq_only(space: Space) -> None:
    bob = await space.newcomer()
    message_id = uuid4()
    first = await space.say(bob, p_id=message_id)
    await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    with expect_refusal("muted"):
        await space.say(bob)
    async with unchanged(space.db):
        again = await space.call(bob, "insert_message", p_content="hello", p_id=message_id)
    assert again["message"] == {"id": first["id"], "seq": first["seq"]}
    assert (again["ok"], again["is_repeated"]) == (True, True)


async def test_a_repeat_by_somebody_kicked_tells_id_and_seq_only(space: Space) -> None:
    bob = await space.newcomer()
    message_id = uuid4()
    first = await space.say(bob, p_id=message_id)
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    async with unchanged(space.db):
        again = await space.call(bob, "insert_message", p_content="hello", p_id=message_id)
    assert again["message"] == {"id": first["id"], "seq": first["seq"]}


async def test_a_repeated_batch_is_answered_item_by_item(space: Space) -> None:
    ada = await space.enter(space.host)
    drafts = [{"id": str(uuid4()), "content": f"{number}"} for number in range(3)]
    first = await space.call(ada, "insert_messages", p_messages=drafts)
    more = [*drafts, {"id": str(uuid4()), "content": "new"}]
    again = await space.call(ada, "insert_messages", p_messages=more)
    assert [item["is_repeated"] for item in again["results"]] == [True, True, True, False]
    assert [item["message"] for item in again["results"][:3]] == [item["message"] for item in first["results"]]
    assert await space.head() == first["head"] + 1
    await check_steps(space)


async def test_one_bad_item_does_not_undo_the_others(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer()
    taken = uuid4()
    await space.say(bob, p_id=taken)
    head = await space.head()
    drafts: list[dict[str, Any]] = [
        {"id": str(uuid4()), "content": "good"},
        {"id": str(uuid4()), "content": ""},
        {"id": str(taken), "content": "not mine"},
        {"id": str(uuid4()), "content": "x" * 8001},
        {"id": str(uuid4()), "content": "forged", "message_type": "system"},
        {"id": "no uuid", "content": "bad id"},
        {"id": str(uuid4()), "content": "bad reply", "reply_to": str(uuid4())},
        {"id": str(uuid4()), "content": "bad metadata", "metadata": [1]},
        {"id": str(uuid4()), "content": "good too"},
    ]
    answer = await space.call(ada, "insert_messages", p_messages=drafts)
    assert [item.get("code") for item in answer["results"]] == [
        None,
        "invalid_argument",
        "conflict",
        "invalid_argument",
        "not_allowed",
        "invalid_argument",
        "message_not_found",
        "invalid_argument",
        None,
    ]
    assert await space.head() == answer["head"] == head + 2
    await check_steps(space)


async def test_one_id_twice_in_a_batch_is_one_message(space: Space) -> None:
    ada = await space.enter(space.host)
    draft = {"id": str(uuid4()), "content": "hello"}
    answer = await space.call(ada, "insert_messages", p_messages=[draft, draft])
    assert [item["is_repeated"] for item in answer["results"]] == [False, True]
    await check_steps(space)


async def test_a_batch_over_the_limit_stores_what_it_may(space: Space) -> None:
    ada = await space.enter(space.host)
    await space.db.sql("update spaces.limits set refill_per_s = 0.000001 where action = 'send'")
    try:
        drafts = [{"id": str(uuid4()), "content": "hello"} for _ in range(25)]
        answer = await space.call(ada, "insert_messages", p_messages=drafts)
        assert [item["ok"] for item in answer["results"]] == [True] * 20 + [False] * 5
        assert {item["code"] for item in answer["results"][20:]} == {"rate_limited"}
        assert all(item["retry_after_s"] > 0 for item in answer["results"][20:])
    finally:
        await space.db.sql("update spaces.limits set refill_per_s = 5 where action = 'send'")
    await check_steps(space)


async def test_one_room_id_ten_times_at_once_is_one_room(db: Database) -> None:
    ada, room_id = await db.user("ada"), uuid4()
    answers = await gathered(*(db.call(ada, "create_room", p_name="Jam", p_room_id=room_id) for _ in range(TIMES)))
    assert [answer["ok"] for answer in answers] == [True] * TIMES
    assert {answer["room"]["id"] for answer in answers} == {str(room_id)}
    assert len({answer["room"]["room_code"] for answer in answers}) == 1
    assert len(await db.sql("select 1 from public.rooms where host_user_id = %s", [ada.id])) == 1


async def test_the_last_room_that_one_may_have_can_be_made_ten_times_at_once(db: Database) -> None:
    ada, room_id = await db.user("ada"), uuid4()
    for number in range(4):
        await db.call(ada, "create_room", p_name=f"Room {number}")
    answers = await gathered(*(db.call(ada, "create_room", p_name="Jam", p_room_id=room_id) for _ in range(TIMES)))
    assert [getattr(answer, "code", None) or answer["room"]["id"] for answer in answers] == [str(room_id)] * TIMES


async def test_a_room_made_again_keeps_its_name(db: Database) -> None:
    ada, room_id = await db.user("ada"), uuid4()
    first = await db.call(ada, "create_room", p_name="Jam", p_room_id=room_id)
    async with unchanged(db):
        again = await db.call(ada, "create_room", p_name="Another", p_room_id=room_id)
    assert again["room"] == first["room"]


async def test_a_room_id_of_somebody_else_is_a_conflict(space: Space) -> None:
    async with unchanged(space.db):
        with pytest.raises(Refused) as caught:
            await space.db.call(await space.db.user(), "create_room", p_name="Mine", p_room_id=space.id)
    check_refusal(caught.value, "conflict")
    assert space.code not in f"{caught.value} {caught.value.hint}"


async def test_one_connection_ten_times_at_once_is_one_lease(space: Space) -> None:
    bob, connection = await space.db.user("bob"), uuid4()
    await space.admit(bob)
    arguments = {"p_display_name": "Bob", "p_connection_id": connection}
    answers = await gathered(*(space.call(bob, "join_room", **arguments) for _ in range(TIMES)))
    assert [answer["ok"] for answer in answers] == [True] * TIMES
    assert len(named(await space.broadcasts(), "room:participant-joined")) == 1
    assert await space.db.column("select connection_id from spaces.connections where room_id = %s", [space.id]) == [
        connection
    ]
    await check_steps(space)


async def test_a_connection_of_somebody_else_is_a_conflict(space: Space) -> None:
    bob, eve = await space.newcomer("bob"), await space.db.user("eve")
    await space.admit(eve)
    async with unchanged(space.db):
        with expect_refusal("conflict"):
            await space.call(eve, "join_room", p_display_name="Eve", p_connection_id=bob.connection)


async def test_a_connection_of_another_room_is_a_conflict(space: Space) -> None:
    elsewhere = await open_space(space.db)
    bob = await elsewhere.newcomer("bob")
    await space.admit(bob.actor)
    async with unchanged(space.db):
        with expect_refusal("conflict"):
            await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection)
