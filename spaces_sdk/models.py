"""What the database answers and publishes, as typed values.

All are immutable. Names are those of the database; times are aware, UTC. Unknown fields are ignored,
so that a newer database does not break an older client.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

JsonObject = dict[str, Any]


class Model(BaseModel):
    """The base of all: frozen, and deaf to fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class MessageType(StrEnum):
    """What a message is; `system` is written by the database alone, `ai_response` by bots alone."""

    USER_TEXT = "user_text"
    USER_VOICE = "user_voice"
    AI_RESPONSE = "ai_response"
    SYSTEM = "system"


class MessageStatus(StrEnum):
    """Where a message stands; only `streaming` is not yet at rest."""

    FINAL = "final"
    STREAMING = "streaming"
    STOPPED = "stopped"
    DELETED = "deleted"


class Role(StrEnum):
    """What a participant may do. `host` is computed from the room, never stored."""

    HOST = "host"
    MODERATOR = "moderator"
    MEMBER = "member"


class Kind(StrEnum):
    """Who is behind a participant; decided by the database, never by the client."""

    HUMAN = "human"
    BOT = "bot"


class Visibility(StrEnum):
    """Who finds a room: nobody without an invitation, who has the code, or everybody."""

    PRIVATE = "private"
    UNLISTED = "unlisted"
    PUBLIC = "public"


class Room(Model):
    """A room, as its participants see it.

    Attributes:
        room_code: Empty where somebody sees the room who came without the code and is not in it: in a list of public
            rooms, and as what an invitation opens.
        host_user_id: None after the host's account was deleted, until somebody is promoted.
        settings: Also empty in a list of public rooms, for who is not in the room.
        expires_after_s: Seconds without activity after which the room is deleted; None keeps it.
    """

    id: UUID
    room_code: str
    name: str
    host_user_id: UUID | None
    max_participants: int
    is_active: bool
    current_mode: str
    conversation_active: bool
    settings: JsonObject = Field(default_factory=dict)
    visibility: Visibility
    expires_after_s: int | None
    created_at: datetime
    last_activity: datetime


class Participant(Model):
    """A user in a room; also one who is offline now.

    Attributes:
        is_online: At least one of the user's connections was live when this was written.
        voice_since: When voice was switched on, None while it is off.
    """

    id: UUID
    room_id: UUID
    user_id: UUID
    display_name: str
    is_online: bool
    joined_at: datetime
    last_seen: datetime
    role: Role
    kind: Kind
    is_muted: bool
    voice_since: datetime | None = None


class Message(Model):
    """A message, as the database keeps it.

    Attributes:
        user_id: None for `system` messages and after the author's account was deleted.
        seq: Orders the messages of a room; strictly increasing, not dense.
        revision: The step of the room at which the row last changed; equals `seq` when it never did.
        status: A `deleted` one stays in its place, without content, metadata and reactions.
        updated_at: When what it says last changed; a reaction does not count.
        display_name: The author's name when it was written; a later rename does not change it.
        reactions: How many reacted with each emoji; in no order that means anything.
    """

    id: UUID
    room_id: UUID
    user_id: UUID | None
    message_type: MessageType
    content: str
    metadata: JsonObject = Field(default_factory=dict)
    created_at: datetime
    seq: int
    revision: int
    status: MessageStatus = MessageStatus.FINAL
    reply_to: UUID | None = None
    updated_at: datetime
    display_name: str
    sender_kind: str
    reactions: dict[str, int] = Field(default_factory=dict)


class BegunStream(Model):
    """A message whose text is still to come.

    Attributes:
        lease_s: Seconds that it stays open without another part; after that it is stopped.
        is_repeated: It stood already; `message` is as it stands by now.
    """

    message: Message
    lease_s: float
    is_repeated: bool = False


class StreamProgress(Model):
    """Where a message stands that is being written.

    Attributes:
        status: `streaming` while it goes on; else it was ended, and nothing was added.
        length: Characters that it has.
        lease_s: Seconds that it stays open without another part.
    """

    status: MessageStatus
    length: int
    lease_s: float


class ReadMark(Model):
    """How far a user has read a room; nobody is told of it.

    Attributes:
        last_read_seq: Messages up to this `seq` are read.
        unread_count: Messages of others after it, without notices and deleted ones; only the newest 1000
            messages of the room are looked at.
    """

    room_id: UUID
    last_read_seq: int
    unread_count: int


class PickedTurn(Model):
    """A host's pick: this bot shall answer that message.

    Attributes:
        position: The step at which it was picked.
    """

    user_id: UUID
    message_id: UUID
    position: int


class RoomState(Model):
    """The part of a room that the host steers, and that every participant sees change.

    Attributes:
        turn: Which bot the host has picked last.
        bots_resume_at: When bots answer again; None while their budget of the day is not spent.
    """

    mode: str
    conversation_active: bool
    name: str
    max_participants: int
    settings: JsonObject = Field(default_factory=dict)
    host: UUID | None
    visibility: Visibility
    is_active: bool
    turn: PickedTurn | None = None
    bots_resume_at: datetime | None = None


class RoomMode(Model):
    """A personality that the AI of a room can take: a row of `room_modes`.

    Attributes:
        name: What `RoomState.mode` says.
        label: For people to read.
        system_prompt: What a bot tells its model in a room of this mode.
    """

    name: str
    label: str
    system_prompt: str


class PreviewParticipant(Model):
    """What somebody with the code sees of a participant."""

    display_name: str
    is_online: bool
    kind: Kind
    role: Role


class RoomPreview(Model):
    """A room as seen through its code, before joining it.

    Attributes:
        participant_count: Participants that are online.
    """

    room: Room
    participants: list[PreviewParticipant]
    participant_count: int

    @property
    def is_full(self) -> bool:
        return self.participant_count >= self.room.max_participants


class Page(Model, Generic[T]):
    """A part of a list.

    Attributes:
        next_cursor: Pass it on to get the next part; None at the end.
    """

    items: list[T]
    next_cursor: str | None = None


class JoinedRoom(Model):
    """All that a session starts from, in one consistent answer.

    Attributes:
        head: The room's change counter that this answer includes.
        topic: The Realtime topic to join, without the `realtime:` prefix.
        connection_id: The lease that was made or renewed, None when none was asked for.
        lease_s: Seconds that a lease lives without a heartbeat.
        heartbeat_s: Seconds between heartbeats that the database recommends.
    """

    room: Room
    me: Participant
    participants: list[Participant]
    state: RoomState
    messages: list[Message]
    head: int
    epoch: int
    topic: str
    connection_id: UUID | None
    lease_s: float
    heartbeat_s: float


class SyncPage(Model):
    """One page of what changed in a room after a position.

    Attributes:
        messages: First rows that are new, by `seq`; then older rows that changed, by `revision`.
        to: The position that the whole sync reaches.
        cursor: Pass it on for the next page; None on the last one.
        head: The room's change counter in this page's snapshot; may be past `to`.
        participants, state, room: Present on the last page only.
    """

    messages: list[Message]
    to: int
    cursor: JsonObject | None = None
    head: int
    epoch: int
    topic: str
    participants: list[Participant] | None = None
    state: RoomState | None = None
    room: Room | None = None


class LeaseStatus(Model):
    """What a heartbeat answers for one connection.

    Attributes:
        status: `live`, or the code of the reason why the lease is gone.
    """

    connection_id: UUID
    room_id: UUID | None = None
    status: str
    head: int | None = None
    epoch: int | None = None
    topic: str | None = None
    state: RoomState | None = None

    @property
    def is_live(self) -> bool:
        return self.status == "live"
