"""What a session needs of the parts below it, as protocols: replace these to run it on another bottom.

`RoomManager` is a `SessionApi`, `RealtimeClient` a `RealtimePort`, by structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol, Unpack
from uuid import UUID

from spaces_sdk.drafts import MessageDraft, StateChanges
from spaces_sdk.errors import SpacesError
from spaces_sdk.models import (
    BegunStream,
    JoinedRoom,
    JsonObject,
    Kind,
    LeaseStatus,
    Message,
    MessageType,
    Page,
    Participant,
    ReadMark,
    Role,
    RoomMode,
    RoomPreview,
    RoomState,
    StreamProgress,
    SyncPage,
)
from spaces_sdk.realtime.events import ChannelEvent
from spaces_sdk.rooms.models import CreatedInvitation
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim

CALL_TIMEOUT_S = 10.0
"""Of one call with its retries, in seconds; the default of every method that asks the database."""


class SessionApi(Protocol):
    """The calls to the database that a session makes. Retries and typed errors are theirs."""

    async def get_room_by_code(self, code: str, /, *, timeout_s: float = ...) -> RoomPreview: ...

    async def accept_invitation(self, token: str, /, *, timeout_s: float = ...) -> RoomPreview: ...

    async def join_room(
        self,
        room_id: UUID,
        display_name: str | None,
        /,
        *,
        connection_id: UUID | None = ...,
        latest: int = ...,
        timeout_s: float = ...,
    ) -> JoinedRoom: ...

    async def sync_room(
        self,
        room_id: UUID,
        after: int,
        /,
        *,
        to: int | None = ...,
        cursor: JsonObject | None = ...,
        timeout_s: float = ...,
    ) -> SyncPage: ...

    async def heartbeat(self, connection_ids: Sequence[UUID], /, *, timeout_s: float = ...) -> list[LeaseStatus]: ...

    async def leave_room(
        self, room_id: UUID, /, *, connection_id: UUID | None = ..., timeout_s: float = ...
    ) -> None: ...

    async def forget_room(self, room_id: UUID, /, *, timeout_s: float = ...) -> None: ...

    async def get_participants(
        self, room_id: UUID, /, *, limit: int = ..., cursor: str | None = ..., timeout_s: float = ...
    ) -> Page[Participant]: ...

    async def insert_message(
        self,
        room_id: UUID,
        content: str,
        /,
        *,
        message_type: MessageType = ...,
        metadata: JsonObject | None = ...,
        reply_to: UUID | None = ...,
        message_id: UUID | None = ...,
        timeout_s: float = ...,
    ) -> Message: ...

    async def insert_messages(
        self, room_id: UUID, drafts: Sequence[MessageDraft], /, *, timeout_s: float = ...
    ) -> list[Message | SpacesError]: ...

    async def get_room_messages(
        self,
        room_id: UUID,
        /,
        *,
        limit: int = ...,
        before: int | None = ...,
        after: int | None = ...,
        timeout_s: float = ...,
    ) -> Page[Message]: ...

    async def edit_message(
        self,
        room_id: UUID,
        message_id: UUID,
        content: str,
        /,
        *,
        metadata: JsonObject | None = ...,
        timeout_s: float = ...,
    ) -> Message: ...

    async def delete_message(self, room_id: UUID, message_id: UUID, /, *, timeout_s: float = ...) -> Message: ...

    async def react(
        self, room_id: UUID, message_id: UUID, emoji: str, is_on: bool, /, *, timeout_s: float = ...
    ) -> Message: ...

    async def begin_stream(
        self,
        room_id: UUID,
        /,
        *,
        message_type: MessageType = ...,
        metadata: JsonObject | None = ...,
        reply_to: UUID | None = ...,
        message_id: UUID | None = ...,
        timeout_s: float = ...,
    ) -> BegunStream: ...

    async def append_stream(
        self, room_id: UUID, message_id: UUID, offset: int, text: str, /, *, timeout_s: float = ...
    ) -> StreamProgress: ...

    async def finish_stream(
        self,
        room_id: UUID,
        message_id: UUID,
        /,
        *,
        text: str | None = ...,
        metadata: JsonObject | None = ...,
        timeout_s: float = ...,
    ) -> Message: ...

    async def stop_stream(self, room_id: UUID, message_id: UUID, /, *, timeout_s: float = ...) -> Message: ...

    async def mark_read(self, room_id: UUID, seq: int, /, *, timeout_s: float = ...) -> ReadMark: ...

    async def update_room_state(
        self, room_id: UUID, /, *, timeout_s: float = ..., **changes: Unpack[StateChanges]
    ) -> RoomState: ...

    async def find_mode(self, name: str, /, *, timeout_s: float = ...) -> RoomMode | None: ...

    async def set_voice(self, room_id: UUID, on: bool, /, *, timeout_s: float = ...) -> Participant: ...

    async def signal(
        self, room_id: UUID, kind: str, payload: JsonObject | None, ttl_s: float, /, *, timeout_s: float = ...
    ) -> bool: ...

    async def set_participant_kind(
        self, room_id: UUID, user_id: UUID, kind: Kind | str, /, *, timeout_s: float = ...
    ) -> Participant: ...

    async def kick_participant(self, room_id: UUID, user_id: UUID, /, *, timeout_s: float = ...) -> None: ...

    async def ban_participant(
        self, room_id: UUID, user_id: UUID, /, *, reason: str | None = ..., timeout_s: float = ...
    ) -> None: ...

    async def mute_participant(
        self, room_id: UUID, user_id: UUID, is_muted: bool, /, *, timeout_s: float = ...
    ) -> Participant: ...

    async def set_participant_role(
        self, room_id: UUID, user_id: UUID, role: Role | str, /, *, timeout_s: float = ...
    ) -> Participant: ...

    async def create_invitation(
        self,
        room_id: UUID,
        /,
        *,
        expires_in: timedelta | None = ...,
        max_uses: int | None = ...,
        timeout_s: float = ...,
    ) -> CreatedInvitation: ...

    async def transfer_host(self, room_id: UUID, user_id: UUID, /, *, timeout_s: float = ...) -> RoomState: ...

    async def enter_turns(
        self, room_id: UUID, /, *, takes_turns: bool = ..., position: int | None = ..., timeout_s: float = ...
    ) -> BotEntry: ...

    async def claim_turns(
        self,
        room_id: UUID,
        holder: UUID,
        claims: Sequence[TurnClaim],
        /,
        *,
        position: int | None = ...,
        timeout_s: float = ...,
    ) -> list[ClaimedTurn]: ...

    async def finish_turns(
        self,
        room_id: UUID,
        holder: UUID,
        turns: Sequence[FinishedTurn],
        /,
        *,
        position: int | None = ...,
        timeout_s: float = ...,
    ) -> int: ...

    async def give_turn(
        self, room_id: UUID, user_id: UUID, message_id: UUID | None, /, *, timeout_s: float = ...
    ) -> RoomState: ...


class ChannelPort(Protocol):
    """One join of one topic."""

    @property
    def topic(self) -> str: ...

    async def join(self, *, timeout_s: float = ...) -> None: ...

    async def receive(self) -> ChannelEvent: ...

    async def track(self, meta: dict[str, Any], /) -> None: ...

    async def leave(self, *, timeout_s: float = ...) -> None: ...


class RealtimePort(Protocol):
    """What makes channels."""

    def channel(self, topic: str, *, private: bool = ..., presence_key: str | None = ...) -> ChannelPort: ...
