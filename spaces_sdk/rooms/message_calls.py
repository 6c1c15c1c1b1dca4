"""Messages: store one, store many, read the history."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from spaces_sdk.drafts import MessageDraft
from spaces_sdk.errors import (
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    SpacesError,
    TransportError,
)
from spaces_sdk.models import JsonObject, Message, MessageType, Page
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, field_of, parsed
from spaces_sdk.rpc.answers import error_in_answer, fields_of
from spaces_sdk.rpc.procedures import Procedure, Repeat

INSERT_MESSAGE = Procedure("insert_message", "send the message", Repeat.SAFE)
INSERT_MESSAGES = Procedure("insert_messages", "send the messages", Repeat.SAFE)
GET_MESSAGES = Procedure("get_room_messages", "read the messages", Repeat.READ)

MAX_BATCH = 50


class MessageCalls(Calls):
    """Calls about messages."""

    async def insert_message(
        self,
        room_id: UUID | str,
        content: str,
        *,
        message_type: MessageType | str = MessageType.USER_TEXT,
        metadata: JsonObject | None = None,
        reply_to: UUID | str | None = None,
        message_id: UUID | str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Message:
        """Store a message in a room, and return it as the database kept it.

        It is durable when this returns. Whatever leaves the outcome open is tried again with the same
        id, so that it is stored at most once. If cancelled it may have been stored; call again with the
        same `message_id`.

        Args:
            room_id: The room; the caller must be a participant, and needs no live connection.
            content: Body, not blank, at most 8000 characters (200000 for `ai_response`).
            message_type: People write `user_text` and `user_voice`; bots `ai_response` too.
            metadata: The app's own data, at most 16 kB as JSON.
            reply_to: A message of the same room.
            message_id: Idempotency key. None makes a random one.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            The stored message; `seq` orders it in the room. A repeated id returns the first one unchanged.

        Raises:
            InvalidRequestError: Content, type or metadata out of their range.
            PermissionDeniedError: No participant, muted, or the type is not the caller's to write.
            ConflictError: The id was used for another message; or the room is closed.
            RateLimitedError: Over the limit; wait `retry_after_s`.
            OutcomeUnknownError: No answer in time; repeat with its `operation_id` as `message_id`.
        """
        doing = INSERT_MESSAGE.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        key = uuid4() if message_id is None else checks.uuid_of(doing, "message_id", message_id)
        kind = checks.message_type_of(doing, message_type)
        arguments = {
            "p_room_id": str(room),
            "p_content": checks.content_of(doing, content, kind),
            "p_message_type": kind.value,
            "p_metadata": checks.json_object(doing, "metadata", metadata),
            "p_id": str(key),
            "p_reply_to": None if reply_to is None else str(checks.uuid_of(doing, "reply_to", reply_to)),
        }
        ends_at = self._rpc.clock.monotonic() + timeout_s
        answer = await self._rpc.call(INSERT_MESSAGE, arguments, timeout_s=timeout_s, operation_id=key)
        return await self._stored(room, field_of(answer, "message"), key, ends_at)

    async def insert_messages(
        self, room_id: UUID | str, drafts: Sequence[MessageDraft], *, timeout_s: float = TIMEOUT_S
    ) -> list[Message | SpacesError]:
        """Store several messages in their order; one that is refused does not undo the others.

        Args:
            room_id: The room.
            drafts: 1 to 50, each with its own id.
            timeout_s: The whole call with retries and token refresh, in seconds, > 0.

        Returns:
            For each draft, in order, the stored message or the error that it alone met.

        Raises:
            InvalidRequestError: None or too many drafts, or two with one id.
            OutcomeUnknownError: No answer in time; the same drafts again are stored at most once.
        """
        doing = INSERT_MESSAGES.operation
        room = checks.uuid_of(doing, "room_id", room_id)
        checks.within(doing, "the number of drafts", len(drafts), 1, MAX_BATCH)
        if len({draft.id for draft in drafts}) != len(drafts):
            raise checks.refuse(doing, "two drafts have the same id")
        outcomes: list[Message | SpacesError | None] = [_refusal(draft) for draft in drafts]
        sent = [index for index, refusal in enumerate(outcomes) if refusal is None]
        ends_at = self._rpc.clock.monotonic() + timeout_s
        if sent:
            items = [_item(drafts[index]) for index in sent]
            answer = await self._rpc.call(
                INSERT_MESSAGES,
                {"p_room_id": str(room), "p_messages": items},
                timeout_s=timeout_s,
                operation_id=drafts[sent[0]].id,
                unknown_hint="repeat the call with the same drafts; each is stored at most once",
            )
            results = parsed(list[object], field_of(answer, "results"), doing)
            if len(results) != len(sent):
                raise ProtocolError(f"cannot {doing}: {len(sent)} were sent, {len(results)} answered", raw=results)
            for index, result in zip(sent, results, strict=True):
                outcomes[index] = await self._outcome(room, result, drafts[index].id, ends_at)
        return [outcome for outcome in outcomes if outcome is not None]

    async def get_room_messages(
        self,
        room_id: UUID | str,
        *,
        limit: int = 50,
        before: int | str | None = None,
        after: int | str | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Page[Message]:
        """Read the history, always oldest first within a page.

        Args:
            room_id: The room.
            limit: Most a page, 1 to 200.
            before: Only messages before this `seq` (or `next_cursor` of the page before): goes back in time.
            after: Only messages after this `seq` (or `next_cursor`): goes forward. Not together with `before`.
            timeout_s: The whole call, in seconds, > 0.

        Returns:
            Without `before` and `after`: the newest. `next_cursor` is the next `before` (or `after`).

        Raises:
            NotFoundError: No such room, or none that the user may see.
            PermissionDeniedError: No participant.
        """
        doing = GET_MESSAGES.operation
        checks.within(doing, "limit", limit, 1, 200)
        if before is not None and after is not None:
            raise checks.refuse(doing, "give before or after, not both")
        arguments = {
            "p_room_id": str(checks.uuid_of(doing, "room_id", room_id)),
            "p_limit": limit,
            "p_before": _seq(doing, "before", before),
            "p_after": _seq(doing, "after", after),
        }
        return parsed(Page[Message], await self._rpc.call(GET_MESSAGES, arguments, timeout_s=timeout_s), doing)

    async def _outcome(self, room: UUID, result: object, key: UUID, ends_at: float) -> Message | SpacesError:
        fields = fields_of(result)
        if fields.get("ok") is not True:
            return error_in_answer(INSERT_MESSAGE.operation, fields)
        try:
            return await self._stored(room, fields.get("message"), key, ends_at)
        except SpacesError as error:
            return error

    async def _stored(self, room: UUID, value: object, key: UUID, ends_at: float) -> Message:
        """The message of an answer about the one with id `key`; `ends_at` is when the whole call must end.

        One who was muted or removed after the first try gets its id and seq only: then the rest is read, as far as
        they still may.
        """
        operation = INSERT_MESSAGE.operation
        fields = fields_of(value)
        seq = fields.get("seq")
        if not isinstance(seq, int) or fields.keys() - {"id", "seq"}:
            return parsed(Message, value, operation)
        left_s = max(0.001, ends_at - self._rpc.clock.monotonic())
        try:
            page = await self.get_room_messages(room, after=seq - 1, limit=1, timeout_s=left_s)
        except (PermissionDeniedError, NotFoundError) as error:
            reason = f"cannot {operation}: it is stored as number {seq}, but you can no longer read it"
            raise PermissionDeniedError(reason, code=error.code, status=403) from error
        except TransportError as error:
            reason = f"cannot {operation} for certain: it is stored as number {seq}, but could not be read just now"
            raise OutcomeUnknownError(reason, operation_id=key) from error
        return parsed(Message, next((message for message in page.items if message.seq == seq), value), operation)


def _item(draft: MessageDraft) -> dict[str, object]:
    return {
        "id": str(draft.id),
        "content": draft.content,
        "message_type": draft.message_type.value,
        "metadata": draft.metadata,
        "reply_to": None if draft.reply_to is None else str(draft.reply_to),
    }


def _refusal(draft: MessageDraft) -> SpacesError | None:
    """What makes a draft impossible to send, found before any I/O."""
    try:
        checks.content_of(INSERT_MESSAGE.operation, draft.content, draft.message_type)
        checks.json_object(INSERT_MESSAGE.operation, "metadata", draft.metadata)
    except SpacesError as error:
        return error
    return None


def _seq(operation: str, name: str, value: int | str | None) -> int | None:
    if value is None or isinstance(value, int):
        return value
    try:
        return int(value)
    except ValueError:
        raise checks.refuse(operation, f"{name} is no number of a message") from None
