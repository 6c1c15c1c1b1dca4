"""What a session does with messages that stand already."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from spaces_sdk.errors import ConflictError
from spaces_sdk.models import JsonObject, Message, ReadMark
from spaces_sdk.session.api import CALL_TIMEOUT_S, SessionApi
from spaces_sdk.session.runtime import Runtime


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
