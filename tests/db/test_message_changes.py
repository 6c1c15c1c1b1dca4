"""Editing and deleting: who may, what of, and what is left."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from spaces_sdk.models import Message
from tests.db.support.actors import Actor, Json, expect_refusal
from tests.db.support.database import Database, gathered
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, empty_buckets, open_space, unchanged
from tests.db.support.shapes import check_shape

pytestmark = pytest.mark.db

CHANGES: dict[str, dict[str, Any]] = {
    "edit_message": {"p_content": "changed"},
    "delete_message": {},
    "react": {"p_emoji": "👍"},
}


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def actors(space: Space) -> dict[str, Actor | Member]:
    """Everybody who might call, by what they are to the room; the author is one of them."""
    made: dict[str, Actor | Member] = {
        name: await space.newcomer(name) for name in ("author", "member", "moderator", "muted", "offline", "kicked")
    }
    for name, change in (("moderator", "role = 'moderator'"), ("muted", "is_muted = true")):
        await space.db.sql(f"update public.room_participants set {change} where user_id = %s", [made[name].id])
    await space.call(made["offline"], "leave_room")
    await space.call(space.host, "kick_participant", p_user_id=made["kicked"].id)
    made["host online"] = await space.enter(space.host)
    made["outsider"] = await space.db.user("outsider")
    made["host of another room"] = (await open_space(space.db)).host
    return made


# What each may do to a message of the author's, or the code of the refusal. Whoever is not here may nothing.
TO_ANOTHERS_MESSAGE: dict[str, dict[str, str]] = {
    "author": {"edit_message": "ok", "delete_message": "ok", "react": "ok"},
    "member": {"edit_message": "not_allowed", "delete_message": "not_allowed", "react": "ok"},
    "moderator": {"edit_message": "not_allowed", "delete_message": "ok", "react": "ok"},
    "host online": {"edit_message": "not_allowed", "delete_message": "ok", "react": "ok"},
    "muted": {"edit_message": "not_allowed", "delete_message": "not_allowed", "react": "muted"},
    "offline": {"edit_message": "not_allowed", "delete_message": "not_allowed", "react": "ok"},
    "kicked": dict.fromkeys(CHANGES, "kicked"),
    "outsider": dict.fromkeys(CHANGES, "not_participant"),
    "host of another room": dict.fromkeys(CHANGES, "not_participant"),
}
# And to one of their own, said before they became what they are.
TO_THEIR_OWN: dict[str, dict[str, str]] = {
    "muted": {"edit_message": "muted", "delete_message": "ok", "react": "muted"},
    "offline": dict.fromkeys(CHANGES, "ok"),
    "kicked": dict.fromkeys(CHANGES, "kicked"),
}


@pytest.mark.parametrize("rpc", sorted(CHANGES))
async def test_who_may_change_what_somebody_said(space: Space, rpc: str) -> None:
    people = await actors(space)
    for name, who in people.items():
        said = await space.say(people["author"], "a secret")
        expected = TO_ANOTHERS_MESSAGE[name][rpc]
        if expected == "ok":
            assert (await space.call(who, rpc, p_message_id=said["id"], **CHANGES[rpc]))["ok"], name
        else:
            async with unchanged(space.db):
                with expect_refusal(expected):
                    await space.call(who, rpc, p_message_id=said["id"], **CHANGES[rpc])
    await check_steps(space)


@pytest.mark.parametrize("state", sorted(TO_THEIR_OWN))
@pytest.mark.parametrize("rpc", sorted(CHANGES))
async def test_who_may_change_their_own_words(space: Space, rpc: str, state: str) -> None:
    bob = await space.newcomer("bob")
    said = await space.say(bob)
    if state == "muted":
        await space.db.sql("update public.room_participants set is_muted = true where user_id = %s", [bob.id])
    elif state == "offline":
        await space.expire(bob)
    else:
        await space.call(space.host, "kick_participant", p_user_id=bob.id)
    expected = TO_THEIR_OWN[state][rpc]
    if expected == "ok":
        assert (await space.call(bob, rpc, p_message_id=said["id"], **CHANGES[rpc]))["ok"]
        return
    async with unchanged(space.db):
        with expect_refusal(expected):
            await space.call(bob, rpc, p_message_id=said["id"], **CHANGES[rpc])


@pytest.mark.parametrize("rpc", sorted(CHANGES))
@pytest.mark.parametrize("which", ["unknown", "null", "of another room"])
async def test_a_message_that_is_not_in_the_room(space: Space, rpc: str, which: str) -> None:
    ada = await space.enter(space.host)
    elsewhere = await open_space(space.db, space.host)
    await elsewhere.enter(space.host)
    message_id = {
        "unknown": str(uuid4()),
        "null": None,
        "of another room": (await elsewhere.say(space.host))["id"],
    }[which]
    async with unchanged(space.db):
        with expect_refusal("message_not_found"):
            await space.call(ada, rpc, p_message_id=message_id, **CHANGES[rpc])


@pytest.mark.parametrize("rpc", ["edit_message", "react"])
@pytest.mark.parametrize(("status", "code"), [("deleted", "message_not_found"), ("streaming", "not_allowed")])
async def test_only_what_is_at_rest_is_edited_and_reacted_to(space: Space, rpc: str, status: str, code: str) -> None:
    ada = await space.enter(space.host)
    said = await space.say(ada)
    await space.db.sql("update public.room_messages set status = %s where id = %s", [status, said["id"]])
    async with unchanged(space.db):
        with expect_refusal(code):
            await space.call(ada, rpc, p_message_id=said["id"], **CHANGES[rpc])


async def test_what_is_still_being_written_can_be_deleted(space: Space) -> None:
    ada = await space.enter(space.host)
    said = await space.say(ada)
    await space.db.sql("update public.room_messages set status = 'streaming' where id = %s", [said["id"]])
    answer = await space.call(ada, "delete_message", p_message_id=said["id"])
    assert answer["message"]["status"] == "deleted"


@pytest.mark.parametrize("rpc", ["edit_message", "react"])
async def test_a_closed_room_is_read_only(space: Space, rpc: str) -> None:
    bob = await space.newcomer("bob")
    said = await space.say(bob)
    await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    async with unchanged(space.db):
        with expect_refusal("room_inactive"):
            await space.call(bob, rpc, p_message_id=said["id"], **CHANGES[rpc])
    await space.call(space.host, "delete_message", p_message_id=said["id"])


async def test_the_host_deletes_without_having_joined(space: Space) -> None:
    said = await space.say(await space.newcomer("bob"))
    assert (await space.call(space.host, "delete_message", p_message_id=said["id"]))["message"]["content"] == ""
    await check_steps(space)


async def test_a_notice_of_the_database_is_nobodys_to_edit_and_the_hosts_to_delete(space: Space) -> None:
    ada = await space.enter(space.host)
    (notice,) = await space.messages()
    with expect_refusal("not_allowed"):
        await space.call(ada, "edit_message", p_message_id=notice["id"], p_content="mine")
    assert (await space.call(ada, "delete_message", p_message_id=notice["id"]))["message"]["message_type"] == "system"


async def change(space: Space, who: Actor | Member, rpc: str, **arguments: Any) -> Json:
    """A change that is one step, one event with the whole row, and the answer of the call."""
    head, published = await space.head(), len(await space.broadcasts())
    answer: Json = await space.call(who, rpc, **arguments)
    assert set(answer) == {"ok", "message", "head"}
    check_shape(Message, answer["message"])
    (event,) = await space.broadcasts(after=published)
    assert event.event == "room:message-updated"
    assert set(event.payload) - {"id"} == {"room_id", "epoch", "at", "pos", "message"}
    assert event.payload["message"] == answer["message"]
    assert event.pos == answer["head"] == answer["message"]["revision"] == head + 1 == await space.head()
    message: Json = answer["message"]
    return message


async def test_an_edit(space: Space) -> None:
    bob = await space.newcomer("Bob")
    said = await space.say(bob, "helo", p_metadata={"lang": "en"})
    message = await change(space, bob, "edit_message", p_message_id=said["id"], p_content="hello")
    kept = said | {"content": "hello", "revision": message["revision"], "updated_at": message["updated_at"]}
    assert message == kept, "the metadata stays"
    assert message["updated_at"] > said["updated_at"]
    message = await change(space, bob, "edit_message", p_message_id=said["id"], p_content="hello", p_metadata={"a": 1})
    assert message["metadata"] == {"a": 1}
    await check_steps(space)


@pytest.mark.parametrize("metadata", [None, {"lang": "en"}])
async def test_an_edit_to_what_stands_already_is_no_change(space: Space, metadata: Json | None) -> None:
    bob = await space.newcomer("bob")
    said = await space.say(bob, "hello", p_metadata={"lang": "en"})
    async with unchanged(space.db):
        answer = await space.call(bob, "edit_message", p_message_id=said["id"], p_content="hello", p_metadata=metadata)
    assert answer == {"ok": True, "message": said, "head": await space.head()}


BAD: dict[str, dict[str, Any]] = {
    "empty": {"p_content": ""},
    "white space": {"p_content": " \n\t"},
    "null": {"p_content": None},
    "of 8,001": {"p_content": "x" * 8001},
    "of 200,001": {"p_content": "x" * 200_001},
    "metadata a list": {"p_metadata": [1]},
    "metadata over 16 kB": {"p_metadata": {"text": "x" * 16_384}},
}


@pytest.mark.parametrize("value", sorted(BAD))
async def test_an_edit_keeps_to_the_limits_of_the_type(space: Space, value: str) -> None:
    bob = await space.newcomer("bob")
    said = await space.say(bob)
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(bob, "edit_message", **{"p_message_id": said["id"], "p_content": "hello", **BAD[value]})


async def test_a_bots_answer_is_edited_by_a_bot_up_to_its_own_limit(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    said = await space.say(bot, p_message_type="ai_response")
    head = await space.head()
    await space.call(bot, "edit_message", p_message_id=said["id"], p_content="ä" * 200_000)
    (event,) = (await space.broadcasts())[-1:]
    assert (event.pos, event.payload["message"], event.payload["is_truncated"]) == (head + 1, None, True)
    assert event.payload["message_id"] == said["id"]
    await space.call(space.host, "set_participant_kind", p_user_id=bot.id, p_kind="human")
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(bot, "edit_message", p_message_id=said["id"], p_content="as a human")


async def test_a_deleted_message_is_a_tombstone(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("Bob")
    said = await space.say(bob, "a secret", p_metadata={"also": "secret"})
    reply = await space.say(ada, "what?", p_reply_to=said["id"])
    said = (await space.call(ada, "react", p_message_id=said["id"], p_emoji="👀"))["message"]
    message = await change(space, bob, "delete_message", p_message_id=said["id"])
    empty: Json = {"content": "", "metadata": {}, "reactions": {}, "status": "deleted"}
    assert message == said | empty | {"revision": message["revision"], "updated_at": message["updated_at"]}
    of_it = await space.db.sql("select 1 from public.room_message_reactions where message_id = %s", [said["id"]])
    assert of_it == []
    items = (await space.call(ada, "get_room_messages"))["items"]
    assert message in items
    assert [item["reply_to"] for item in items if item["id"] == reply["id"]] == [said["id"]]
    with expect_refusal("message_not_found"):
        await space.say(ada, "again", p_reply_to=said["id"])
    await check_steps(space)


async def test_deleting_again_is_no_change(space: Space) -> None:
    ada, bob = await space.enter(space.host), await space.newcomer("bob")
    said = await space.say(bob)
    first = await space.call(bob, "delete_message", p_message_id=said["id"])
    for who in (bob, ada):
        async with unchanged(space.db):
            again = await space.call(who, "delete_message", p_message_id=said["id"])
        assert again == first


async def test_a_repeated_id_answers_the_row_as_it_stands_now(space: Space) -> None:
    bob = await space.newcomer("bob")
    message_id = uuid4()
    await space.say(bob, p_id=message_id)
    edited = (await space.call(bob, "edit_message", p_message_id=message_id, p_content="changed"))["message"]
    again = await space.call(bob, "insert_message", p_content="hello", p_id=message_id)
    assert (again["message"], again["is_repeated"]) == (edited, True)


async def test_many_edits_and_a_deletion_at_once_end_with_the_tombstone(space: Space) -> None:
    bob = await space.newcomer("bob")
    said = await space.say(bob)
    calls = [space.call(bob, "edit_message", p_message_id=said["id"], p_content=f"{number}") for number in range(8)]
    await gathered(*calls[:4], space.call(bob, "delete_message", p_message_id=said["id"]), *calls[4:])
    (row,) = [row for row in await space.messages() if str(row["id"]) == said["id"]]
    assert (row["content"], row["status"]) == ("", "deleted")
    assert named(await space.broadcasts(), "room:message-updated")[-1].payload["message"]["status"] == "deleted"
    await check_steps(space)


@pytest.mark.parametrize("rpc", sorted(CHANGES))
async def test_over_the_limit_of_sends(space: Space, rpc: str) -> None:
    bob = await space.newcomer("bob")
    said = await space.say(bob)
    await space.db.sql("update spaces.limits set refill_per_s = 0.001 where action = 'send'")
    try:
        await empty_buckets(space.db, bob)
        async with unchanged(space.db):
            answer = await space.call(bob, rpc, p_message_id=said["id"], **CHANGES[rpc])
    finally:
        await space.db.sql("update spaces.limits set refill_per_s = 5 where action = 'send'")
    assert (answer["ok"], answer["code"]) == (False, "rate_limited")
    assert answer["retry_after_s"] > 0
