"""A growing message in a room without a server."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID

from spaces_sdk.errors import UsageError
from spaces_sdk.events import Event, MessageChunk
from spaces_sdk.models import JsonObject, Message, MessageStatus, MessageType, Participant


class Keeper(Protocol):
    """The room, as far as a message is kept and told of there."""

    @property
    def me(self) -> Participant: ...

    def store(
        self,
        author: Participant,
        content: str,
        message_type: MessageType,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        status: MessageStatus = MessageStatus.FINAL,
    ) -> Message: ...

    def change(self, message: Message, **fields: Any) -> Message: ...

    def tell(self, event: Event) -> None: ...


class MemoryWriter:
    """As `MessageWriter`; nobody stops it here."""

    def __init__(
        self, room: Keeper, message_type: MessageType, metadata: JsonObject | None, reply_to: UUID | None
    ) -> None:
        self._room = room
        self._type = message_type
        self._begin_metadata = metadata or {}
        self._reply_to = reply_to
        self._message: Message | None = None
        self._text = ""
        self.metadata: JsonObject = {}
        self.is_stopped = False

    async def __aenter__(self) -> Self:
        self._message = self._room.store(
            self._room.me, "", self._type, self._begin_metadata, self._reply_to, MessageStatus.STREAMING
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        message = self._open()
        self._message = None
        self.is_stopped = error is not None or not self._text.strip()
        self._room.change(
            message,
            status=MessageStatus.STOPPED if self.is_stopped else MessageStatus.FINAL,
            content=self._text,
            metadata={**self._begin_metadata, **self.metadata},
        )
        return False

    async def write(self, text: str) -> None:
        """Add to the message."""
        message = self._open()
        self._room.tell(MessageChunk(message_id=message.id, offset=len(self._text), text=text))
        self._text += text

    async def flush(self) -> None:
        """All is stored as soon as it is written."""
        self._open()

    async def wait_ended(self) -> None:
        """Nobody ends it: this waits until it is cancelled."""
        await asyncio.get_running_loop().create_future()

    def _open(self) -> Message:
        if self._message is None:
            raise UsageError("cannot write: the message is not open", hint="write inside its `async with`")
        return self._message
