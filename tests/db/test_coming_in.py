"""How somebody finds a room and comes in: by its code, by an id that serves them already, into a public room."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from tests.db.support.actors import SERVICE, expect_refusal
from tests.db.support.database import Database, gathered
from tests.db.support.rooms import Space, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def test_a_code_shows_the_room_and_who_is_in_it(space: Space) -> None:
    await space.enter(space.host, "Ada")
    gone = await space.newcomer("Gone")
    await space.expire(gone)
    answer = await space.db.call(await space.db.user(), "get_room_by_code", p_code=space.code)
    assert answer["room"]["id"] == str(space.id)
    assert answer["participant_count"] == 1
    assert answer["participants"] == [
        {"display_name": "Ada", "is_online": True, "kind": "human", "role": "host"},
        {"display_name": "Gone", "is_online": False, "kind": "human", "role": "member"},
    ]


async def test_a_look_up_joins_nobody(space: Space) -> None:
    bob = await space.db.user("bob")
    await space.admit(bob)
    assert await space.live_count() == 0
    with expect_refusal("room_not_found"):
        await space.call(bob, "get_room_by_id")


async def test_one_answer_for_wrong_and_closed_and_private(space: Space) -> None:
    db, answers = space.db, list[object]()
    private = await open_space(db, p_visibility="private")
    closed = await open_space(db)
    await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
    for code in ("ABCDEF", private.code, closed.code):
        answers.append(await db.call(await db.user(), "get_room_by_code", p_code=code))
    assert answers[0] == answers[1] == answers[2]


async def test_wrong_and_closed_and_private_count_the_same(space: Space) -> None:
    private = await open_space(space.db, p_visibility="private")
    for code in ("ABCDEF", private.code):
        eve = await space.db.user("eve")
        codes = [(await space.db.call(eve, "get_room_by_code", p_code=code))["code"] for _ in range(11)]
        assert codes == ["room_not_found"] * 10 + ["rate_limited"]


async def test_members_of_a_private_room_find_it(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(space.host, "update_room_state", p_changes={"visibility": "private"})
    for who in (bob.actor, space.host):
        assert (await space.db.call(who, "get_room_by_code", p_code=space.code))["ok"]


async def test_an_admission_from_before_a_room_was_private_lets_nobody_in(space: Space) -> None:
    bob = await space.db.user("bob")
    await space.admit(bob)
    await space.call(space.host, "update_room_state", p_changes={"visibility": "private"})
    with expect_refusal("room_not_found"):
        await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=uuid4())


async def test_the_id_alone_lets_no_newcomer_in(space: Space) -> None:
    async with unchanged(space.db):
        with expect_refusal("room_not_found"):
            await space.call(await space.db.user(), "join_room", p_display_name="Eve", p_connection_id=uuid4())


async def test_the_id_alone_serves_who_is_in_it_already(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(bob, "leave_room")
    assert (await space.call(bob, "join_room", p_display_name=None, p_connection_id=bob.connection))["ok"]


async def test_an_admission_is_for_one_user_and_for_some_minutes(space: Space) -> None:
    bob = await space.db.user("bob")
    await space.admit(bob)
    with expect_refusal("room_not_found"):
        await space.call(await space.db.user("eve"), "join_room", p_display_name="Eve", p_connection_id=uuid4())
    await space.db.sql(
        "update spaces.admissions set expires_at = expires_at - interval '601 seconds' where room_id = %s", [space.id]
    )
    with expect_refusal("room_not_found"):
        await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=uuid4())


async def test_a_public_room_is_open(db: Database) -> None:
    space = await open_space(db, p_visibility="public")
    answer = await space.call(await db.user(), "join_room", p_display_name="Bob", p_connection_id=uuid4())
    assert answer["me"]["display_name"] == "Bob"


async def test_a_public_room_is_not_open_to_somebody_kicked(db: Database) -> None:
    space = await open_space(db, p_visibility="public")
    bob = await space.newcomer("bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    with expect_refusal("kicked"):
        await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=bob.connection)


async def test_who_comes_late_gets_the_latest_messages(space: Space) -> None:
    await space.enter(space.host)
    for number in range(10):
        await space.say(space.host, f"message {number}")
    bob = await space.db.user("bob")
    await space.admit(bob)
    answer = await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=uuid4(), p_latest=4)
    contents = [message["content"] for message in answer["messages"]]
    assert contents[:3] == ["message 7", "message 8", "message 9"]
    assert answer["messages"][-1]["message_type"] == "system"
    assert [message["seq"] for message in answer["messages"]] == sorted(m["seq"] for m in answer["messages"])


async def test_a_join_that_wants_no_messages_gets_none(space: Space) -> None:
    answer = await space.call(space.host, "join_room", p_display_name="Ada", p_latest=0)
    assert answer["messages"] == []


async def test_a_return_keeps_the_name_unless_it_brings_another(space: Space) -> None:
    bob = await space.newcomer("Bob")
    answer = await space.call(bob, "join_room", p_display_name=None, p_connection_id=bob.connection)
    assert answer["me"]["display_name"] == "Bob"


async def test_a_join_of_a_bot_is_a_bots(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    assert (await space.participant(bot))["kind"] == "bot"


async def test_room_codes(db: Database) -> None:
    codes = [await db.call(SERVICE, "generate_room_code") for _ in range(300)]
    assert all(re.fullmatch("[A-HJ-NP-Z2-9]{6}", code) for code in codes)
    assert len(set(codes)) == 300
    assert len(set("".join(codes))) == 32, "each character of the alphabet comes"


async def test_rooms_made_at_once_have_codes_of_their_own(db: Database) -> None:
    users = [await db.user() for _ in range(10)]
    answers = await gathered(*(db.call(user, "create_room", p_name="Jam") for user in users))
    assert len({answer["room"]["room_code"] for answer in answers}) == 10
