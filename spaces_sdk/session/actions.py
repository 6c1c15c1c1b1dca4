"""What a session does with messages that stand already, or grow."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from spaces_sdk.errors import ConflictError, InvalidRequestError
from spaces_sdk.models import JsonObject, Message, MessageType, ReadMark
from spaces_sdk.session.api import CALL_TIMEOUT_S, SessionApi
from spaces_sdk.session.runtime import Runtime
from spaces_sdk.session.writer import MessageWriter


class MessageActions:
    """The base of `RoomSession` with its calls about messages after they were said."""

    def __init__(self, api: SessionApi, runtime: Runtime) -> None:
        self._api = api
        self._runtime = runtime

    async def edit(
        self,
        message_id: UUID,
        content: str,
        *,
        metadata: JsonObject | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Message:
        """Change what an own message says; everybody sees `MessageUpdated`. See `RoomManager.edit_message`."""
        core = self._runtime.live_core("edit the message")
        return await self._api.edit_message(core.room_id, message_id, content, metadata=metadata, timeout_s=timeout_s)

    async def delete(self, message_id: UUID, *, timeout_s: float = CALL_TIMEOUT_S) -> Message:
        """Delete a message; everybody sees `MessageUpdated` with status `deleted`. See `RoomManager.delete_message`."""
        core = self._runtime.live_core("delete the message")
        return await self._api.delete_message(core.room_id, message_id, timeout_s=timeout_s)

    async def react(self, message_id: UUID, emoji: str, *, timeout_s: float = CALL_TIMEOUT_S) -> Message:
        """React to a message; everybody sees `MessageUpdated`. There already: no event. See `RoomManager.react`."""
        return await self._react(message_id, emoji, True, timeout_s)

    async def unreact(self, message_id: UUID, emoji: str, *, timeout_s: float = CALL_TIMEOUT_S) -> Message:
        """Take an own reaction back; everybody sees `MessageUpdated`. Not there: no event."""
        return await self._react(message_id, emoji, False, timeout_s)

    async def _react(self, message_id: UUID, emoji: str, is_on: bool, timeout_s: float) -> Message:
        core = self._runtime.live_core("react to the message")
        return await self._api.react(core.room_id, message_id, emoji, is_on, timeout_s=timeout_s)

    def stream(
        self,
        *,
        reply_to: UUID | None = None,
        message_type: MessageType | str = MessageType.AI_RESPONSE,
        metadata: JsonObject | None = None,
        message_id: UUID | None = None,
        timeout_s: float = 30.0,
    ) -> MessageWriter:
        """A message that grows while all watch, to be entered with `async with`; see `MessageWriter`.

        Everybody sees it from the beginning, and each part as a `MessageChunk`; leaving the block finishes it. It works
        while the live channel is down: it goes over HTTP.

        Args:
            reply_to: The message that this one answers; its author may stop this one.
            message_type: Bots write `ai_response`; people `user_text` and `user_voice` only.
            metadata: The app's own data, at most 16 kB as JSON; the writer's `metadata` is merged into it at the end.
            message_id: Unique. None makes a random one.
            timeout_s: How long a part is sent again without an answer, in seconds, > 0.

        Raises:
            InvalidRequestError: There is no such type.
        """
        try:
            kind = MessageType(message_type)
        except ValueError as error:
            raise InvalidRequestError(f"cannot write a message: {error}", status=400) from error
        return self._runtime.writer(
            message_id=message_id, message_type=kind, metadata=metadata, reply_to=reply_to, timeout_s=timeout_s
        )

    async def stop_stream(self, message_id: UUID, *, timeout_s: float = CALL_TIMEOUT_S) -> Message:
        """End a message that is being written as it stands. See `RoomManager.stop_stream`."""
        core = self._runtime.live_core("stop the message")
        return await self._api.stop_stream(core.room_id, message_id, timeout_s=timeout_s)

    async def mark_read(self, seq: int | None = None, *, timeout_s: float = CALL_TIMEOUT_S) -> ReadMark:
        """Remember, for all connections of this user, that the room is read; nobody else is told.

        Args:
            seq: Of the last message that was read. None: all that this session knows, up to `position`.

        Returns:
            How many messages of others are unread now. The mark never goes back.
        """
        core = self._runtime.joined_core("mark the messages as read")
        return await self._api.mark_read(core.room_id, core.position if seq is None else seq, timeout_s=timeout_s)

    @contextmanager
    def _noticing_a_lost_lease(self) -> Generator[None]:
        """Around a call that needs a live connection: refused for want of one, the session gets it back."""
        core = self._runtime.core
        try:
            yield
        except ConflictError as error:
            if error.code == "lease_expired" and core is not None:
                core.lose_lease()
            raise
