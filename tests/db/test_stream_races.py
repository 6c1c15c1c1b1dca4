"""A part of a message that comes to the room's lock behind what ends the message: it is not stored and not heard."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.db.support.actors import Json, Refused
from tests.db.support.barrier import Call, after_the_barrier
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space

pytestmark = pytest.mark.db

ENDS: dict[str, tuple[str, Json, str]] = {
    "a stop": ("stop_stream", {}, "stopped"),
    "a deletion": ("delete_message", {}, "deleted"),
    "a kick": ("kick_participant", {}, "kicked"),
    "a ban": ("ban_participant", {}, "banned"),
    "a mute": ("mute_participant", {"p_is_muted": True}, "stopped"),
    "the end of the room": ("update_room_state", {"p_changes": {"is_active": False}}, "stopped"),
    "its own end": ("finish_stream", {}, "final"),
}
LATE: dict[str, Json] = {
    "append_stream": {"p_offset": 3, "p_text": " and on"},
    "finish_stream": {"p_text": " and on", "p_metadata": {"finish_reason": "stop"}},
}


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def scene(space: Space) -> tuple[Member, UUID]:
    bob = await space.newcomer("Bob")
    message = (await space.call(bob, "begin_stream", p_message_type="user_text"))["message"]
    await space.call(bob, "append_stream", p_message_id=message["id"], p_offset=0, p_text="sof")
    return bob, UUID(message["id"])


@pytest.mark.parametrize("late", sorted(LATE))
@pytest.mark.parametrize("end", sorted(ENDS))
async def test_nothing_is_added_after_the_end(space: Space, end: str, late: str) -> None:
    bob, message_id = await scene(space)
    rpc, arguments, told = ENDS[end]
    about: dict[str, Any] = {"p_room_id": space.id, **arguments}
    if rpc in ("stop_stream", "delete_message", "finish_stream"):
        about["p_message_id"] = message_id
    elif rpc != "update_room_state":
        about["p_user_id"] = bob.id
    first = Call(bob.actor if end == "its own end" else space.host, rpc, about)
    second = Call(bob.actor, late, {"p_room_id": space.id, "p_message_id": message_id, **LATE[late]})
    published = len(await space.broadcasts())
    waited, (answer, refused) = await after_the_barrier(space.db, space.id, first, second)
    assert waited == [True, True]
    assert answer["ok"], answer
    if isinstance(refused, Refused):
        assert refused.code == told
    else:
        assert refused["ok"]
        assert (refused["message"] if late == "finish_stream" else refused)["status"] == told
    (row,) = [row for row in await space.messages() if row["id"] == message_id]
    assert row["status"] == {"kicked": "stopped", "banned": "stopped"}.get(told, told)
    assert row["content"] == ("" if told == "deleted" else "sof")
    assert row["metadata"] == {}
    after = await space.broadcasts(after=published)
    assert named(after, "room:message-chunk") == []
    assert len(named(after, "room:message-updated")) == 1
    await check_steps(space)


async def test_two_writers_with_one_account_do_not_mix_their_words(space: Space) -> None:
    bob, message_id = await scene(space)
    parts = [
        Call(
            bob.actor,
            "append_stream",
            {"p_room_id": space.id, "p_message_id": message_id, "p_offset": 3, "p_text": text},
        )
        for text in (" one", " two")
    ]
    _, (first, second) = await after_the_barrier(space.db, space.id, *parts)
    assert (first["ok"], first["length"]) == (True, 7)
    assert (second["ok"], second["code"], second["length"]) == (False, "conflict", 7)


async def test_a_part_and_its_repetition_at_once_are_stored_once(space: Space) -> None:
    bob, message_id = await scene(space)
    call = Call(
        bob.actor,
        "append_stream",
        {"p_room_id": space.id, "p_message_id": message_id, "p_offset": 3, "p_text": " once"},
    )
    published = len(await space.broadcasts())
    _, answers = await after_the_barrier(space.db, space.id, call, call)
    assert [answer["length"] for answer in answers] == [8, 8]
    assert len(await space.broadcasts(after=published)) == 1


async def test_a_beginning_and_its_repetition_at_once_are_one_message(space: Space) -> None:
    bob = await space.newcomer("Bob")
    message_id = str(UUID(int=7, version=4))
    call = Call(bob.actor, "begin_stream", {"p_room_id": space.id, "p_message_type": "user_text", "p_id": message_id})
    _, answers = await after_the_barrier(space.db, space.id, call, call)
    assert [answer["is_repeated"] for answer in answers] == [False, True]
    assert answers[0]["message"] == answers[1]["message"]
    await check_steps(space)
