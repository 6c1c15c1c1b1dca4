"""Broadcasts as the database writes them, and everything else that could come."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces_sdk.events import (
    Event,
    LeftReason,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    SignalReceived,
    StateUpdated,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.session.wire import (
    DurableBroadcast,
    PassingBroadcast,
    RoomDeletedBroadcast,
    RoomMovedBroadcast,
    UnreadableBroadcast,
    parse_broadcast,
)

pytestmark = pytest.mark.unit

ROOM = UUID("0b4b6a1e-6b5d-4f6e-9a52-0a7b3c6d9e01")
USER = UUID("1b4b6a1e-6b5d-4f6e-9a52-0a7b3c6d9e01")
AT = "2026-11-23T12:00:00.123456+00:00"

PARTICIPANT: dict[str, Any] = {
    "id": str(uuid4()),
    "room_id": str(ROOM),
    "user_id": str(USER),
    "display_name": "Ada",
    "is_online": True,
    "joined_at": AT,
    "last_seen": AT,
    "role": "host",
    "kind": "human",
    "is_muted": False,
    "voice_since": None,
}
STATE: dict[str, Any] = {
    "mode": "playful",
    "conversation_active": True,
    "name": "Jam",
    "max_participants": 10,
    "settings": {},
    "host": str(USER),
    "visibility": "unlisted",
    "is_active": True,
}


def message(seq: int, revision: int) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "room_id": str(ROOM),
        "user_id": str(USER),
        "message_type": "user_text",
        "content": "hello",
        "metadata": {},
        "created_at": AT,
        "seq": seq,
        "revision": revision,
        "status": "final",
        "reply_to": None,
        "updated_at": AT,
        "display_name": "Ada",
        "sender_kind": "human",
        "a_later_field": 1,
    }


def body(**fields: Any) -> dict[str, Any]:
    return {"room_id": str(ROOM), "epoch": 1, "at": AT, **fields}


DURABLE: list[tuple[str, dict[str, Any], type]] = [
    ("room:participant-joined", {"participant": PARTICIPANT}, ParticipantJoined),
    ("room:participant-updated", {"participant": PARTICIPANT}, ParticipantUpdated),
    ("room:participant-left", {"participants": [PARTICIPANT], "reason": "timeout"}, ParticipantLeft),
    ("room:message-received", {"message": message(7, 7)}, MessageReceived),
    ("room:message-updated", {"message": message(3, 7)}, MessageUpdated),
    ("room:state-updated", {"state": STATE}, StateUpdated),
    ("room:voice-started", {"user_id": str(USER)}, VoiceStarted),
    ("room:voice-stopped", {"user_id": str(USER)}, VoiceStopped),
]


@pytest.mark.parametrize(("name", "fields", "kind"), DURABLE, ids=[row[0] for row in DURABLE])
def test_durable_events(name: str, fields: dict[str, Any], kind: type) -> None:
    parsed = parse_broadcast(name, body(pos=7, **fields), ROOM)
    assert isinstance(parsed, DurableBroadcast)
    assert isinstance(parsed.step.event, kind)
    assert isinstance(parsed.step.event, Event)
    assert (parsed.step.pos, parsed.step.event.pos, parsed.step.event.is_replayed) == (7, 7, False)
    # Only since when a voice is on is told.
    assert (parsed.step.at is not None and parsed.step.at.isoformat() == AT) is (kind is VoiceStarted)


def test_a_new_code_comes_beside_the_state() -> None:
    parsed = parse_broadcast("room:state-updated", body(pos=7, state=STATE, room_code="XJ9K2M"), ROOM)
    assert isinstance(parsed, DurableBroadcast)
    assert isinstance(parsed.step.event, StateUpdated)
    assert parsed.step.event.room_code == "XJ9K2M"
    broken = parse_broadcast("room:state-updated", body(pos=7, state=STATE, room_code=7), ROOM)
    assert isinstance(broken, DurableBroadcast)
    assert (broken.step.event, broken.step.is_truncated) == (None, True)


def test_who_left_and_why() -> None:
    fields = {"participants": [PARTICIPANT, PARTICIPANT], "reason": "kicked"}
    parsed = parse_broadcast("room:participant-left", body(pos=7, **fields), ROOM)
    assert isinstance(parsed, DurableBroadcast)
    assert isinstance(parsed.step.event, ParticipantLeft)
    assert len(parsed.step.event.participants) == 2
    assert parsed.step.event.reason is LeftReason.KICKED


def test_passing_events() -> None:
    signal = parse_broadcast(
        "room:signal", body(head=9, user_id=str(USER), kind="typing", payload={"x": 1}, ttl_s=5), ROOM
    )
    assert signal == PassingBroadcast(SignalReceived(user_id=USER, kind="typing", payload={"x": 1}, ttl_s=5.0), head=9)
    chunk = parse_broadcast("room:message-chunk", body(head=9, message_id=str(USER), offset=4, text="abc"), ROOM)
    assert chunk == PassingBroadcast(MessageChunk(message_id=USER, offset=4, text="abc"), head=9)


def test_moves_and_the_end() -> None:
    assert parse_broadcast("room:moved", body(head=9), ROOM) == RoomMovedBroadcast(head=9)
    assert parse_broadcast("room:deleted", body(head=9), ROOM) == RoomDeletedBroadcast()


def test_an_event_without_its_content_asks_for_a_sync() -> None:
    fields = {"message": None, "message_id": str(uuid4()), "is_truncated": True}
    parsed = parse_broadcast("room:message-received", body(pos=7, **fields), ROOM)
    assert isinstance(parsed, DurableBroadcast)
    assert parsed.step.is_truncated
    assert parsed.step.event is None


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("room:message-received", {"message": {"id": "no"}}),
        ("room:message-received", {"message": message(6, 6)}),
        ("room:message-updated", {"message": message(3, 6)}),
        ("room:message-received", {}),
        ("room:participant-left", {"participants": 3, "reason": "left"}),
        ("room:participant-left", {"participants": [], "reason": "bored"}),
        ("room:voice-started", {"user_id": 7}),
    ],
)
def test_a_step_that_does_not_parse_asks_for_a_sync(name: str, fields: dict[str, Any]) -> None:
    parsed = parse_broadcast(name, body(pos=7, **fields), ROOM)
    assert isinstance(parsed, DurableBroadcast)
    assert parsed.step.is_truncated


def test_an_unknown_step_moves_the_position_and_says_nothing() -> None:
    parsed = parse_broadcast("room:poll-opened", body(pos=7), ROOM)
    assert isinstance(parsed, DurableBroadcast)
    assert (parsed.is_unknown, parsed.step.event, parsed.step.is_truncated) == (True, None, False)


@pytest.mark.parametrize(
    ("name", "payload", "is_malformed"),
    [
        ("room:message-received", None, True),
        ("room:message-received", b"\x00", True),
        ("room:message-received", ["list"], True),
        ("room:message-received", {}, True),
        ("room:message-received", body(pos="7"), True),
        ("room:message-received", body(pos=True), True),
        ("room:message-received", body(pos=0), True),
        ("room:message-received", body(pos=2**63), True),
        ("room:message-received", {**body(pos=1), "room_id": str(USER)}, True),
        ("room:signal", body(head=1, user_id=str(USER), kind="typing", ttl_s=10**400), True),
        ("room:signal", body(head=1, user_id=str(USER), kind=3), True),
        ("room:message-chunk", body(head=1, message_id=str(USER), offset=-1, text=""), True),
        ("room:weather", body(head=1), False),
    ],
)
def test_what_cannot_be_read_is_counted(name: str, payload: object, is_malformed: bool) -> None:
    assert parse_broadcast(name, payload, ROOM) == UnreadableBroadcast(name, is_malformed=is_malformed)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([row[0] for row in DURABLE] + ["room:signal", "room:message-chunk", "room:moved", "room:x"])
keys = (
    "room_id",
    "pos",
    "head",
    "message",
    "participant",
    "participants",
    "reason",
    "state",
    "user_id",
    "kind",
    "ttl_s",
)


@settings(deadline=None)
@given(names, st.fixed_dictionaries({}, optional=dict.fromkeys(keys, json)), st.booleans())
def test_it_never_raises(name: str, payload: dict[str, Any], has_room: bool) -> None:
    if has_room:
        payload = {**payload, "room_id": str(ROOM)}
    parse_broadcast(name, payload, ROOM)
