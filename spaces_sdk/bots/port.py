"""What a bot needs of a room. `RoomSession` has it by structure; so has a room without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self, Unpack
from uuid import UUID

from spaces_sdk.drafts import StateChanges
from spaces_sdk.events import Event
from spaces_sdk.models import JsonObject, Message, MessageType, Page, Participant, Room, RoomMode, RoomState
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim


class WriterPort(Protocol):
    """A message that grows while all watch; see `MessageWriter`."""

    metadata: JsonObject

    @property
    def is_stopped(self) -> bool: ...

    @property
    def is_repeated(self) -> bool: ...

    @property
    def message(self) -> Message: ...

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

    def find_message(self, message_id: UUID) -> Message | None: ...

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
        message_id: UUID | None = ...,
    ) -> WriterPort: ...

    async def history(self, *, before: int | None = ..., limit: int = ...) -> Page[Message]: ...

    async def find_mode(self, name: str, *, timeout_s: float = ...) -> RoomMode | None: ...

    async def update_room_state(self, *, timeout_s: float = ..., **changes: Unpack[StateChanges]) -> RoomState: ...

    async def delete(self, message_id: UUID) -> Message: ...

    async def react(self, message_id: UUID, emoji: str) -> Message: ...

    async def mute(self, user_id: UUID) -> Participant: ...

    async def unmute(self, user_id: UUID) -> Participant: ...

    async def kick(self, user_id: UUID) -> None: ...

    async def enter_turns(self, *, takes_turns: bool = ..., position: int | None = ...) -> BotEntry: ...

    async def claim_turns(
        self, holder: UUID, claims: Sequence[TurnClaim], /, *, position: int | None = ..., timeout_s: float = ...
    ) -> list[ClaimedTurn]: ...

    async def finish_turns(
        self, holder: UUID, turns: Sequence[FinishedTurn], /, *, position: int | None = ..., timeout_s: float = ...
    ) -> int: ...


class RoomsPort(Protocol):
    """What a bot is started with: `Spaces`, signed in with its account."""

    def join(
        self, room: str | UUID | None = None, *, display_name: str | None = None
    ) -> AbstractAsyncContextManager[SessionPort]: ...
