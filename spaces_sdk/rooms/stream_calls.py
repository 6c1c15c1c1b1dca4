"""Messages that grow while all watch: begun, added to by offset, ended."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from spaces_sdk.errors import PermissionDeniedError
from spaces_sdk.models import BegunStream, JsonObject, Message, MessageType, StreamProgress
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rooms.room_calls import REPEAT_HINT
from spaces_sdk.rpc.answers import fields_of
from spaces_sdk.rpc.procedures import Procedure, Repeat

BEGIN_STREAM = Procedure("begin_stream", "begin the message", Repeat.SAFE)
APPEND_STREAM = Procedure("append_stream", "go on with the message", Repeat.SAFE)
FINISH_STREAM = Procedure("finish_stream", "finish the message", Repeat.SAFE)
STOP_STREAM = Procedure("stop_stream", "stop the message", Repeat.SAFE)


class StreamCalls(Calls):
    """Calls about messages that are being written; `RoomSession.stream` makes them for you."""

    async def begin_stream(
        self,
        room_id: UUID | str,
        *,
        message_type: MessageType | str = MessageType.AI_RESPONSE,
        metadata: JsonObject | None = None,
        reply_to: UUID | str | None = None,
        message_id: UUID | str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> BegunStream:
        """Make a message whose text is still to come; everybody sees it at once, with status `streaming`.

        Args:
            room_id: The room; the caller must be a participant, and needs no live connection.
            message_type: Bots write `ai_response`; people `user_text` and `user_voice` only.
            metadata: The app's own data, at most 16 kB as JSON.
            reply_to: A message of the same room; its author may stop this one.
            message_id: Idempotency key. None makes a random one.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The empty message, and for how long each part keeps it open. A repeated id returns what stands by now.

        Raises:
            InvalidRequestError: Type or metadata out of their range.
            PermissionDeniedError: No participant, muted, not the caller's type, or five are being written already.
            ConflictError: The id was used for another message; or the room is closed.
            RateLimitedError: Over the limit of sends; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; repeat with its `operation_id` as `message_id`.
        """
        doing = BEGIN_STREAM.operation
        key = uuid4() if message_id is None else checks.uuid_of(doing, "message_id", message_id)
        arguments = {
            "p_room_id": str(checks.uuid_of(doing, "room_id", room_id)),
            "p_id": str(key),
            "p_message_type": checks.message_type_of(doing, message_type).value,
            "p_metadata": checks.json_object(doing, "metadata", metadata),
            "p_reply_to": None if reply_to is None else str(checks.uuid_of(doing, "reply_to", reply_to)),
        }
        answer = await self._rpc.call(BEGIN_STREAM, arguments, timeout_s=timeout_s, operation_id=key)
        if fields_of(field_of(answer, "message")).keys() == {"id", "seq"}:
            # Its first try was stored, and then the right to write was lost: a mute or a removal has ended it.
            raise PermissionDeniedError(
                f"cannot {doing}: it was begun, and you may no longer write in this room",
                code="not_allowed",
                status=403,
            )
        return parsed(BegunStream, answer, doing)

    async def append_stream(
        self, room_id: UUID | str, message_id: UUID | str, offset: int, text: str, *, timeout_s: float = TIMEOUT_S
    ) -> StreamProgress:
        """Add to an own message that is being written; everybody hears the part as a `MessageChunk`.

        The same part again changes nothing. It takes no step of the room.

        Args:
            room_id: The room.
            message_id: What `begin_stream` made.
            offset: Characters that stand before the text.
            text: At most 8000 characters; none at all keeps the message open.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            How long the message is now. `status` is no longer `streaming` when somebody has ended it meanwhile: then
            nothing was added.

        Raises:
            InvalidRequestError: A part, or with it the message, is too long.
            ConflictError: The text does not follow what stands; the error says how much does.
            PermissionDeniedError: Not its author, or removed from the room.
            NotFoundError: `message_not_found`: not in this room.
            RateLimitedError: More than 20 parts at once, or 10 a second; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = APPEND_STREAM.operation
        checks.within(doing, "offset", offset, 0, checks.AI_CONTENT_LENGTH)
        arguments = {"p_offset": offset, "p_text": _part(doing, text)}
        answer = await self._stream_call(APPEND_STREAM, room_id, message_id, arguments, timeout_s)
        return parsed(StreamProgress, answer, doing)

    async def finish_stream(
        self,
        room_id: UUID | str,
        message_id: UUID | str,
        *,
        text: str | None = None,
        metadata: JsonObject | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Message:
        """End an own message that is being written: it is `final`, or `stopped` if nothing was written.

        Args:
            room_id: The room.
            message_id: What `begin_stream` made.
            text: A last part, at most 8000 characters.
            metadata: Merged into the message's by key: why it ended, which model, how many tokens …
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The message as it stands. Ended before, by this call or by somebody else, it is unchanged.

        Raises:
            InvalidRequestError: Text or metadata would be too long.
            PermissionDeniedError: Not its author, or removed from the room.
            NotFoundError: `message_not_found`: not in this room.
            RateLimitedError: Over the limit of parts; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        doing = FINISH_STREAM.operation
        arguments = {
            "p_text": None if text is None else _part(doing, text),
            "p_metadata": None if metadata is None else checks.json_object(doing, "metadata", metadata),
        }
        answer = await self._stream_call(FINISH_STREAM, room_id, message_id, arguments, timeout_s)
        return parsed(Message, field_of(answer, "message"), doing)

    async def stop_stream(
        self, room_id: UUID | str, message_id: UUID | str, *, timeout_s: float = TIMEOUT_S
    ) -> Message:
        """End a message that is being written as it stands; its writer learns of it with the next part.

        Its author can, and the author of the message that it answers, the host, and moderators a member's.

        Returns:
            The message with status `stopped`. Ended before, it is unchanged.

        Raises:
            PermissionDeniedError: Not the caller's to stop, or no participant.
            NotFoundError: `message_not_found`: not in this room.
            RateLimitedError: Over the limit of sends; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; the same call again is harmless.
        """
        answer = await self._stream_call(STOP_STREAM, room_id, message_id, {}, timeout_s)
        return parsed(Message, field_of(answer, "message"), STOP_STREAM.operation)

    async def _stream_call(
        self,
        procedure: Procedure,
        room_id: UUID | str,
        message_id: UUID | str,
        arguments: Mapping[str, object],
        timeout_s: float,
    ) -> object:
        message = checks.uuid_of(procedure.operation, "message_id", message_id)
        room = checks.uuid_of(procedure.operation, "room_id", room_id)
        return await self._rpc.call(
            procedure,
            {"p_room_id": str(room), "p_message_id": str(message), **arguments},
            timeout_s=timeout_s,
            operation_id=message,
            unknown_hint=REPEAT_HINT,
        )


def _part(operation: str, text: str) -> str:
    checks.checked_text(operation, "text", text)
    checks.within(operation, "the length of the text", len(text), 0, checks.PART_LENGTH)
    return text
