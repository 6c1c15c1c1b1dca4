"""Parses the broadcasts of a room's topic into typed events, once, at the edge. No I/O.

Only the database writes on a room's topic. Still nothing here trusts a payload: what does not parse is
counted and never raises, and a durable step whose content is missing becomes a reason to ask the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, cast
from uuid import UUID

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
from spaces_sdk.models import JsonObject, Message, Participant, RoomState
from spaces_sdk.session.positions import Step

# Steps are counted by a bigint.
MAX_POSITION: Final = 2**63 - 1
# A signal is forgotten after seconds; a day is nonsense that still fits a float.
MAX_TTL_S: Final = 86_400
# Events whose time is told: since when a voice is on.
_DATED: Final = frozenset({"room:voice-started"})


@dataclass(slots=True)
class DurableBroadcast:
    """A step of the room; one of an unknown kind moves the position and says nothing.

    Attributes:
        is_malformed: Its content could not be read.
    """

    step: Step
    is_unknown: bool = False
    is_malformed: bool = False


@dataclass(frozen=True, slots=True)
class PassingBroadcast:
    """Something that takes no step; `head` is the room's counter when it was written."""

    event: Event
    head: int | None


@dataclass(frozen=True, slots=True)
class RoomMovedBroadcast:
    """The room has a new topic; ask the database which."""

    head: int | None


@dataclass(frozen=True, slots=True)
class RoomDeletedBroadcast:
    """The room is gone."""


@dataclass(frozen=True, slots=True)
class UnreadableBroadcast:
    """A payload that does not parse, or an event without a step that this version does not know.

    Attributes:
        kind: The event's name, for the statistics.
        is_malformed: False for an event that is merely unknown.
    """

    kind: str
    is_malformed: bool


Broadcast = DurableBroadcast | PassingBroadcast | RoomMovedBroadcast | RoomDeletedBroadcast | UnreadableBroadcast


def parse_broadcast(event: str, payload: object, room_id: UUID) -> Broadcast:
    """Read one broadcast of the topic of `room_id`. Never raises.

    On the hot path: see `make bench-session` before and after a change.
    """
    if not isinstance(payload, dict):
        return UnreadableBroadcast(event, is_malformed=True)
    body = cast("Mapping[str, Any]", payload)
    room, expected = body.get("room_id"), _text_of(room_id)
    if room != expected and str(room).lower() != expected:
        return UnreadableBroadcast(event, is_malformed=True)
    durable = _DURABLE.get(event)
    if durable is None and (passing := _passing(event, body)) is not None:
        return passing
    pos = _position(body.get("pos"))
    if pos is None or pos < 1:
        return UnreadableBroadcast(event, is_malformed=durable is not None)
    if durable is None:
        return DurableBroadcast(Step(pos, None), is_unknown=True)
    if body.get("is_truncated") is True:
        return DurableBroadcast(Step(pos, None, is_truncated=True))
    try:
        at = _time(body.get("at")) if event in _DATED else None
        return DurableBroadcast(Step(pos, durable(pos, body), at=at))
    except (KeyError, TypeError, ValueError):
        # The step is certain, its content is not: the database will tell it.
        return DurableBroadcast(Step(pos, None, is_truncated=True), is_malformed=True)


def _passing(event: str, body: Mapping[str, Any]) -> Broadcast | None:
    """What takes no step; None for an event that this version does not know."""
    if event == "room:moved":
        return RoomMovedBroadcast(_position(body.get("head")))
    if event == "room:deleted":
        return RoomDeletedBroadcast()
    if (build := _PASSING.get(event)) is not None:
        try:
            return PassingBroadcast(build(body), _position(body.get("head")))
        except (KeyError, TypeError, ValueError):
            return UnreadableBroadcast(event, is_malformed=True)
    return None


@lru_cache(maxsize=4096)
def _text_of(room_id: UUID) -> str:
    return str(room_id)


def _position(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_POSITION else None


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise ValueError("not an id")
    return UUID(value)


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


# `Message.model_validate` without its detour.
_read_message: Final[Callable[[object], Message]] = Message.__pydantic_validator__.validate_python


def _message_received(pos: int, body: Mapping[str, Any]) -> Event:
    message = _read_message(body["message"])
    # Catch-ups tell messages apart by seq and revision, live events by pos: they must be the same numbers.
    if message.seq != pos:
        raise ValueError("the message is of another step")
    return MessageReceived(pos=pos, message=message)


def _message_updated(pos: int, body: Mapping[str, Any]) -> Event:
    message = _read_message(body["message"])
    if message.revision != pos:
        raise ValueError("the change is of another step")
    return MessageUpdated(pos=pos, message=message)


def _participant_joined(pos: int, body: Mapping[str, Any]) -> Event:
    return ParticipantJoined(pos=pos, participant=Participant.model_validate(body["participant"]))


def _participant_updated(pos: int, body: Mapping[str, Any]) -> Event:
    return ParticipantUpdated(pos=pos, participant=Participant.model_validate(body["participant"]))


def _participant_left(pos: int, body: Mapping[str, Any]) -> Event:
    return ParticipantLeft(
        pos=pos,
        participants=[Participant.model_validate(gone) for gone in body["participants"]],
        reason=LeftReason(body["reason"]),
    )


def _state_updated(pos: int, body: Mapping[str, Any]) -> Event:
    code = body.get("room_code")
    if code is not None and not isinstance(code, str):
        raise ValueError("not a code")
    return StateUpdated(pos=pos, state=RoomState.model_validate(body["state"]), room_code=code)


def _voice_started(pos: int, body: Mapping[str, Any]) -> Event:
    return VoiceStarted(pos=pos, user_id=_uuid(body["user_id"]))


def _voice_stopped(pos: int, body: Mapping[str, Any]) -> Event:
    return VoiceStopped(pos=pos, user_id=_uuid(body["user_id"]))


def _chunk(body: Mapping[str, Any]) -> Event:
    offset, text = body["offset"], body["text"]
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0 or not isinstance(text, str):
        raise ValueError("not a chunk")
    return MessageChunk(message_id=_uuid(body["message_id"]), offset=offset, text=text)


def _signal(body: Mapping[str, Any]) -> Event:
    kind, payload, ttl_s = body["kind"], body.get("payload"), body.get("ttl_s", 0)
    if not isinstance(kind, str) or not isinstance(ttl_s, int | float) or not 0 <= ttl_s <= MAX_TTL_S:
        raise ValueError("not a signal")
    content: JsonObject = dict(cast("JsonObject", payload)) if isinstance(payload, Mapping) else {}
    return SignalReceived(user_id=_uuid(body["user_id"]), kind=kind, payload=content, ttl_s=float(ttl_s))


_DURABLE: Final[dict[str, Callable[[int, Mapping[str, Any]], Event]]] = {
    "room:participant-joined": _participant_joined,
    "room:participant-updated": _participant_updated,
    "room:participant-left": _participant_left,
    "room:message-received": _message_received,
    "room:message-updated": _message_updated,
    "room:state-updated": _state_updated,
    "room:voice-started": _voice_started,
    "room:voice-stopped": _voice_stopped,
}

_PASSING: Final[dict[str, Callable[[Mapping[str, Any]], Event]]] = {
    "room:message-chunk": _chunk,
    "room:signal": _signal,
}
