"""Messages: said, changed, read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from spaces_sdk.models import JsonObject, Message, MessageStatus, MessageType, Page, ReadMark, Role
from spaces_sdk.testing.fake.messages import LONGEST
from spaces_sdk.testing.fake.refusals import Refusal, fail
from spaces_sdk.testing.fake.rights import Rights
from spaces_sdk.testing.fake.room import FakeRoom

_LOOKED_AT = 1000
_HINT = (
    "Content: 1 to 8,000 characters, 200,000 as ai_response; type: user_text, user_voice or ai_response; "
    "metadata: an object of at most 16 kB."
)


class MessageFunctions(Rights):
    """Functions about messages that are said at once."""

    def insert_message(
        self,
        room_id: UUID,
        content: str,
        message_type: str,
        metadata: JsonObject,
        id: UUID,  # noqa: A002 - as the database names it
        reply_to: UUID | None,
    ) -> JsonObject:
        answer = self.repeated(room_id, id)
        if answer is None:
            self.spend_send(room_id)
            room = self.room_of(room_id)
            message = self.store(room, id, content, MessageType(message_type), metadata, reply_to)
            answer = {"ok": True, "message": message, "is_repeated": False}
        return answer

    def insert_messages(self, room_id: UUID, messages: list[dict[str, Any]]) -> JsonObject:
        answers = [self._repeated_or_refused(room_id, UUID(draft["id"])) for draft in messages]
        if None in answers:
            room = self.room_of(room_id)
            limit, wanted = self.send_limit(room_id), answers.count(None)
            tokens = self.db.buckets.take(self.me, "send", room_id, limit=limit, wanted=wanted)
            for index, draft in enumerate(messages):
                if answers[index] is None and tokens > 0:
                    answers[index] = self._stored(room, draft)
                    tokens -= 1
                elif answers[index] is None:
                    refused = self.db.buckets.refusal(self.me, "send", room_id, limit=limit)
                    answers[index] = refused.fields("send the message")
        return {"ok": True, "results": answers}

    def store(
        self,
        room: FakeRoom,
        message_id: UUID,
        content: str,
        message_type: MessageType,
        metadata: JsonObject,
        reply_to: UUID | None,
        status: MessageStatus = MessageStatus.FINAL,
    ) -> Message:
        """Check and store one message."""
        me = self.open_participant(room)
        if me.is_muted:
            fail("muted", "you are muted in this room")
        is_theirs = message_type in (MessageType.USER_TEXT, MessageType.USER_VOICE)
        if not is_theirs and not (message_type is MessageType.AI_RESPONSE and me.kind == "bot"):
            hint = "People send user_text and user_voice, bots also ai_response, the database system."
            fail("not_allowed", f"a {me.kind} does not send {message_type}", hint)
        if reply_to is not None:
            answered = room.messages.get(reply_to)
            if answered is None or answered.status is MessageStatus.DELETED:
                fail("message_not_found", "what it replies to is not in this room")
        return room.write(
            content,
            author=me,
            message_id=message_id,
            message_type=message_type,
            metadata=metadata,
            reply_to=reply_to,
            status=status,
        )

    def repeated(self, room_id: UUID, message_id: UUID) -> JsonObject | None:
        """The answer to an id that is known already; to who may no longer speak here it is id and seq alone."""
        for room in self.db.rooms.values():
            message = room.messages.get(message_id)
            if message is None:
                continue
            if room.id != room_id or message.user_id != self.me:
                fail("conflict", "its id is taken")
            me = room.participants.get(self.me)
            may_speak = me is not None and not me.is_muted
            shown: object = message if may_speak else {"id": message.id, "seq": message.seq}
            return {"ok": True, "is_repeated": True, "message": shown}
        return None

    def _repeated_or_refused(self, room_id: UUID, message_id: UUID) -> JsonObject | None:
        try:
            return self.repeated(room_id, message_id)
        except Refusal as refused:
            return refused.fields("send the message")

    def _stored(self, room: FakeRoom, draft: dict[str, Any]) -> JsonObject:
        try:
            reply_to = None if draft["reply_to"] is None else UUID(draft["reply_to"])
            kind = MessageType(draft["message_type"])
            message = self.store(room, UUID(draft["id"]), draft["content"], kind, draft["metadata"], reply_to)
        except Refusal as refused:
            return refused.fields("send the message")
        return {"ok": True, "message": message, "is_repeated": False}

    def get_room_messages(self, room_id: UUID, limit: int, before: int | None, after: int | None) -> Page[Message]:
        return self.member_of(room_id).history(limit=limit, before=before, after=after)

    def edit_message(self, room_id: UUID, message_id: UUID, content: str, metadata: JsonObject | None) -> JsonObject:
        self.spend_send(room_id)
        room = self.room_of(room_id)
        me = self.open_participant(room)
        message = self.message_in(room, message_id)
        if message.user_id != self.me:
            fail("not_allowed", "it is not yours", "Only its author edits a message.")
        if me.is_muted:
            fail("muted", "you are muted in this room")
        self.final(message)
        if message.message_type is MessageType.AI_RESPONSE and me.kind != "bot":
            hint = "People write user_text and user_voice, bots also ai_response."
            fail("not_allowed", f"a {me.kind} does not write {message.message_type}", hint)
        if len(content) > LONGEST.get(message.message_type, 8000):
            fail("invalid_argument", "it is too long", _HINT)
        metadata = message.metadata if metadata is None else metadata
        if (content, metadata) != (message.content, message.metadata):
            message = room.change(message_id, content=content, metadata=metadata, updated_at=room.now())
        return {"ok": True, "message": message, "head": room.head}

    def delete_message(self, room_id: UUID, message_id: UUID) -> JsonObject:
        self.spend_send(room_id)
        room = self.room_of(room_id)
        is_moderating = room.host == self.me or self.participant(room).role is Role.MODERATOR
        if not is_moderating:
            self.open_participant(room)
        message = self.message_in(room, message_id)
        if not is_moderating and message.user_id != self.me:
            fail("not_allowed", "it is not yours", "Its author, the host and moderators delete a message.")
        if message.status is MessageStatus.STREAMING and message.user_id != self.me:
            room.end_turns_of(message)
        if message.status is not MessageStatus.DELETED:
            room.reactions.pop(message_id, None)
            room.streams.pop(message_id, None)
            emptied: dict[str, Any] = {"content": "", "metadata": {}, "reactions": {}, "updated_at": room.now()}
            message = room.change(message_id, status=MessageStatus.DELETED, **emptied)
        return {"ok": True, "message": message, "head": room.head}

    def react(self, room_id: UUID, message_id: UUID, emoji: str, is_on: bool) -> JsonObject:
        self.spend_send(room_id)
        room = self.room_of(room_id)
        me = self.open_participant(room)
        message = self.message_in(room, message_id)
        if is_on and me.is_muted:
            fail("muted", "you are muted in this room")
        self.final(message)
        there = room.reactions.setdefault(message_id, {})
        if is_on and (self.me, emoji) not in there:
            self._require_place(there, emoji)
            there[self.me, emoji] = None
        elif not is_on and (self.me, emoji) in there:
            del there[self.me, emoji]
        else:
            return {"ok": True, "message": message, "head": room.head}
        emojis = [each for _, each in there]
        message = room.change(message_id, reactions={each: emojis.count(each) for each in emojis})
        return {"ok": True, "message": message, "head": room.head}

    def _require_place(self, there: dict[tuple[UUID, str], None], emoji: str) -> None:
        mine = sum(user_id == self.me for user_id, _ in there)
        others = len({each for _, each in there} - {emoji})
        if mine >= self.db.config.emojis_per_user:
            fail("not_allowed", f"you have put {mine} emojis there", "Take one of yours back first.")
        if others >= self.db.config.emojis_per_message:
            fail("not_allowed", f"it has {others} different emojis", "Choose one that is there already.")

    def mark_read(self, room_id: UUID, seq: int) -> JsonObject:
        room = self.member_of(room_id)
        self.participant(room)
        if seq > room.head:
            fail("invalid_argument", "the room has not come that far", "Give the seq of a message of this room.")
        room.read_seqs[self.me] = max(seq, room.read_seqs.get(self.me, 0))
        return {"ok": True, **self._mark(room).model_dump()}

    def unread_counts(self, room_ids: list[UUID] | None) -> JsonObject:
        rooms = [r for r in self.db.rooms.values() if self.me in r.participants]
        rooms = [r for r in rooms if room_ids is None or r.id in room_ids]
        rooms.sort(key=lambda r: r.last_activity, reverse=True)
        return {"items": [self._mark(room) for room in rooms[:100]]}

    def _mark(self, room: FakeRoom) -> ReadMark:
        seq = room.read_seqs.get(self.me, 0)
        newest = [m for m in room.rows if m.seq > seq][-_LOOKED_AT:]
        others = [m for m in newest if m.user_id != self.me and m.message_type is not MessageType.SYSTEM]
        count = sum(m.status is not MessageStatus.DELETED for m in others)
        return ReadMark(room_id=room.id, last_read_seq=seq, unread_count=count)
