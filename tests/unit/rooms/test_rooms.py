"""`RoomManager`: each method's call, its answer as a typed value, and what it refuses before any I/O."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from spaces_sdk.drafts import MessageDraft, StateChanges
from spaces_sdk.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
)
from spaces_sdk.models import (
    JsonObject,
    Kind,
    Message,
    MessageStatus,
    MessageType,
    Role,
    RoomMode,
    RoomState,
    Visibility,
)
from spaces_sdk.rooms import Ban, RoomManager
from spaces_sdk.session import SessionApi
from tests.support.fake_project import hang, ok, refused, turning
from tests.support.rooms_bench import RoomsBench

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

ROOM = "6d1f0f0e-2b5a-4c7e-9d52-7e1c6a1f0001"
ADA = "7f4c2c1e-3df0-4f0e-8a51-0b8a1f1d0001"
MESSAGE = "93fb3a3a-64f5-41b3-8d3e-2b1f9a1e0001"
CONNECTION = "b4cf86ad-4a5f-4f49-8d53-3a0f6a1e0001"
TIME = "2026-11-23T12:00:00.123456+00:00"

ROOM_JSON: JsonObject = {
    "id": ROOM,
    "room_code": "XJ9K2M",
    "name": "Friday jam",
    "host_user_id": ADA,
    "max_participants": 10,
    "is_active": True,
    "current_mode": "gangster",
    "conversation_active": False,
    "settings": {},
    "visibility": "unlisted",
    "expires_after_s": 86400,
    "created_at": TIME,
    "last_activity": TIME,
    "made_later": "ignored",
}
ADA_JSON: JsonObject = {
    "id": CONNECTION,
    "room_id": ROOM,
    "user_id": ADA,
    "display_name": "Ada",
    "is_online": True,
    "joined_at": TIME,
    "last_seen": TIME,
    "role": "host",
    "kind": "human",
    "is_muted": False,
    "voice_since": None,
}
MESSAGE_JSON: JsonObject = {
    "id": MESSAGE,
    "room_id": ROOM,
    "user_id": ADA,
    "message_type": "user_text",
    "content": "hello",
    "metadata": {},
    "created_at": TIME,
    "seq": 3,
    "revision": 3,
    "status": "final",
    "reply_to": None,
    "updated_at": TIME,
    "display_name": "Ada",
    "sender_kind": "human",
    "reactions": {"👍": 2},
}
STATE_JSON: JsonObject = {
    "mode": "playful",
    "conversation_active": True,
    "name": "Friday jam",
    "max_participants": 10,
    "settings": {},
    "host": ADA,
    "visibility": "unlisted",
    "is_active": True,
}
TOPIC = f"spaces:{ROOM}:1"
JOINED_JSON: JsonObject = {
    "ok": True,
    "room": ROOM_JSON,
    "me": ADA_JSON,
    "participants": [ADA_JSON],
    "state": STATE_JSON,
    "messages": [MESSAGE_JSON],
    "head": 4,
    "epoch": 1,
    "topic": TOPIC,
    "connection_id": CONNECTION,
    "lease_s": 75,
    "heartbeat_s": 30,
}
SYNC_JSON: JsonObject = {
    "messages": [MESSAGE_JSON],
    "to": 4,
    "cursor": {"phase": 1, "at": 3},
    "head": 5,
    "epoch": 1,
    "topic": TOPIC,
}


def test_a_session_takes_it_as_its_api(bench: RoomsBench) -> None:
    api: SessionApi = bench.rooms
    assert api is bench.rooms


def test_the_changes_are_those_of_the_state_without_the_host_and_its_turns() -> None:
    assert StateChanges.__annotations__.keys() == RoomState.model_fields.keys() - {"host", "turn", "bots_resume_at"}


def test_every_method_has_a_deadline_and_a_docstring() -> None:
    for name, method in inspect.getmembers(RoomManager, inspect.iscoroutinefunction):
        if name.startswith("_"):
            continue
        parameters = inspect.signature(method).parameters
        assert parameters["timeout_s"].kind is inspect.Parameter.KEYWORD_ONLY, name
        assert method.__doc__, name


async def test_create_room(bench: RoomsBench) -> None:
    bench.project.on("create_room", ok({"ok": True, "room": ROOM_JSON, "head": 0}))
    room = await bench.rooms.create_room(" Friday jam ", expires_after=timedelta(hours=2), room_id=ROOM)
    assert (room.id, room.room_code, room.visibility) == (UUID(ROOM), "XJ9K2M", Visibility.UNLISTED)
    assert room.created_at == datetime(2026, 11, 23, 12, 0, 0, 123456, UTC)
    assert bench.project.bodies("create_room") == [
        {
            "p_name": "Friday jam",
            "p_max_participants": 10,
            "p_room_id": ROOM,
            "p_mode": "gangster",
            "p_visibility": "unlisted",
            "p_settings": {},
            "p_expires_after_s": 7200,
        }
    ]


async def test_create_room_makes_its_own_id_once(bench: RoomsBench) -> None:
    bench.project.on("create_room", httpx.ReadError("reset"), ok({"ok": True, "room": ROOM_JSON, "head": 0}))
    await turning(bench.clock, bench.rooms.create_room("Jam", expires_after=None))
    first, second = bench.project.bodies("create_room")
    assert first == second
    assert UUID(first["p_room_id"]).version == 4
    assert first["p_expires_after_s"] is None


async def test_an_unanswered_create_room_tells_its_id(bench: RoomsBench) -> None:
    bench.project.on("create_room", hang)
    error = await bench.error(bench.rooms.create_room("Jam", timeout_s=2))
    assert isinstance(error, OutcomeUnknownError)
    assert {body["p_room_id"] for body in bench.project.bodies("create_room")} == {str(error.operation_id)}


async def test_get_room_by_code(bench: RoomsBench) -> None:
    guest = {"display_name": "Ada", "is_online": True, "kind": "human", "role": "host"}
    answer = {"ok": True, "room": ROOM_JSON, "participants": [guest], "participant_count": 1}
    bench.project.on("get_room_by_code", ok(answer))
    preview = await bench.rooms.get_room_by_code("xj9-k2m")
    assert (preview.participants[0].display_name, preview.participant_count, preview.is_full) == ("Ada", 1, False)
    assert bench.project.bodies("get_room_by_code") == [{"p_code": "XJ9K2M"}]
    bench.project.on("get_room_by_code", ok({"ok": False, "code": "room_not_found", "message": "x", "hint": ""}))
    assert type(await bench.error(bench.rooms.get_room_by_code("XJ9K2M"))) is NotFoundError
    limited = {"ok": False, "code": "rate_limited", "message": "x", "hint": "", "retry_after_s": 60}
    bench.project.on("get_room_by_code", ok(limited))
    error = await bench.error(bench.rooms.get_room_by_code("XJ9K2M"))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 60


async def test_get_room_by_id(bench: RoomsBench) -> None:
    answer = {"room": ROOM_JSON, "participants": [ADA_JSON], "participant_count": 1}
    bench.project.on("get_room_by_id", ok(answer))
    details = await bench.rooms.get_room_by_id(UUID(ROOM))
    assert details.participants[0].user_id == UUID(ADA)
    assert bench.project.bodies("get_room_by_id") == [{"p_room_id": ROOM}]


async def test_join_room(bench: RoomsBench) -> None:
    bench.project.on("join_room", ok(JOINED_JSON))
    joined = await bench.rooms.join_room(ROOM, " Ada ", connection_id=CONNECTION, latest=10)
    assert (joined.head, joined.topic, joined.connection_id) == (4, TOPIC, UUID(CONNECTION))
    assert joined.messages[0].message_type is MessageType.USER_TEXT
    assert bench.project.bodies("join_room") == [
        {"p_room_id": ROOM, "p_display_name": "Ada", "p_connection_id": CONNECTION, "p_latest": 10}
    ]
    bench.project.on("join_room", ok(JOINED_JSON | {"connection_id": None}))
    assert (await bench.rooms.join_room(ROOM)).connection_id is None
    assert bench.project.bodies("join_room")[-1]["p_display_name"] is None


async def test_sync_room(bench: RoomsBench) -> None:
    bench.project.on("sync_room", ok(SYNC_JSON))
    page = await bench.rooms.sync_room(ROOM, 0)
    assert (page.to, page.cursor, page.participants) == (4, {"phase": 1, "at": 3}, None)
    last = SYNC_JSON | {"cursor": None, "participants": [ADA_JSON], "state": STATE_JSON, "room": ROOM_JSON}
    bench.project.on("sync_room", ok(last))
    page = await bench.rooms.sync_room(ROOM, 0, to=page.to, cursor=page.cursor)
    assert page.cursor is None
    assert page.state is not None
    assert page.participants is not None
    assert bench.project.bodies("sync_room")[-1] == {
        "p_room_id": ROOM,
        "p_after": 0,
        "p_to": 4,
        "p_cursor": {"phase": 1, "at": 3},
    }


async def test_heartbeat(bench: RoomsBench) -> None:
    live = {"connection_id": CONNECTION, "room_id": ROOM, "status": "live", "head": 4, "epoch": 1, "topic": TOPIC}
    gone = {"connection_id": MESSAGE, "room_id": None, "status": "lease_expired"}
    bench.project.on("heartbeat", ok({"ok": True, "leases": [live | {"state": STATE_JSON}, gone], "server_now": TIME}))
    first, second = await bench.rooms.heartbeat([CONNECTION, UUID(MESSAGE)])
    assert first.is_live
    assert (second.status, second.is_live) == ("lease_expired", False)


async def test_leave_room(bench: RoomsBench) -> None:
    bench.project.on("leave_room", ok({"ok": True, "head": 5}))
    await bench.rooms.leave_room(ROOM)
    await bench.rooms.leave_room(ROOM, connection_id=CONNECTION)
    assert bench.project.bodies("leave_room") == [
        {"p_room_id": ROOM, "p_connection_id": None},
        {"p_room_id": ROOM, "p_connection_id": CONNECTION},
    ]


async def test_get_participants(bench: RoomsBench) -> None:
    bench.project.on("get_participants", ok({"items": [ADA_JSON], "next_cursor": "c1"}))
    page = await bench.rooms.get_participants(ROOM, limit=1)
    assert (page.items[0].display_name, page.next_cursor) == ("Ada", "c1")
    await bench.rooms.get_participants(ROOM, limit=1, cursor=page.next_cursor)
    assert bench.project.bodies("get_participants")[-1] == {"p_room_id": ROOM, "p_limit": 1, "p_cursor": "c1"}


async def test_insert_message(bench: RoomsBench) -> None:
    bench.project.on("insert_message", ok({"ok": True, "message": MESSAGE_JSON, "head": 3, "is_repeated": False}))
    message = await bench.rooms.insert_message(
        ROOM, "hello", metadata={"a": 1}, message_id=MESSAGE, reply_to=CONNECTION
    )
    assert (message.seq, message.content) == (3, "hello")
    assert bench.project.bodies("insert_message") == [
        {
            "p_room_id": ROOM,
            "p_content": "hello",
            "p_message_type": "user_text",
            "p_metadata": {"a": 1},
            "p_id": MESSAGE,
            "p_reply_to": CONNECTION,
        }
    ]


async def test_a_lost_answer_never_makes_a_second_message(bench: RoomsBench) -> None:
    stored = ok({"ok": True, "message": MESSAGE_JSON, "head": 3, "is_repeated": True})
    bench.project.on("insert_message", httpx.ReadError("reset"), httpx.Response(503, text="busy"), stored)
    await turning(bench.clock, bench.rooms.insert_message(ROOM, "hello"))
    assert len({body["p_id"] for body in bench.project.bodies("insert_message")}) == 1


async def test_a_repeat_by_one_who_is_muted_reads_what_was_stored(bench: RoomsBench) -> None:
    bench.project.on("insert_message", ok({"ok": True, "message": {"id": MESSAGE, "seq": 3}, "head": 9}))
    bench.project.on("get_room_messages", ok({"items": [MESSAGE_JSON], "has_more": True, "next_cursor": "3"}))
    assert (await bench.rooms.insert_message(ROOM, "hello", message_id=MESSAGE)).content == "hello"
    assert bench.project.bodies("get_room_messages") == [
        {"p_room_id": ROOM, "p_limit": 1, "p_before": None, "p_after": 2}
    ]


async def test_a_repeat_by_one_who_is_out_says_that_it_is_stored(bench: RoomsBench) -> None:
    bench.project.on("insert_message", ok({"ok": True, "message": {"id": MESSAGE, "seq": 3}, "head": 9}))
    bench.project.on("get_room_messages", refused(403, "kicked"))
    error = await bench.error(bench.rooms.insert_message(ROOM, "hello", message_id=MESSAGE))
    assert (type(error), error.code) == (PermissionDeniedError, "kicked")
    assert "it is stored as number 3" in error.message


async def test_a_repeat_that_cannot_be_read_now_keeps_its_id(bench: RoomsBench) -> None:
    bench.project.on("insert_message", ok({"ok": True, "message": {"id": MESSAGE, "seq": 3}, "head": 9}))
    bench.project.on("get_room_messages", hang)
    started = bench.clock.monotonic()
    error = await bench.error(bench.rooms.insert_message(ROOM, "hello", message_id=MESSAGE, timeout_s=3))
    assert isinstance(error, OutcomeUnknownError)
    assert error.operation_id == UUID(MESSAGE)
    assert bench.clock.monotonic() - started < 3.5


async def test_insert_messages_answers_for_each(bench: RoomsBench) -> None:
    refusal = {"ok": False, "code": "conflict", "message": "cannot send: the id is taken", "hint": ""}
    results: list[JsonObject] = [{"ok": True, "message": MESSAGE_JSON, "is_repeated": False}, refusal]
    bench.project.on("insert_messages", ok({"ok": True, "results": results, "head": 3}))
    drafts = [MessageDraft(content="hello"), MessageDraft(content=" "), MessageDraft(content="there")]
    first, second, third = await bench.rooms.insert_messages(ROOM, drafts)
    assert isinstance(first, Message)
    assert isinstance(second, InvalidRequestError), "never sent"
    assert isinstance(third, ConflictError)
    (body,) = bench.project.bodies("insert_messages")
    assert [item["id"] for item in body["p_messages"]] == [str(drafts[0].id), str(drafts[2].id)]
    assert set(body["p_messages"][0]) == {"id", "content", "message_type", "metadata", "reply_to"}


async def test_insert_messages_without_a_good_draft_sends_nothing(bench: RoomsBench) -> None:
    (error,) = await bench.rooms.insert_messages(ROOM, [MessageDraft(content="")])
    assert isinstance(error, InvalidRequestError)
    assert bench.project.requests == []


async def test_insert_messages_notices_a_missing_answer(bench: RoomsBench) -> None:
    bench.project.on("insert_messages", ok({"ok": True, "results": [], "head": 3}))
    assert isinstance(await bench.error(bench.rooms.insert_messages(ROOM, [MessageDraft(content="a")])), ProtocolError)


async def test_get_room_messages(bench: RoomsBench) -> None:
    bench.project.on("get_room_messages", ok({"items": [MESSAGE_JSON], "has_more": True, "next_cursor": "3"}))
    page = await bench.rooms.get_room_messages(ROOM)
    await bench.rooms.get_room_messages(ROOM, before=page.next_cursor, limit=200)
    await bench.rooms.get_room_messages(ROOM, after=7)
    bodies = bench.project.bodies("get_room_messages")
    assert [(body["p_limit"], body["p_before"], body["p_after"]) for body in bodies] == [
        (50, None, None),
        (200, 3, None),
        (50, None, 7),
    ]


async def test_edit_delete_and_react(bench: RoomsBench) -> None:
    edited: JsonObject = MESSAGE_JSON | {"content": "hi", "revision": 7}
    bench.project.on("edit_message", httpx.ReadError("reset"), ok({"ok": True, "message": edited, "head": 7}))
    message = await turning(bench.clock, bench.rooms.edit_message(ROOM, MESSAGE, "hi"))
    assert (message.content, message.revision, message.reactions) == ("hi", 7, {"👍": 2})
    first, second = bench.project.bodies("edit_message")
    assert first == second == {"p_room_id": ROOM, "p_message_id": MESSAGE, "p_content": "hi", "p_metadata": None}
    bench.project.on("edit_message", ok({"ok": True, "message": edited, "head": 7}))
    await bench.rooms.edit_message(ROOM, UUID(MESSAGE), "hi", metadata={})
    assert bench.project.bodies("edit_message")[-1]["p_metadata"] == {}

    gone: JsonObject = MESSAGE_JSON | {"content": "", "status": "deleted", "reactions": {}, "revision": 8}
    bench.project.on("delete_message", ok({"ok": True, "message": gone, "head": 8}))
    assert (await bench.rooms.delete_message(ROOM, MESSAGE)).status is MessageStatus.DELETED
    assert bench.project.bodies("delete_message") == [{"p_room_id": ROOM, "p_message_id": MESSAGE}]

    bench.project.on("react", ok({"ok": True, "message": MESSAGE_JSON, "head": 9}))
    assert (await bench.rooms.react(ROOM, MESSAGE, "👍")).reactions == {"👍": 2}
    await bench.rooms.react(ROOM, MESSAGE, "👍", False)
    key = {"p_room_id": ROOM, "p_message_id": MESSAGE, "p_emoji": "👍"}
    assert bench.project.bodies("react") == [key | {"p_is_on": True}, key | {"p_is_on": False}]


async def test_a_change_that_is_refused(bench: RoomsBench) -> None:
    bench.project.on("edit_message", refused(403, "not_allowed"))
    assert isinstance(await bench.error(bench.rooms.edit_message(ROOM, MESSAGE, "hi")), PermissionDeniedError)
    bench.project.on("delete_message", refused(404, "message_not_found"))
    assert isinstance(await bench.error(bench.rooms.delete_message(ROOM, MESSAGE)), NotFoundError)
    bench.project.on("react", refused(409, "lease_expired"))
    error = await bench.error(bench.rooms.react(ROOM, MESSAGE, "👍"))
    assert (type(error), error.code) == (ConflictError, "lease_expired")
    limited = {"ok": False, "code": "rate_limited", "message": "x", "hint": "", "retry_after_s": 60}
    bench.project.on("react", ok(limited))
    assert isinstance(await bench.error(bench.rooms.react(ROOM, MESSAGE, "👍")), RateLimitedError)
    bench.project.on("edit_message", hang)
    error = await bench.error(bench.rooms.edit_message(ROOM, MESSAGE, "hi", timeout_s=2))
    assert isinstance(error, OutcomeUnknownError)
    assert error.operation_id == UUID(MESSAGE)


async def test_messages_that_grow(bench: RoomsBench) -> None:
    streaming: JsonObject = MESSAGE_JSON | {"content": "", "status": "streaming"}
    begun: JsonObject = {"ok": True, "message": streaming, "head": 3, "lease_s": 30, "is_repeated": False}
    bench.project.on("begin_stream", httpx.ReadError("reset"), ok(begun))
    stream = await turning(bench.clock, bench.rooms.begin_stream(ROOM, reply_to=ADA, metadata={"a": 1}))
    assert (stream.message.status, stream.lease_s, stream.is_repeated) == (MessageStatus.STREAMING, 30, False)
    first, second = bench.project.bodies("begin_stream")
    assert first == second, "with the same id"
    assert first == {
        "p_room_id": ROOM,
        "p_id": first["p_id"],
        "p_message_type": "ai_response",
        "p_metadata": {"a": 1},
        "p_reply_to": ADA,
    }
    bench.project.on("begin_stream", ok(begun | {"message": {"id": MESSAGE, "seq": 3}, "is_repeated": True}))
    error = await bench.error(bench.rooms.begin_stream(ROOM, message_id=MESSAGE))
    assert (type(error), error.code) == (PermissionDeniedError, "not_allowed"), "muted since the first try"
    key: JsonObject = {"p_room_id": ROOM, "p_message_id": MESSAGE}
    bench.project.on("append_stream", ok({"ok": True, "status": "streaming", "length": 5, "lease_s": 30}))
    progress = await bench.rooms.append_stream(ROOM, MESSAGE, 2, "llo")
    assert (progress.status, progress.length) == (MessageStatus.STREAMING, 5)
    assert bench.project.bodies("append_stream") == [key | {"p_offset": 2, "p_text": "llo"}]
    bench.project.on("finish_stream", ok({"ok": True, "message": MESSAGE_JSON, "head": 4}))
    assert (await bench.rooms.finish_stream(ROOM, MESSAGE, text="!", metadata={"n": 1})).content == "hello"
    await bench.rooms.finish_stream(ROOM, MESSAGE)
    assert bench.project.bodies("finish_stream") == [
        key | {"p_text": "!", "p_metadata": {"n": 1}},
        key | {"p_text": None, "p_metadata": None},
    ]
    bench.project.on("stop_stream", ok({"ok": True, "message": MESSAGE_JSON | {"status": "stopped"}, "head": 4}))
    assert (await bench.rooms.stop_stream(ROOM, MESSAGE)).status is MessageStatus.STOPPED
    assert bench.project.bodies("stop_stream") == [key]


async def test_parts_that_are_refused(bench: RoomsBench) -> None:
    conflict: JsonObject = {
        "ok": False,
        "code": "conflict",
        "message": "cannot go on with the message: it has 5 characters, and this does not follow",
        "hint": "Go on where the message ends.",
        "status": "streaming",
        "length": 5,
    }
    bench.project.on("append_stream", ok(conflict))
    error = await bench.error(bench.rooms.append_stream(ROOM, MESSAGE, 9, "x"))
    assert isinstance(error, ConflictError)
    assert "5 characters" in error.message
    for work in (
        bench.rooms.append_stream(ROOM, MESSAGE, -1, "x"),
        bench.rooms.append_stream(ROOM, MESSAGE, 0, "x" * 8001),
        bench.rooms.append_stream(ROOM, MESSAGE, 0, "\ud800"),
        bench.rooms.finish_stream(ROOM, MESSAGE, text="x" * 8001),
        bench.rooms.begin_stream(ROOM, message_type="shout"),
    ):
        assert isinstance(await bench.error(work), InvalidRequestError)
    assert len(bench.project.bodies("append_stream")) == 1, "the others were not sent"


async def test_read_marks(bench: RoomsBench) -> None:
    mark: JsonObject = {"room_id": ROOM, "last_read_seq": 3, "unread_count": 2}
    bench.project.on("mark_read", ok({"ok": True} | mark))
    answer = await bench.rooms.mark_read(ROOM, 3)
    assert (answer.room_id, answer.last_read_seq, answer.unread_count) == (UUID(ROOM), 3, 2)
    assert bench.project.bodies("mark_read") == [{"p_room_id": ROOM, "p_seq": 3}]
    bench.project.on("unread_counts", ok({"items": [mark]}))
    assert await bench.rooms.unread_counts() == await bench.rooms.unread_counts([ROOM, UUID(ADA)]) == [answer]
    assert bench.project.bodies("unread_counts") == [{"p_room_ids": None}, {"p_room_ids": [ROOM, ADA]}]


async def test_update_room_state_sends_only_what_is_named(bench: RoomsBench) -> None:
    bench.project.on("update_room_state", ok({"ok": True, "room": ROOM_JSON, "state": STATE_JSON, "head": 4}))
    state = await bench.rooms.update_room_state(ROOM, mode="playful", conversation_active=True, settings={"a": None})
    assert (state.mode, state.host) == ("playful", UUID(ADA))
    assert bench.project.bodies("update_room_state") == [
        {"p_room_id": ROOM, "p_changes": {"mode": "playful", "conversation_active": True, "settings": {"a": None}}}
    ]
    bench.project.on("update_room_state", refused(403, "not_host"))
    assert (await bench.error(bench.rooms.update_room_state(ROOM, name="x"))).code == "not_host"


async def test_modes_are_read_from_their_table(bench: RoomsBench) -> None:
    row = {"name": "pirate", "label": "Pirate", "system_prompt": "Talk like one."}
    bench.project.on("room_modes", ok([row]))
    assert await bench.rooms.find_mode("pirate") == RoomMode(**row)
    assert [mode.name for mode in await bench.rooms.list_modes()] == ["pirate"]
    bench.project.on("room_modes", ok([]))
    assert await bench.rooms.find_mode("a,b)&c=eq.d") is None
    sent = [(request.method, dict(request.url.params)) for request in bench.project.sent("room_modes")]
    of_all = {"select": "name,label,system_prompt", "order": "name.asc"}
    assert sent == [
        ("GET", {**of_all, "name": "eq.pirate", "limit": "1"}),
        ("GET", {**of_all, "limit": "1000"}),
        ("GET", {**of_all, "name": "eq.a,b)&c=eq.d", "limit": "1"}),
    ]
    bench.project.on("room_modes", refused(403, "not_allowed"), ok([{"name": "pirate"}]))
    assert isinstance(await bench.error(bench.rooms.find_mode("pirate")), PermissionDeniedError)
    assert isinstance(await bench.error(bench.rooms.find_mode("pirate")), ProtocolError)


async def test_set_voice_signal_and_kind(bench: RoomsBench) -> None:
    bench.project.on("set_voice", ok({"ok": True, "participant": ADA_JSON | {"voice_since": TIME}, "head": 4}))
    assert (await bench.rooms.set_voice(ROOM, True)).voice_since is not None
    bench.project.on("signal", ok({"ok": True, "sent": False}))
    assert await bench.rooms.signal(ROOM, "typing") is False
    assert bench.project.bodies("signal") == [{"p_room_id": ROOM, "p_kind": "typing", "p_payload": {}, "p_ttl_s": 5.0}]
    bench.project.on("set_participant_kind", ok({"ok": True, "participant": ADA_JSON | {"kind": "bot"}, "head": 5}))
    assert (await bench.rooms.set_participant_kind(ROOM, ADA, "bot")).kind is Kind.BOT


async def test_mute_and_role(bench: RoomsBench) -> None:
    bench.project.on("mute_participant", ok({"ok": True, "participant": ADA_JSON | {"is_muted": True}, "head": 5}))
    assert (await bench.rooms.mute_participant(ROOM, ADA)).is_muted
    assert bench.project.bodies("mute_participant") == [{"p_room_id": ROOM, "p_user_id": ADA, "p_is_muted": True}]
    bench.project.on("mute_participant", ok({"ok": True, "participant": ADA_JSON, "head": 6}))
    assert not (await bench.rooms.mute_participant(ROOM, ADA, False)).is_muted
    moderator = ADA_JSON | {"role": "moderator"}
    bench.project.on("set_participant_role", ok({"ok": True, "participant": moderator, "head": 7}))
    assert (await bench.rooms.set_participant_role(ROOM, ADA, "moderator")).role is Role.MODERATOR
    bodies = bench.project.bodies("set_participant_role")
    assert bodies == [{"p_room_id": ROOM, "p_user_id": ADA, "p_role": "moderator"}]
    bench.project.on("set_participant_role", refused(403, "not_host"))
    error = await bench.error(bench.rooms.set_participant_role(ROOM, ADA, Role.MEMBER))
    assert (type(error), error.code) == (PermissionDeniedError, "not_host")


async def test_another_host_and_another_code(bench: RoomsBench) -> None:
    bench.project.on("transfer_host", ok({"ok": True, "room": ROOM_JSON, "state": STATE_JSON, "head": 5}))
    assert (await bench.rooms.transfer_host(ROOM, ADA)).host == UUID(ADA)
    assert bench.project.bodies("transfer_host") == [{"p_room_id": ROOM, "p_user_id": ADA}]
    bench.project.on("rotate_code", ok({"ok": True, "room": ROOM_JSON | {"room_code": "AAAAAA"}, "head": 6}))
    assert (await bench.rooms.rotate_code(ROOM)).room_code == "AAAAAA"
    assert bench.project.bodies("rotate_code") == [{"p_room_id": ROOM}]


async def test_ban_unban_and_the_list(bench: RoomsBench) -> None:
    bench.project.on("ban_participant", httpx.ReadError("reset"), ok({"ok": True, "head": 5, "epoch": 2}))
    await turning(bench.clock, bench.rooms.ban_participant(ROOM, ADA, reason="spam"))
    assert bench.project.bodies("ban_participant") == [{"p_room_id": ROOM, "p_user_id": ADA, "p_reason": "spam"}] * 2
    bench.project.on("unban_participant", ok({"ok": True, "head": 5}))
    await bench.rooms.unban_participant(ROOM, ADA)
    assert bench.project.bodies("unban_participant") == [{"p_room_id": ROOM, "p_user_id": ADA}]
    ban = {"user_id": ADA, "display_name": "Ada", "banned_by": None, "reason": None, "created_at": TIME}
    bench.project.on("list_bans", ok({"items": [ban], "next_cursor": "more"}))
    page = await bench.rooms.list_bans(ROOM, limit=1)
    assert ([item.user_id for item in page.items], page.next_cursor) == ([UUID(ADA)], "more")
    assert isinstance(page.items[0], Ban)
    assert bench.project.bodies("list_bans") == [{"p_room_id": ROOM, "p_limit": 1, "p_cursor": None}]


async def test_list_rooms(bench: RoomsBench) -> None:
    items: list[JsonObject] = [
        {"room": ROOM_JSON, "participant_count": 10, "me": ADA_JSON},
        {"room": ROOM_JSON, "participant_count": 0, "me": None},
    ]
    bench.project.on("list_rooms", ok({"items": items, "next_cursor": "more"}))
    page = await bench.rooms.list_rooms()
    assert [(item.room.name, item.is_full, item.me is None) for item in page.items] == [
        ("Friday jam", True, False),
        ("Friday jam", False, True),
    ]
    await bench.rooms.list_rooms("public", search="50% jam", limit=2, cursor=page.next_cursor)
    assert bench.project.bodies("list_rooms") == [
        {"p_scope": "mine", "p_search": None, "p_limit": 50, "p_cursor": None},
        {"p_scope": "public", "p_search": "50% jam", "p_limit": 2, "p_cursor": "more"},
    ]


async def test_forget_room(bench: RoomsBench) -> None:
    bench.project.on("forget_room", httpx.ReadError("reset"), ok({"ok": True, "head": None}))
    await turning(bench.clock, bench.rooms.forget_room(ROOM))
    assert bench.project.bodies("forget_room") == [{"p_room_id": ROOM}] * 2
    bench.project.on("forget_room", refused(403, "not_allowed"))
    assert isinstance(await bench.error(bench.rooms.forget_room(ROOM)), PermissionDeniedError)


INVITATION_JSON: JsonObject = {
    "id": MESSAGE,
    "room_id": ROOM,
    "created_by": ADA,
    "created_at": TIME,
    "expires_at": None,
    "max_uses": 2,
    "use_count": 0,
}
TOKEN = "Zx9_-" * 6 + "ab"


async def test_a_new_invitation_and_its_token(bench: RoomsBench) -> None:
    made: JsonObject = {"ok": True, "invitation": INVITATION_JSON, "token": TOKEN}
    bench.project.on("create_invitation", httpx.ReadError("reset"), ok(made))
    invitation = await turning(bench.clock, bench.rooms.create_invitation(ROOM, expires_in=None, max_uses=2))
    assert (invitation.token, invitation.max_uses, invitation.is_used_up) == (TOKEN, 2, False)
    assert TOKEN not in f"{invitation} {invitation!r}"
    first, second = bench.project.bodies("create_invitation")
    assert first == second
    assert (first["p_room_id"], first["p_expires_in_s"], first["p_max_uses"]) == (ROOM, None, 2)
    assert UUID(first["p_invitation_id"]).version == 4
    bench.project.on("create_invitation", ok(made))
    await bench.rooms.create_invitation(ROOM)
    assert bench.project.bodies("create_invitation")[-1]["p_expires_in_s"] == 7 * 86_400


@pytest.mark.parametrize("broken", [{}, {"id": "x"}, None])
async def test_no_error_quotes_a_token(bench: RoomsBench, broken: Any) -> None:
    bench.project.on("create_invitation", ok({"ok": True, "token": TOKEN, "invitation": broken}))
    error = await bench.error(bench.rooms.create_invitation(ROOM))
    assert isinstance(error, ProtocolError)
    assert TOKEN not in f"{error!r} {error} {error.raw}"
    error = await bench.error(bench.rooms.accept_invitation(TOKEN + "!"))
    assert isinstance(error, InvalidRequestError)
    assert TOKEN not in f"{error!r} {error}"


async def test_listing_revoking_and_accepting(bench: RoomsBench) -> None:
    bench.project.on("list_invitations", ok({"items": [INVITATION_JSON | {"use_count": 2}], "next_cursor": "more"}))
    page = await bench.rooms.list_invitations(ROOM, limit=1)
    assert (page.items[0].is_used_up, page.next_cursor) == (True, "more")
    bench.project.on("revoke_invitation", ok({"ok": True}))
    await bench.rooms.revoke_invitation(ROOM, page.items[0].id)
    assert bench.project.bodies("revoke_invitation") == [{"p_room_id": ROOM, "p_invitation_id": MESSAGE}]
    answer: JsonObject = {"ok": True, "room": ROOM_JSON, "participants": [], "participant_count": 0}
    bench.project.on("accept_invitation", httpx.ReadError("reset"), ok(answer))
    preview = await turning(bench.clock, bench.rooms.accept_invitation(f" {TOKEN}\n"))
    assert preview.room.id == UUID(ROOM)
    assert bench.project.bodies("accept_invitation") == [{"p_token": TOKEN}] * 2
    bench.project.on("accept_invitation", ok({"ok": False, "code": "room_not_found", "message": "x", "hint": ""}))
    assert type(await bench.error(bench.rooms.accept_invitation(TOKEN))) is NotFoundError


@pytest.mark.parametrize("name", ["ban_participant", "unban_participant", "mute_participant", "transfer_host"])
async def test_moderation_without_an_answer_is_open(bench: RoomsBench, name: str) -> None:
    bench.project.on(name, *[httpx.ReadError("reset")] * 200)
    error = await bench.error(getattr(bench.rooms, name)(ROOM, ADA, timeout_s=3.0))
    assert isinstance(error, OutcomeUnknownError)
    assert error.operation_id == UUID(ROOM)
    assert error.hint.startswith("repeat the call")


async def test_delete_and_kick_are_done_once_they_are_done(bench: RoomsBench) -> None:
    bench.project.on("delete_room", httpx.ReadError("reset"), refused(404, "room_not_found"))
    await turning(bench.clock, bench.rooms.delete_room(ROOM))
    assert (await bench.error(bench.rooms.delete_room(ROOM))).code == "room_not_found"
    bench.project.on("kick_participant", httpx.ReadError("reset"), refused(404, "participant_not_found"))
    await turning(bench.clock, bench.rooms.kick_participant(ROOM, ADA))
    assert bench.project.bodies("kick_participant")[0] == {"p_room_id": ROOM, "p_user_id": ADA}


async def test_scalars(bench: RoomsBench) -> None:
    bench.project.on("is_host", ok(True))
    bench.project.on("is_room_full", ok(False))
    bench.project.on("cleanup_inactive_rooms", ok({"rooms_deleted": 2, "messages_deleted": 9, "has_more": False}))
    assert await bench.rooms.is_host(ROOM) is True
    assert await bench.rooms.is_room_full(ROOM) is False
    assert (await bench.rooms.cleanup_inactive_rooms()).rooms_deleted == 2
    assert await bench.rooms.schema_version() == 1


REFUSED: dict[str, tuple[Callable[[RoomManager], Awaitable[object]], str]] = {
    "code too short": (lambda rooms: rooms.get_room_by_code("XJ9K2"), "invalid_room_code"),
    "code with a zero": (lambda rooms: rooms.get_room_by_code("XJ9K20"), "invalid_room_code"),
    "room name empty": (lambda rooms: rooms.create_room("  "), "invalid_argument"),
    "room name too long": (lambda rooms: rooms.create_room("x" * 101), "invalid_argument"),
    "capacity 0": (lambda rooms: rooms.create_room("x", max_participants=0), "invalid_argument"),
    "capacity 51": (lambda rooms: rooms.create_room("x", max_participants=51), "invalid_argument"),
    "visibility": (lambda rooms: rooms.create_room("x", visibility="secret"), "invalid_argument"),
    "settings too large": (lambda rooms: rooms.create_room("x", settings={"a": "x" * 17_000}), "invalid_argument"),
    "expiry": (lambda rooms: rooms.create_room("x", expires_after=timedelta(0)), "invalid_argument"),
    "long expiry": (lambda rooms: rooms.create_room("x", expires_after=timedelta(days=4000)), "invalid_argument"),
    "room id": (lambda rooms: rooms.create_room("x", room_id="7"), "invalid_argument"),
    "display name empty": (lambda rooms: rooms.join_room(ROOM, ""), "invalid_argument"),
    "display name too long": (lambda rooms: rooms.join_room(ROOM, "x" * 51), "invalid_argument"),
    "latest": (lambda rooms: rooms.join_room(ROOM, "Ada", latest=201), "invalid_argument"),
    "joining by code": (lambda rooms: rooms.join_room("XJ9K2M", "Ada"), "invalid_argument"),
    "message empty": (lambda rooms: rooms.insert_message(ROOM, ""), "invalid_argument"),
    "message too long": (lambda rooms: rooms.insert_message(ROOM, "x" * 8001), "invalid_argument"),
    "message with NUL": (lambda rooms: rooms.insert_message(ROOM, "a\x00b"), "invalid_argument"),
    "message type": (lambda rooms: rooms.insert_message(ROOM, "x", message_type="shout"), "invalid_argument"),
    "metadata": (lambda rooms: rooms.insert_message(ROOM, "x", metadata={"a": "x" * 16_384}), "invalid_argument"),
    "reply to": (lambda rooms: rooms.insert_message(ROOM, "x", reply_to="no"), "invalid_argument"),
    "no drafts": (lambda rooms: rooms.insert_messages(ROOM, []), "invalid_argument"),
    "51 drafts": (
        lambda rooms: rooms.insert_messages(ROOM, [MessageDraft(content="x") for _ in range(51)]),
        "invalid_argument",
    ),
    "one id twice": (lambda rooms: rooms.insert_messages(ROOM, [MessageDraft(content="x")] * 2), "invalid_argument"),
    "edit empty": (lambda rooms: rooms.edit_message(ROOM, MESSAGE, " "), "invalid_argument"),
    "edit too long": (lambda rooms: rooms.edit_message(ROOM, MESSAGE, "x" * 200_001), "invalid_argument"),
    "edit metadata": (
        lambda rooms: rooms.edit_message(ROOM, MESSAGE, "x", metadata={"a": "x" * 16_384}),
        "invalid_argument",
    ),
    "edit nothing": (lambda rooms: rooms.edit_message(ROOM, "7", "x"), "invalid_argument"),
    "delete nothing": (lambda rooms: rooms.delete_message(ROOM, "7"), "invalid_argument"),
    "reaction": (lambda rooms: rooms.react(ROOM, MESSAGE, "nice"), "invalid_argument"),
    "mark": (lambda rooms: rooms.mark_read(ROOM, -1), "invalid_argument"),
    "mark beyond": (lambda rooms: rooms.mark_read(ROOM, 2**63), "invalid_argument"),
    "counts of 101 rooms": (lambda rooms: rooms.unread_counts([ROOM] * 101), "invalid_argument"),
    "history limit": (lambda rooms: rooms.get_room_messages(ROOM, limit=201), "invalid_argument"),
    "history both ways": (lambda rooms: rooms.get_room_messages(ROOM, before=1, after=1), "invalid_argument"),
    "history cursor": (lambda rooms: rooms.get_room_messages(ROOM, before="x"), "invalid_argument"),
    "sync": (lambda rooms: rooms.sync_room(ROOM, -1), "invalid_argument"),
    "no leases": (lambda rooms: rooms.heartbeat([]), "invalid_argument"),
    "101 leases": (lambda rooms: rooms.heartbeat([ROOM] * 101), "invalid_argument"),
    "state name": (lambda rooms: rooms.update_room_state(ROOM, name=""), "invalid_argument"),
    "state capacity": (lambda rooms: rooms.update_room_state(ROOM, max_participants=51), "invalid_argument"),
    "state field": (lambda rooms: rooms.update_room_state(ROOM, host=ADA), "invalid_argument"),  # pyright: ignore
    "kind": (lambda rooms: rooms.set_participant_kind(ROOM, ADA, "cat"), "invalid_argument"),
    "role host": (lambda rooms: rooms.set_participant_role(ROOM, ADA, "host"), "invalid_argument"),
    "role unknown": (lambda rooms: rooms.set_participant_role(ROOM, ADA, "owner"), "invalid_argument"),
    "reason too long": (lambda rooms: rooms.ban_participant(ROOM, ADA, reason="x" * 501), "invalid_argument"),
    "reason with NUL": (lambda rooms: rooms.ban_participant(ROOM, ADA, reason="a\x00b"), "invalid_argument"),
    "ban of no id": (lambda rooms: rooms.ban_participant(ROOM, "bob"), "invalid_argument"),
    "list of all rooms": (lambda rooms: rooms.list_rooms("all"), "invalid_argument"),
    "list without end": (lambda rooms: rooms.list_rooms(limit=201), "invalid_argument"),
    "long search": (lambda rooms: rooms.list_rooms(search="x" * 101), "invalid_argument"),
    "NUL in a search": (lambda rooms: rooms.list_rooms(search="a\x00b"), "invalid_argument"),
    "forget nothing": (lambda rooms: rooms.forget_room("x"), "invalid_argument"),
    "invitation for no time": (
        lambda rooms: rooms.create_invitation(ROOM, expires_in=timedelta()),
        "invalid_argument",
    ),
    "invitation too long": (
        lambda rooms: rooms.create_invitation(ROOM, expires_in=timedelta(days=3651)),
        "invalid_argument",
    ),
    "invitation for nobody": (lambda rooms: rooms.create_invitation(ROOM, max_uses=0), "invalid_argument"),
    "invitation for all": (lambda rooms: rooms.create_invitation(ROOM, max_uses=10_001), "invalid_argument"),
    "invitation id": (lambda rooms: rooms.create_invitation(ROOM, invitation_id="x"), "invalid_argument"),
    "participants limit": (lambda rooms: rooms.get_participants(ROOM, limit=201), "invalid_argument"),
    "invitations limit": (lambda rooms: rooms.list_invitations(ROOM, limit=201), "invalid_argument"),
    "revoke nothing": (lambda rooms: rooms.revoke_invitation(ROOM, "x"), "invalid_argument"),
    "short token": (lambda rooms: rooms.accept_invitation("x" * 31), "invalid_argument"),
    "bans limit": (lambda rooms: rooms.list_bans(ROOM, limit=0), "invalid_argument"),
    "signal payload": (lambda rooms: rooms.signal(ROOM, "x", {"a": "x" * 1024}), "invalid_argument"),
    "signal ttl": (lambda rooms: rooms.signal(ROOM, "x", ttl_s=0), "invalid_argument"),
    "signal without end": (lambda rooms: rooms.signal(ROOM, "x", ttl_s=float("inf")), "invalid_argument"),
    "signal ttl NaN": (lambda rooms: rooms.signal(ROOM, "x", ttl_s=float("nan")), "invalid_argument"),
    "deadline NaN": (lambda rooms: rooms.is_host(ROOM, timeout_s=float("nan")), "invalid_argument"),
    "deadline": (lambda rooms: rooms.is_host(ROOM, timeout_s=-1), "invalid_argument"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_before_any_io(bench: RoomsBench, name: str) -> None:
    call, code = REFUSED[name]
    error = await bench.error(call(bench.rooms))
    assert isinstance(error, InvalidRequestError)
    assert (error.code, error.status, error.retryable) == (code, 400, False)
    assert str(error).startswith("cannot ")
    assert bench.project.requests == []


@pytest.mark.parametrize("answer", [None, [], {}, {"ok": True}, {"ok": True, "room": {"id": "x"}}, 7])
async def test_an_answer_that_cannot_be_read(bench: RoomsBench, answer: Any) -> None:
    bench.project.on("create_room", ok(answer))
    error = await bench.error(bench.rooms.create_room("Jam"))
    assert isinstance(error, ProtocolError)
    assert error.__cause__ is None
    assert len(error.raw) <= 200
