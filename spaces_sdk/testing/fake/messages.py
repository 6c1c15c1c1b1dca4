"""What was said in a room, and what is being written."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

from spaces_sdk.models import JsonObject, Kind, Message, MessageStatus, MessageType, Participant, StreamProgress
from spaces_sdk.testing.fake.members import Members
from spaces_sdk.testing.fake.refusals import Refusal, fail

MEASURED_FROM = 8192
"""Smaller contents are never over the size of an event."""

LONGEST = {MessageType.AI_RESPONSE: 200_000}


class Messages(Members):
    """Messages by id. Each change is a step with the whole row, and that step is the row's revision."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.messages: dict[UUID, Message] = {}
        self.reactions: dict[UUID, dict[tuple[UUID, str], None]] = {}
        self.streams: dict[UUID, float] = {}
        """What is being written, and until when it stays open without another part."""

    @property
    def rows(self) -> list[Message]:
        """The messages in their order."""
        return sorted(self.messages.values(), key=lambda m: m.seq)

    def write(
        self,
        content: str,
        *,
        author: Participant | None,
        message_id: UUID | None = None,
        message_type: MessageType = MessageType.USER_TEXT,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        status: MessageStatus = MessageStatus.FINAL,
    ) -> Message:
        """Store a message, without asking whether its author may."""
        at = self.now()
        message = Message(
            id=message_id or uuid4(),
            room_id=self.id,
            user_id=author.user_id if author else None,
            message_type=message_type,
            content=content,
            metadata=metadata or {},
            created_at=at,
            updated_at=at,
            seq=self.head + 1,
            revision=self.head + 1,
            status=status,
            reply_to=reply_to,
            display_name=author.display_name if author else "system",
            sender_kind=author.kind if author else "system",
        )
        self.messages[message.id] = message
        if status is MessageStatus.STREAMING:
            self.keep_open(message.id)
        self.step("room:message-received", self.event_of(message))
        return message

    def announce(self, person: Participant, event: str) -> None:
        """A line in the conversation: somebody joined, or left."""
        if self.announces:
            self.write(
                f"{person.display_name} {event} the room",
                author=None,
                message_type=MessageType.SYSTEM,
                metadata={"event": event, "user_id": str(person.user_id), "display_name": person.display_name},
            )

    def announce_left(self, person: Participant) -> None:
        """Once in a while only: or else coming and going was a way to speak."""
        lately = [
            m
            for m in self.messages.values()
            if m.metadata.get("event") == "left"
            and m.metadata.get("user_id") == str(person.user_id)
            and not self.has_been_away(m.created_at)
        ]
        if not lately:
            self.announce(person, "left")

    def change(self, message_id: UUID, **fields: Any) -> Message:
        """Change a message, and say so."""
        if message_id not in self.messages:
            fail("message_not_found", "it is not in this room")
        changed = self.messages[message_id].model_copy(update={**fields, "revision": self.head + 1})
        self.messages[message_id] = changed
        self.step("room:message-updated", self.event_of(changed))
        return changed

    def event_of(self, message: Message) -> JsonObject:
        """What an event says of a message: the whole row, unless that is too large for Realtime."""
        body: JsonObject = {"message": message.model_dump(mode="json")}
        if len(message.content.encode()) > MEASURED_FROM:
            size = len(json.dumps(body, ensure_ascii=False).encode())
            if size > self.config.max_event_bytes:
                return {"message": None, "message_id": str(message.id), "is_truncated": True}
        return body

    # -- messages that grow ----------------------------------------------------------------------------

    def keep_open(self, message_id: UUID) -> None:
        self.streams[message_id] = self.clock.monotonic() + self.config.stream_lease_s

    def append(self, message_id: UUID, offset: int, text: str) -> StreamProgress:
        """Add to a message that is being written."""
        message = self.messages[message_id]
        length = len(message.content)
        if message.status is MessageStatus.STREAMING:
            known = min(length - offset, len(text))
            if known < 0 or message.content[offset : offset + known] != text[:known]:
                reason = f"it has {length} characters, and this does not follow"
                raise Refusal("conflict", reason, "Go on where the message ends.", is_answer=True)
            new = text[known:]
            if length + len(new) > LONGEST.get(message.message_type, 8000):
                fail("invalid_argument", "it would be too long")
            self.keep_open(message_id)
            if new:
                self.messages[message_id] = message.model_copy(update={"content": message.content + new})
                body: JsonObject = {"message_id": str(message_id), "offset": length, "text": new, "head": self.head}
                self.publish("room:message-chunk", body)
            length += len(new)
        return StreamProgress(status=message.status, length=length, lease_s=self.config.stream_lease_s)

    def finish(
        self,
        message_id: UUID,
        status: MessageStatus = MessageStatus.FINAL,
        *,
        text: str = "",
        metadata: JsonObject | None = None,
    ) -> Message:
        """End a message that grows; ended before, it stays as it is."""
        message = self.messages[message_id]
        if message.status is not MessageStatus.STREAMING:
            return message
        self.streams.pop(message_id, None)
        self.touch()
        content = message.content + text
        return self.change(
            message_id,
            content=content,
            metadata={**message.metadata, **(metadata or {})},
            status=status if content.strip() else MessageStatus.STOPPED,
            updated_at=self.now(),
        )

    def stop_streams(self, user_id: UUID | None = None, *, is_expired: bool = False) -> None:
        """Stop all that grows, or what one user writes, or what nobody writes any more."""
        for message in self.rows:
            expires_at = self.streams.get(message.id)
            if expires_at is None or user_id not in (None, message.user_id):
                continue
            if not is_expired or expires_at <= self.clock.monotonic():
                self.finish(message.id, MessageStatus.STOPPED)

    # -- together with who is there --------------------------------------------------------------------

    def sweep(self) -> None:
        """End leases whose time is over, and messages that nobody writes any more."""
        self.sweep_leases()
        self.stop_streams(is_expired=True)

    def remove(self, user_id: UUID, reason: str) -> None:
        """Somebody is removed: those who stay move to another topic."""
        self.stop_streams(user_id)
        self.take_out(user_id, reason)
        self.move()

    def forget(self, user_id: UUID) -> None:
        """A participant goes for good; the topic stays."""
        person = self.participants[user_id]
        self.stop_streams(user_id)
        self.take_out(user_id, "forgot")
        if person.is_online:
            self.announce_left(person)

    def set_kind(self, user_id: UUID, kind: Kind) -> Participant:
        """Say who is behind a participant; what a bot is writing may be a bot's alone."""
        changed = self.update(user_id, kind=kind)
        if kind is Kind.HUMAN:
            self.stop_streams(user_id)
        return changed
