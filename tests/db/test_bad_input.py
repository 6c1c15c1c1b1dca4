"""What cannot be: each value refused with a clear error, nothing stored, no step taken, nothing said."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.database import Database
from tests.db.support.rooms import Member, Space, open_space, unchanged

pytestmark = pytest.mark.db

BIG_OBJECT = {"text": "x" * 16_384}
NAMES = {"empty": "", "white space": " \t\n ", "control character": "a\u0007b", "null": None}
MAX_METADATA = {"text": "x" * (16_384 - len('{"text": ""}'))}


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


@pytest.fixture
async def ada(space: Space) -> Member:
    return await space.enter(space.host, "Ada")


ROOMS: dict[str, dict[str, Any]] = {
    **{f"name: {what}": {"p_name": name} for what, name in NAMES.items()},
    "name of 101": {"p_name": "x" * 101},
    "no places": {"p_max_participants": 0},
    "51 places": {"p_max_participants": 51},
    "less than no places": {"p_max_participants": -1},
    "places null": {"p_max_participants": None},
    "unknown mode": {"p_mode": "serious"},
    "mode in capitals": {"p_mode": "Gangster"},
    "mode null": {"p_mode": None},
    "unknown visibility": {"p_visibility": "secret"},
    "visibility null": {"p_visibility": None},
    "settings a list": {"p_settings": []},
    "settings a text": {"p_settings": "x"},
    "settings over 16 kB": {"p_settings": BIG_OBJECT},
    "kept for no time": {"p_expires_after_s": 0},
    "kept for less": {"p_expires_after_s": -1},
    "kept too long": {"p_expires_after_s": 2**31 - 1},
}


@pytest.mark.parametrize("value", sorted(ROOMS))
async def test_create_room(db: Database, value: str) -> None:
    user = await db.user()
    async with unchanged(db):
        with expect_refusal("invalid_argument"):
            await db.call(user, "create_room", **{"p_name": "Jam", **ROOMS[value]})


CODES = [
    "",
    "A",
    "ABCDE",
    "ABCDEFG",
    "ABCDE0",
    "ABCDE1",
    "ABCDEI",
    "ABCDEO",
    "ABC-EF",
    "ABC EF",
    "ÄBCDEF",
    "ABCDEF\nX",
    None,
]


@pytest.mark.parametrize("code", CODES)
async def test_room_codes(db: Database, code: str | None) -> None:
    user = await db.user()
    async with unchanged(db):
        with expect_refusal("invalid_room_code"):
            await db.call(user, "get_room_by_code", p_code=code)


JOINS: dict[str, dict[str, Any]] = {
    **{f"name: {what}": {"p_display_name": name} for what, name in NAMES.items()},
    "name of 51": {"p_display_name": "x" * 51},
    "201 messages": {"p_latest": 201},
    "less than no messages": {"p_latest": -1},
    "messages null": {"p_latest": None},
}


@pytest.mark.parametrize("value", sorted(JOINS))
async def test_join_room(space: Space, value: str) -> None:
    user = await space.db.user()
    await space.admit(user)
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(user, "join_room", **{"p_display_name": "Bob", "p_connection_id": uuid4(), **JOINS[value]})


MESSAGES: dict[str, dict[str, Any]] = {
    "empty": {"p_content": ""},
    "white space": {"p_content": " \n\t"},
    "null": {"p_content": None},
    "of 8,001": {"p_content": "x" * 8001},
    "unknown type": {"p_message_type": "shout"},
    "type null": {"p_message_type": None},
    "metadata a list": {"p_metadata": [1]},
    "metadata a text": {"p_metadata": "x"},
    "metadata over 16 kB": {"p_metadata": BIG_OBJECT},
}
NOT_FOR_HUMANS = ["ai_response", "system"]


@pytest.mark.parametrize("value", sorted(MESSAGES))
async def test_insert_message(space: Space, ada: Member, value: str) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(ada, "insert_message", **{"p_content": "hello", **MESSAGES[value]})


@pytest.mark.parametrize("message_type", NOT_FOR_HUMANS)
async def test_what_a_human_does_not_send(space: Space, ada: Member, message_type: str) -> None:
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.say(ada, p_message_type=message_type)


async def test_what_a_bot_does_not_send(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.say(bot, p_message_type="system")
        with expect_refusal("invalid_argument"):
            await space.say(bot, "x" * 200_001, p_message_type="ai_response")
        with expect_refusal("invalid_argument"):
            await space.say(bot, "x" * 8001)


@pytest.mark.parametrize("argument", ["p_content", "p_metadata"])
async def test_a_nul_cannot_be_stored(space: Space, ada: Member, argument: str) -> None:
    # Postgres has no text with NUL in it: it refuses the JSON before any function runs.
    value: Any = "a\u0000b" if argument == "p_content" else {"key": "a\u0000b"}
    async with unchanged(space.db):
        with pytest.raises(psycopg.DataError):
            await space.call(ada, "insert_message", **{"p_content": "hello", argument: value})


@pytest.mark.parametrize("where", ["another room", "nowhere"])
async def test_a_reply_to_nothing(space: Space, ada: Member, where: str) -> None:
    elsewhere = await open_space(space.db, space.host)
    await elsewhere.enter(space.host)
    target = (await elsewhere.say(space.host))["id"] if where == "another room" else uuid4()
    async with unchanged(space.db):
        with expect_refusal("message_not_found"):
            await space.say(ada, p_reply_to=target)


BATCHES: dict[str, Any] = {
    "null": None,
    "an object": {},
    "a text": "x",
    "empty": [],
    "51 messages": [{"content": "x"}] * 51,
}


@pytest.mark.parametrize("value", sorted(BATCHES))
async def test_insert_messages(space: Space, ada: Member, value: str) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(ada, "insert_messages", p_messages=BATCHES[value])


ITEMS: dict[str, Any] = {
    "null": None,
    "a number": 1,
    "a list": [],
    "no content": {},
    "content a number": {"content": 1},
    "type a number": {"content": "x", "message_type": 1},
    "id a number": {"content": "x", "id": 1},
    "reply no uuid": {"content": "x", "reply_to": "x"},
    "metadata a list": {"content": "x", "metadata": []},
    "metadata over 16 kB": {"content": "x", "metadata": BIG_OBJECT},
}


@pytest.mark.parametrize("value", sorted(ITEMS))
async def test_an_item_of_a_batch(space: Space, ada: Member, value: str) -> None:
    async with unchanged(space.db):
        answer = await space.call(ada, "insert_messages", p_messages=[ITEMS[value]])
    (result,) = answer["results"]
    assert (result["ok"], result["code"]) == (False, "invalid_argument")
    assert result["message"].startswith("cannot ")
    assert result["hint"]


CHANGES: dict[str, Any] = {
    "null": None,
    "a list": [],
    "unknown key": {"host": str(uuid4())},
    "unknown key beside a good one": {"mode": "playful", "room_code": "ABCDEF"},
    "unknown mode": {"mode": "serious"},
    "mode null": {"mode": None},
    "mode a number": {"mode": 1},
    **{f"name: {what}": {"name": name} for what, name in NAMES.items()},
    "name of 101": {"name": "x" * 101},
    "no places": {"max_participants": 0},
    "51 places": {"max_participants": 51},
    "half a place": {"max_participants": 1.5},
    "places as text": {"max_participants": "5"},
    "a great many places": {"max_participants": 10**30},
    "active as text": {"is_active": "false"},
    "conversation null": {"conversation_active": None},
    "unknown visibility": {"visibility": "secret"},
    "settings a list": {"settings": []},
    "settings null": {"settings": None},
    "settings over 16 kB": {"settings": BIG_OBJECT},
}


@pytest.mark.parametrize("value", sorted(CHANGES))
async def test_update_room_state(space: Space, value: str) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(space.host, "update_room_state", p_changes=CHANGES[value])


async def test_settings_that_grow_over_16_kb_bit_by_bit(space: Space) -> None:
    await space.call(space.host, "update_room_state", p_changes={"settings": {"a": "x" * 10_000}})
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(space.host, "update_room_state", p_changes={"settings": {"b": "x" * 10_000}})


async def test_settings_that_are_nested_without_end(space: Space) -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(space.host, "update_room_state", p_changes={"settings": deep})


SIGNALS: dict[str, dict[str, Any]] = {
    "kind null": {"p_kind": None},
    "kind empty": {"p_kind": ""},
    "kind with white space": {"p_kind": "ty ping"},
    "kind too long": {"p_kind": "x" * 65},
    "payload a list": {"p_payload": [1]},
    "payload over 1 kB": {"p_payload": {"text": "x" * 1024}},
    "no time": {"p_ttl_s": 0},
    "less time": {"p_ttl_s": -1},
    "time null": {"p_ttl_s": None},
}


@pytest.mark.parametrize("value", sorted(SIGNALS))
async def test_signal(space: Space, ada: Member, value: str) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(ada, "signal", **{"p_kind": "typing", **SIGNALS[value]})


async def test_set_voice(space: Space, ada: Member) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(ada, "set_voice", p_on=None)


@pytest.mark.parametrize("kind", ["robot", "", None, "Bot"])
async def test_set_participant_kind(space: Space, ada: Member, kind: str | None) -> None:
    bob = await space.newcomer()
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(ada, "set_participant_kind", p_user_id=bob.id, p_kind=kind)


async def test_a_kind_for_a_stranger(space: Space, ada: Member) -> None:
    async with unchanged(space.db):
        with expect_refusal("participant_not_found"):
            await space.call(ada, "set_participant_kind", p_user_id=uuid4(), p_kind="bot")


PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "no messages": ("get_room_messages", {"p_limit": 0}),
    "201 messages": ("get_room_messages", {"p_limit": 201}),
    "messages null": ("get_room_messages", {"p_limit": None}),
    "both ways": ("get_room_messages", {"p_before": 5, "p_after": 1}),
    "no participants": ("get_participants", {"p_limit": 0}),
    "participants null": ("get_participants", {"p_limit": None}),
    "a cursor of one's own": ("get_participants", {"p_cursor": "x"}),
    "an empty cursor": ("get_participants", {"p_cursor": ""}),
    "half a cursor": ("get_participants", {"p_cursor": "2026-01-01T00:00:00Z_"}),
    "a cursor with more in it": ("get_participants", {"p_cursor": "'; drop table public.rooms; --"}),
}


@pytest.mark.parametrize("value", sorted(PAGES))
async def test_pages(space: Space, ada: Member, value: str) -> None:
    rpc, arguments = PAGES[value]
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(ada, rpc, **arguments)


async def test_ids_that_are_none(db: Database) -> None:
    user = await db.user()
    async with unchanged(db):
        with pytest.raises(psycopg.DataError):
            await db.call(user, "get_room_by_id", p_room_id="no uuid")
        with expect_refusal("room_not_found"):
            await db.call(user, "get_room_by_id", p_room_id=None)
        with expect_refusal("room_not_found"):
            await db.call(user, "insert_message", p_room_id=None, p_content="hello")


class TestWhatJustFits:
    """The other side of each limit."""

    async def test_rooms(self, db: Database) -> None:
        user = await db.user()
        answer = await db.call(
            user,
            "create_room",
            p_name="x" * 100,
            p_max_participants=50,
            p_settings=MAX_METADATA,
            p_expires_after_s=None,
            p_visibility="private",
        )
        assert answer["room"]["expires_after_s"] is None
        assert (await db.call(user, "create_room", p_name=" \u00e4 ", p_max_participants=1))["room"]["name"] == "\u00e4"

    async def test_codes(self, space: Space) -> None:
        for code in (space.code.lower(), f"  {space.code}\n"):
            answer = await space.db.call(await space.db.user(), "get_room_by_code", p_code=code)
            assert answer["room"]["id"] == str(space.id)

    async def test_names(self, space: Space) -> None:
        bob = await space.newcomer("x" * 50)
        assert (await space.participant(bob))["display_name"] == "x" * 50
        eve = await space.newcomer("  Eve \n")
        assert (await space.participant(eve))["display_name"] == "Eve"
        await space.newcomer("👩‍👩‍👧‍👦" * 7)

    async def test_messages(self, space: Space, ada: Member) -> None:
        assert len((await space.say(ada, "ä" * 8000))["content"]) == 8000
        assert (await space.say(ada, "x", p_metadata=MAX_METADATA))["metadata"] == MAX_METADATA
        assert (await space.say(ada, "x", p_message_type="user_voice"))["message_type"] == "user_voice"
        assert (await space.say(ada, " kept as it is \n"))["content"] == " kept as it is \n"
        quoted = await space.say(ada, "'; drop table public.rooms; --")
        assert (await space.say(ada, "x", p_reply_to=quoted["id"]))["reply_to"] == quoted["id"]

    async def test_answers_of_bots(self, space: Space) -> None:
        bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
        assert len((await space.say(bot, "x" * 200_000, p_message_type="ai_response"))["content"]) == 200_000

    async def test_signals(self, space: Space, ada: Member) -> None:
        payload = {"text": "x" * (1024 - len('{"text": ""}'))}
        assert (await space.call(ada, "signal", p_kind="my_app.cursor", p_payload=payload, p_ttl_s=60))["sent"] is True

    async def test_fifty_messages(self, space: Space, ada: Member) -> None:
        await space.db.sql("delete from spaces.rate_buckets")
        answer = await space.call(ada, "insert_messages", p_messages=[{"content": "x"}] * 50)
        assert sum(item["ok"] for item in answer["results"]) >= 20
