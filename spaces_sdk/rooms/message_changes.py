"""Messages after they were said: edited, deleted, reacted to, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from spaces_sdk.models import JsonObject, Message, MessageType, ReadMark
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.procedures import Procedure, Repeat

EDIT_MESSAGE = Procedure("edit_message", "edit the message", Repeat.SAFE)
DELETE_MESSAGE = Procedure("delete_message", "delete the message", Repeat.SAFE)
REACT = Procedure("react", "react to the message", Repeat.SAFE)
MARK_READ = Procedure("mark_read", "mark the messages as read", Repeat.SAFE)
UNREAD_COUNTS = Procedure("unread_counts", "count the unread messages", Repeat.READ)

MAX_ROOMS = 100
MAX_SEQ = 2**63 - 1


class MessageChanges(Calls):
    """Calls that change a message, and how far one has read."""

    async def edit_message(
        self,
        room_id: UUID | str,
        message_id: UUID | str,
        content: str,
        *,
        metadata: JsonObject | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Message:
        """Change what an own message says. Like sending, it needs no live connection.

        What it said before may still be replayed by Realtime for up to 72 h. The same content again is no change.

        Args:
            room_id: The room; the caller must be a participant.
            message_id: A message of the caller, neither deleted nor still being written.
            content: The new body, within the limits of the message's type.
            metadata: Replaces the metadata as a whole; None keeps it.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The message as it stands now; `revision` says at which step it changed.

        Raises:
            InvalidRequestError: Content or metadata out of their range.
            PermissionDeniedError: Not its author, no participant, or muted.
            NotFoundError: `message_not_found`: not in this room, or deleted.
            ConflictError: `room_inactive`.
            RateLimitedError: Over the limit of sends; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = EDIT_MESSAGE.operation
        arguments = {
            # The widest type: which one it is only the database knows.
            "p_content": checks.content_of(doing, content, MessageType.AI_RESPONSE),
            "p_metadata": None if metadata is None else checks.json_object(doing, "metadata", metadata),
        }
        return await self._changed(EDIT_MESSAGE, room_id, message_id, arguments, timeout_s)

    async def delete_message(
        self, room_id: UUID | str, message_id: UUID | str, *, timeout_s: float = TIMEOUT_S
    ) -> Message:
        """Delete a message: its place, author and time stay; content, metadata and reactions are gone.

        Its author can, as a participant of an open room; the host and moderators can also in a closed one. What it
        said may still be replayed by Realtime for up to 72 h.

        Returns:
            What is left of it, with status `deleted`; deleted already, the same.

        Raises:
            PermissionDeniedError: Not the caller's to delete, or no participant.
            NotFoundError: `message_not_found`: not in this room.
            ConflictError: `room_inactive`.
            RateLimitedError: Over the limit of sends; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        return await self._changed(DELETE_MESSAGE, room_id, message_id, {}, timeout_s)

    async def react(
        self,
        room_id: UUID | str,
        message_id: UUID | str,
        emoji: str,
        is_on: bool = True,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> Message:
        """React to a message, or take an own reaction back. Like sending, it needs no live connection.

        Args:
            room_id: The room.
            message_id: Any message of the room, neither deleted nor still being written.
            emoji: One emoji, at most 16 characters. 20 different ones fit on a message, 5 of one user.
            is_on: False takes it back.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The message with the new counts; nothing to change, the same as before.

        Raises:
            InvalidRequestError: No emoji.
            PermissionDeniedError: No participant, muted, or no more emojis fit.
            NotFoundError: `message_not_found`: not in this room, or deleted.
            ConflictError: `room_inactive`.
            RateLimitedError: Over the limit of sends; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        arguments = {"p_emoji": checks.emoji_of(REACT.operation, emoji), "p_is_on": is_on}
        return await self._changed(REACT, room_id, message_id, arguments, timeout_s)

    async def mark_read(self, room_id: UUID | str, seq: int, *, timeout_s: float = TIMEOUT_S) -> ReadMark:
        """Remember that the caller has read all up to a message; no event, and it never goes back.

        Args:
            room_id: The room; the caller must be a participant, and needs no live connection.
            seq: Of the last message that was read; not above the room's head.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The mark as it stands now, and how many messages of others are unread.

        Raises:
            InvalidRequestError: A `seq` that the room has not reached.
            PermissionDeniedError: No participant.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = MARK_READ.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        checks.within(doing, "seq", seq, 0, MAX_SEQ)
        answer = await self._rpc.call(
            MARK_READ,
            {"p_room_id": str(room), "p_seq": seq},
            timeout_s=timeout_s,
            operation_id=room,
            unknown_hint=REPEAT_HINT,
        )
        return parsed(ReadMark, answer, doing)

    async def unread_counts(
        self, room_ids: Sequence[UUID | str] | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> list[ReadMark]:
        """How many messages are unread, for each of the caller's rooms.

        Args:
            room_ids: At most 100; those that the caller takes no part in are left out. None: the 100 of the
                caller's rooms with the latest activity.
            timeout_s: The whole call, in seconds, > 0.

        Returns:
            One for each room, latest activity first.
        """
        doing = UNREAD_COUNTS.operation
        rooms = None
        if room_ids is not None:
            checks.within(doing, "the number of rooms", len(room_ids), 0, MAX_ROOMS)
            rooms = [str(checks.uuid_of(doing, "room_id", each)) for each in room_ids]
        answer = await self._rpc.call(UNREAD_COUNTS, {"p_room_ids": rooms}, timeout_s=timeout_s)
        return parsed(list[ReadMark], field_of(answer, "items"), doing)

    async def _changed(
        self,
        procedure: Procedure,
        room_id: UUID | str,
        message_id: UUID | str,
        arguments: Mapping[str, object],
        timeout_s: float,
    ) -> Message:
        doing = procedure.operation
        message = checks.uuid_of(doing, "message_id", message_id)
        room = checks.uuid_of(doing, "room_id", room_id)
        answer = await self._rpc.call(
            procedure,
            {"p_room_id": str(room), "p_message_id": str(message), **arguments},
            timeout_s=timeout_s,
            operation_id=message,
            unknown_hint=REPEAT_HINT,
        )
        return parsed(Message, field_of(answer, "message"), doing)
