"""What `RoomSession.events()` yields.

Durable events carry `pos`, the step of the room that they are; the others carry None. An event with
`is_replayed` was fetched from the database after a gap; the live stream had not brought it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from spaces_sdk.errors import SpacesError
from spaces_sdk.models import JsonObject, Message, Participant, Room, RoomState


class ConnectionState(StrEnum):
    """Where a session stands; see `docs/sessions.md` for the table of transitions."""

    NEW = "new"
    JOINING = "joining"
    LIVE = "live"
    STALE = "stale"
    CATCHING_UP = "catching_up"
    DEGRADED = "degraded"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"


class LeftReason(StrEnum):
    """Why participants went offline (left, timeout) or are participants no more (the others)."""

    LEFT = "left"
    TIMEOUT = "timeout"
    KICKED = "kicked"
    BANNED = "banned"
    FORGOT = "forgot"
    """They have forgotten the room."""
    GONE = "gone"
    """They are no participants any more: their account was deleted."""


class EndReason(StrEnum):
    """Why a session was ended from outside."""

    KICKED = "kicked"
    BANNED = "banned"
    ROOM_NOT_FOUND = "room_not_found"
    """The room was deleted."""
    ROOM_INACTIVE = "room_inactive"
    """The room was closed."""
    NOT_PARTICIPANT = "not_participant"
    """The user has forgotten the room, from another session perhaps."""
    ROOM_FULL = "room_full"
    """The lease ran out, and the room stayed full."""


class GapReason(StrEnum):
    """Why a session may have missed something."""

    SOCKET_LOST = "socket_lost"
    CHANNEL_CLOSED = "channel_closed"
    POSITION_MISSING = "position_missing"
    TOPIC_MOVED = "topic_moved"
    BUFFER_OVERFLOW = "buffer_overflow"
    HEARTBEAT_AHEAD = "heartbeat_ahead"
    LEASE_EXPIRED = "lease_expired"
    RESUMED = "resumed"
    LIMIT_REACHED = "limit_reached"
    CHUNK_MISSING = "chunk_missing"
    DATABASE_BEHIND = "database_behind"
    """It was set back to an earlier time, or says so: it does not know a step that this session has."""


class SignalKind(StrEnum):
    """The kinds of signals that this package sends itself; an app has its own beside them."""

    TYPING = "typing"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events.

    Attributes:
        pos: The room's step that this event is; None when it takes no step.
        is_replayed: Fetched from the database inside a catch-up.
    """

    pos: int | None = None
    is_replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomJoined(Event):
    """The session is live for the first time; `pos` is the head that the rest reflects."""

    room: Room
    me: Participant
    participants: list[Participant]
    state: RoomState
    messages: list[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLeft(Event):
    """This session left by its own wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Event):
    """A new message; also one that this session sent."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUpdated(Event):
    """A message changed: edit, deletion, reaction, end of a stream."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChunk(Event):
    """A part of a message that is still being written; `text` stands at `offset` characters.

    The session's `messages` have it already. With `is_replayed` it holds what the live stream had not brought.
    """

    message_id: UUID
    offset: int
    text: str

    def added_to(self, content: str) -> str:
        """A text with this part; unchanged where it has it already, or where something before the part is missing."""
        if self.offset > len(content):
            return content
        return content + self.text[len(content) - self.offset :]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantJoined(Event):
    """A participant came online."""

    participant: Participant


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantUpdated(Event):
    """Name, role, kind or mute of a participant changed."""

    participant: Participant


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantLeft(Event):
    """Participants went offline or were removed, together."""

    participants: list[Participant]
    reason: LeftReason


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUpdated(Event):
    """The host changed the room's state, its code, or who is host.

    Attributes:
        room_code: The new code of the room; None when it is as it was.
    """

    state: RoomState
    room_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStarted(Event):
    """A participant switched voice on."""

    user_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceStopped(Event):
    """A participant switched voice off."""

    user_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReceived(Event):
    """Something ephemeral: a `SignalKind`, or an app's own kind. Forget it after `ttl_s` seconds."""

    user_id: UUID
    kind: str
    payload: JsonObject = field(default_factory=dict[str, object])
    ttl_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStateChanged(Event):
    """The session moved from one state to another."""

    state: ConnectionState
    previous: ConnectionState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapDetected(Event):
    """Something after position `after` may have been missed; a catch-up follows."""

    after: int
    reason: GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUpProgressed(Event):
    """A catch-up of several pages has told one more; the last page is followed by `CaughtUp` instead.

    Attributes:
        from_pos: Where it began.
        to_pos: Where it will end.
        at_pos: All messages that are new up to this step have been yielded; at `to_pos`, older ones that changed
            follow.
        message_count: Messages yielded so far.
    """

    from_pos: int
    to_pos: int
    at_pos: int
    message_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp(Event):
    """The gap is closed: all up to `to_pos` has been yielded, `participants` and `state` were read again."""

    from_pos: int
    to_pos: int
    message_count: int
    participants: list[Participant]
    state: RoomState


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMoved(Event):
    """The room got a new topic (after a removal); the session follows by itself."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsDropped(Event):
    """This iterator was read too slowly: its buffer was emptied, and what it lost is fetched again."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RejoinRefused(Event):
    """A rejoin was refused for now, and will be tried again (for example: the room is full)."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomError(Event):
    """Something failed in the background; the session goes on."""

    error: SpacesError


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """The last event of a session that was ended from outside: kicked, banned, deleted, failed …

    Attributes:
        reason: An `EndReason`, or the code of the error that the session could not get over.
    """

    reason: EndReason | str
