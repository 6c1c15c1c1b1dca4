"""A growing message in a room without a server."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID

from spaces_sdk.errors import StreamStoppedError, UsageError
from spaces_sdk.models import JsonObject, Message, MessageStatus, MessageType, Participant


class Keeper(Protocol):
    """The room, as far as a message is kept and told of there."""

    writers: dict[UUID, MemoryWriter]

    @property
    def me(self) -> Participant: ...

    def find_message(self, message_id: UUID) -> Message | None: ...

    def store(
        self,
        author: Participant,
        content: str,
        message_type: MessageType,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        status: MessageStatus = MessageStatus.FINAL,
        message_id: UUID | None = None,
    ) -> Message: ...

    def change(self, message: Message, **fields: Any) -> Message: ...

    def grow(self, message: Message, text: str) -> Message: ...


class MemoryWriter:
    """As `MessageWriter`: the block is cancelled where it waits when `MemoryRoom.stop` ends the message."""

    def __init__(
        self,
        room: Keeper,
        message_type: MessageType,
        metadata: JsonObject | None,
        reply_to: UUID | None,
        message_id: UUID,
    ) -> None:
        self._room = room
        self._type = message_type
        self._begin_metadata = metadata or {}
        self._reply_to = reply_to
        self._message_id = message_id
        self._message: Message | None = None
        self._scope = asyncio.timeout(None)
        self._ended = asyncio.Event()
        self.metadata: JsonObject = {}
        self.is_stopped = False
        self.is_repeated = False

    @property
    def message(self) -> Message:
        """The message as it stands."""
        if self._message is None:
            raise UsageError("cannot read the message: it has not begun", hint="enter it with `async with`")
        return self._message

    async def __aenter__(self) -> Self:
        known = self._room.find_message(self._message_id)
        self.is_repeated = known is not None
        self._message = known or self._room.store(
            self._room.me,
            "",
            self._type,
            self._begin_metadata,
            self._reply_to,
            MessageStatus.STREAMING,
            self._message_id,
        )
        await self._scope.__aenter__()
        self._room.writers[self._message_id] = self
        if self._message.status is not MessageStatus.STREAMING:
            self.end(self._message)
        return self

    def end(self, message: Message) -> None:
        """Somebody has ended it."""
        self._message = message
        self.is_stopped = message.status is not MessageStatus.FINAL
        self._ended.set()
        if not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        is_cut = False
        if not self._scope.expired():
            self._scope.reschedule(None)
        try:
            await self._scope.__aexit__(kind, error, trace)
        except TimeoutError:
            is_cut = True
        self._room.writers.pop(self._message_id, None)
        if self._ended.is_set():
            return is_cut or isinstance(error, StreamStoppedError)
        self._ended.set()
        self.is_stopped = error is not None or not self.message.content.strip()
        status = MessageStatus.STOPPED if self.is_stopped else MessageStatus.FINAL
        metadata = {**self._begin_metadata, **self.metadata}
        self._message = self._room.change(self.message, status=status, metadata=metadata)
        return False

    async def write(self, text: str) -> None:
        """Add to the message."""
        self._raise_if_over()
        self._message = self._room.grow(self.message, text)

    async def flush(self) -> None:
        """All is stored as soon as it is written."""
        self._raise_if_over()

    async def wait_ended(self) -> None:
        """Return when somebody else has ended it."""
        await self._ended.wait()

    def _raise_if_over(self) -> None:
        if self._ended.is_set():
            raise StreamStoppedError("cannot write: the message was ended by somebody else")
