"""What a bot needs of a room. `RoomSession` has it by structure; so has a room without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self, Unpack
from uuid import UUID

from spaces_sdk.drafts import StateChanges
from spaces_sdk.events import Event
from spaces_sdk.models import JsonObject, Message, MessageType, Page, Participant, Room, RoomMode, RoomState


class WriterPort(Protocol):
    """A message that grows while all watch; see `MessageWriter`."""

    metadata: JsonObject
    is_stopped: bool

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...

    async def write(self, text: str) -> None: ...

    async def flush(self) -> None: ...

    async def wait_ended(self) -> None: ...


class SessionPort(Protocol):
    """The part of `RoomSession` that handlers work with, as `ctx.session`."""

    @property
    def me(self) -> Participant | None: ...

    @property
    def current_room(self) -> Room | None: ...

    @property
    def room_state(self) -> RoomState | None: ...

    @property
    def participants(self) -> list[Participant]: ...

    @property
    def messages(self) -> list[Message]: ...

    def events(self) -> AsyncIterator[Event]: ...

    async def send(
        self,
        content: str,
        *,
        message_type: MessageType | str = ...,
        metadata: JsonObject | None = ...,
        reply_to: UUID | None = ...,
        message_id: UUID | None = ...,
    ) -> Message: ...

    def stream(
        self,
        *,
        reply_to: UUID | None = ...,
        message_type: MessageType | str = ...,
        metadata: JsonObject | None = ...,
    ) -> WriterPort: ...

    async def history(self, *, before: int | None = ..., limit: int = ...) -> Page[Message]: ...

    async def find_mode(self, name: str, *, timeout_s: float = ...) -> RoomMode | None: ...

    async def update_room_state(self, *, timeout_s: float = ..., **changes: Unpack[StateChanges]) -> RoomState: ...

    async def delete(self, message_id: UUID) -> Message: ...

    async def react(self, message_id: UUID, emoji: str) -> Message: ...

    async def mute(self, user_id: UUID) -> Participant: ...

    async def unmute(self, user_id: UUID) -> Participant: ...

    async def kick(self, user_id: UUID) -> None: ...
