"""Messages that grow while all watch."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.models import JsonObject, Message, MessageStatus, MessageType
from spaces_sdk.testing.fake.functions.messages import MessageFunctions
from spaces_sdk.testing.fake.messages import LONGEST
from spaces_sdk.testing.fake.refusals import fail
from spaces_sdk.testing.fake.rights import may_moderate
from spaces_sdk.testing.fake.room import FakeRoom


class StreamFunctions(MessageFunctions):
    """Functions about messages that are being written."""

    def begin_stream(
        self,
        room_id: UUID,
        id: UUID,  # noqa: A002 - as the database names it
        message_type: str,
        metadata: JsonObject,
        reply_to: UUID | None,
    ) -> JsonObject:
        answer = self.repeated(room_id, id)
        if answer is None:
            self.spend_send(room_id)
            room = self.room_of(room_id)
            room.stop_streams(is_expired=True)
            mine = sum(room.messages[key].user_id == self.me for key in room.streams)
            streaming = MessageStatus.STREAMING
            if mine >= self.db.config.streams_per_user and self._may_store(room):
                fail("not_allowed", f"you are writing {mine} already", "Finish or stop one of them first.")
            message = self.store(room, id, "", MessageType(message_type), metadata, reply_to, streaming)
            answer = {"ok": True, "message": message, "is_repeated": False}
        return {**answer, "lease_s": self.db.config.stream_lease_s}

    def _may_store(self, room: FakeRoom) -> bool:
        me = room.participants.get(self.me)
        return me is not None and room.state.is_active and not me.is_muted

    def append_stream(self, room_id: UUID, message_id: UUID, offset: int, text: str) -> JsonObject:
        room, message = self._own(room_id, message_id)
        return {"ok": True, **room.append(message.id, offset, text).model_dump()}

    def finish_stream(
        self, room_id: UUID, message_id: UUID, text: str | None, metadata: JsonObject | None
    ) -> JsonObject:
        room, message = self._own(room_id, message_id)
        if len(message.content) + len(text or "") > LONGEST.get(message.message_type, 8000):
            fail("invalid_argument", "text or metadata would be too long")
        message = room.finish(message_id, text=text or "", metadata=metadata)
        return {"ok": True, "message": message, "head": room.head}

    def stop_stream(self, room_id: UUID, message_id: UUID) -> JsonObject:
        self.spend_send(room_id)
        room = self.room_of(room_id)
        if room.host != self.me:
            self.participant(room)
        message = self.message_in(room, message_id)
        is_own = message.user_id == self.me
        theirs = self.role_in(room, message.user_id) if message.user_id else None
        answered = room.messages.get(message.reply_to) if message.reply_to else None
        is_asked = answered is not None and answered.user_id == self.me
        if not (is_asked or may_moderate("stop_stream", self.role_in(room), theirs, is_self=is_own)):
            hint = "Its author, who was answered, the host and moderators stop a message."
            fail("not_allowed", "it neither is yours nor answers you", hint)
        if message.status is MessageStatus.STREAMING and not is_own:
            room.end_turns_of(message)
        message = room.finish(message_id, MessageStatus.STOPPED)
        return {"ok": True, "message": message, "head": room.head}

    def _own(self, room_id: UUID, message_id: UUID) -> tuple[FakeRoom, Message]:
        """A message of the caller, ended or not, that they may still write; counts the part."""
        if room_id in self.db.rooms:
            self.db.buckets.spend(self.me, "stream", room_id)
        room = self.room_of(room_id)
        self.participant(room)
        message = self.message_in(room, message_id)
        if message.user_id != self.me:
            fail("not_allowed", "it is not yours", "Only its author writes a message.")
        if message.status is MessageStatus.STREAMING:
            self.speaker(room)
        return room, message
