"""A room in memory: it steps, publishes and answers as the database does. What it does not do is fail by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.models import (
    JoinedRoom,
    JsonObject,
    Kind,
    LeaseStatus,
    Message,
    MessageStatus,
    MessageType,
    Participant,
    Role,
    Room,
    RoomState,
    StreamProgress,
    SyncPage,
    Visibility,
)
from spaces_sdk.testing.fake.broadcasts import Broadcasts
from spaces_sdk.testing.fake.refusals import refusal
from spaces_sdk.testing.fake.turns import FakeTurns
from spaces_sdk.testing.modes import modes

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(slots=True)
class Lease:
    user_id: UUID
    is_live: bool = True


class FakeRoom(Broadcasts):
    """The database's side of one room, and its topic.

    Attributes:
        head, epoch: As in the database.
        silent_steps: Steps whose events no version of today knows.
        unseen: How many of the newest steps a sync does not see yet: a commit is broadcast when it is flushed,
            and seen by others a moment later.
        page_rows: Rows of a sync's page.
        is_full: Joining without a live lease is refused.
    """

    def __init__(self, clock: Clock, *, page_rows: int = 200, lease_s: float = 75.0, heartbeat_s: float = 30.0) -> None:
        super().__init__()
        self.clock = clock
        self.page_rows = page_rows
        self.lease_s = lease_s
        self.heartbeat_s = heartbeat_s
        self.stream_lease_s = 30.0
        self.id = uuid4()
        self.code = "XJ9K2M"
        self.token = "t" * 32
        self.host = uuid4()
        self.head = 0
        self.epoch = 1
        self.is_deleted = False
        self.is_full = False
        self.unseen = 0
        self.state = RoomState(
            mode="gangster",
            conversation_active=False,
            name="Jam",
            max_participants=20,
            host=self.host,
            visibility=Visibility.UNLISTED,
            is_active=True,
        )
        self.modes = modes()
        self.messages: dict[UUID, Message] = {}
        self.participants: dict[UUID, Participant] = {}
        self.removed: dict[UUID, str] = {}
        """Who was removed, and the code that they are told since."""
        self.leases: dict[UUID, Lease] = {}
        self.turns = FakeTurns(clock)
        self.silent_steps: set[int] = set()

    # -- what happens in the room ----------------------------------------------------------------------

    def post(
        self, content: str, *, user_id: UUID | None = None, message_id: UUID | None = None, is_large: bool = False
    ) -> Message:
        """A message of the host, or of somebody else; the event of a large one goes without its content."""
        author = user_id or self.host
        if message_id is not None and message_id in self.messages:
            return self.messages[message_id]
        at = self._now()
        message = Message(
            id=message_id or uuid4(),
            room_id=self.id,
            user_id=author,
            message_type=MessageType.USER_TEXT,
            content=content,
            created_at=at,
            updated_at=at,
            seq=self.head + 1,
            revision=self.head + 1,
            display_name="Ada",
            sender_kind="human",
        )
        self.messages[message.id] = message
        body: JsonObject = {"message": message.model_dump(mode="json")}
        if is_large:
            body = {"message": None, "message_id": str(message.id), "is_truncated": True}
        self.step("room:message-received", body)
        return message

    def edit(self, message: Message, content: str) -> Message:
        return self.change(message.id, content=content, updated_at=self._now())

    def change(self, message_id: UUID, **fields: Any) -> Message:
        if message_id not in self.messages:
            raise refusal("message_not_found")
        changed = self.messages[message_id].model_copy(update={**fields, "revision": self.head + 1})
        self.messages[message_id] = changed
        self.step("room:message-updated", {"message": changed.model_dump(mode="json")})
        return changed

    def begin(
        self, *, user_id: UUID | None = None, message_id: UUID | None = None, reply_to: UUID | None = None
    ) -> Message:
        """A message that grows, by the host or somebody else."""
        if message_id is not None and message_id in self.messages:
            return self.messages[message_id]
        at = self._now()
        message = Message(
            id=message_id or uuid4(),
            room_id=self.id,
            user_id=user_id or self.host,
            message_type=MessageType.AI_RESPONSE,
            content="",
            created_at=at,
            updated_at=at,
            seq=self.head + 1,
            revision=self.head + 1,
            status=MessageStatus.STREAMING,
            reply_to=reply_to,
            display_name="Bot",
            sender_kind="bot",
        )
        self.messages[message.id] = message
        self.step("room:message-received", {"message": message.model_dump(mode="json")})
        return message

    def append(self, message_id: UUID, offset: int, text: str) -> StreamProgress:
        """Add to a message, with the database's rules of offsets."""
        message = self.messages[message_id]
        length = len(message.content)
        if message.status is MessageStatus.STREAMING:
            known = min(length - offset, len(text))
            if known < 0 or message.content[offset : offset + known] != text[:known]:
                raise refusal("conflict")
            new = text[known:]
            self.messages[message_id] = message.model_copy(update={"content": message.content + new})
            if new:
                body = {"message_id": str(message_id), "offset": length, "text": new, "head": self.head}
                self.publish("room:message-chunk", body)
            length += len(new)
        return StreamProgress(status=message.status, length=length, lease_s=self.stream_lease_s)

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
        content = message.content + text
        return self.change(
            message_id,
            content=content,
            metadata={**message.metadata, **(metadata or {})},
            status=status if content.strip() else MessageStatus.STOPPED,
        )

    def set_state(self, **changes: Any) -> None:
        self.state = self.state.model_copy(update=changes)
        self.step("room:state-updated", {"state": self.state.model_dump(mode="json")})

    def bring(self, name: str) -> UUID:
        """Somebody comes online without a session of ours."""
        user_id = uuid4()
        self._come(user_id, name)
        return user_id

    def send_home(self, user_id: UUID) -> None:
        self._go(user_id, "left")

    def say_unknown(self, *, is_durable: bool) -> None:
        """An event of a later version."""
        if is_durable:
            self.step("room:poll-opened", {"poll": 1})
            self.silent_steps.add(self.head)
        else:
            self.publish("room:weather", {"head": self.head})

    def signal(self, user_id: UUID, kind: str) -> None:
        self.publish(
            "room:signal",
            {"user_id": str(user_id), "kind": kind, "payload": {}, "ttl_s": 5, "head": self.head},
        )

    def kick(self, user_id: UUID, reason: str = "kicked") -> None:
        for lease in self.leases.values():
            if lease.user_id == user_id:
                lease.is_live = False
        gone = self.participants.pop(user_id)
        self.removed[user_id] = reason
        self.step("room:participant-left", {"participants": [gone.model_dump(mode="json")], "reason": reason})
        self.epoch += 1
        self.publish("room:moved", {"epoch": self.epoch, "head": self.head}, topic=self.topic_of(self.epoch - 1))

    def forget(self, user_id: UUID) -> None:
        """A participant goes for good; the topic stays."""
        if user_id == self.host:
            raise refusal("not_allowed")
        for lease in self.leases.values():
            if lease.user_id == user_id:
                lease.is_live = False
        gone = self.participants.pop(user_id).model_copy(update={"is_online": False})
        self.removed[user_id] = "not_participant"
        self.step("room:participant-left", {"participants": [gone.model_dump(mode="json")], "reason": "forgot"})

    def update(self, user_id: UUID, **changes: Any) -> Participant:
        """A participant is muted, or gets another role."""
        changed = self.participants[user_id].model_copy(update=changes)
        self.participants[user_id] = changed
        self.step("room:participant-updated", {"participant": changed.model_dump(mode="json")})
        return changed

    def hand_on(self, user_id: UUID) -> None:
        """Another host; the one of before is a member."""
        if (before := self.participants.get(self.host)) is not None:
            self.participants[self.host] = before.model_copy(update={"role": Role.MEMBER})
        self.participants[user_id] = self.participants[user_id].model_copy(update={"role": Role.HOST})
        self.host = user_id
        self.set_state(host=user_id)

    def delete(self) -> None:
        self.publish("room:deleted", {"head": self.head})
        self.is_deleted = True

    def expire_leases(self, *, publish: bool = True) -> None:
        """All leases run out, and a sweep says so."""
        for lease in self.leases.values():
            lease.is_live = False
        gone = [p for p in self.participants.values() if p.is_online]
        offline = [p.model_copy(update={"is_online": False}) for p in gone]
        self.participants.update({p.user_id: p for p in offline})
        if publish and offline:
            body = {"participants": [p.model_dump(mode="json") for p in offline], "reason": "timeout"}
            self.step("room:participant-left", body)

    # -- publishing ------------------------------------------------------------------------------------

    @property
    def topic(self) -> str:
        return self.topic_of(self.epoch)

    def topic_of(self, epoch: int) -> str:
        return f"spaces:{self.id}:{epoch}"

    def publish(self, event: str, body: JsonObject, *, topic: str | None = None) -> None:
        payload = {"room_id": str(self.id), "epoch": self.epoch, "at": self._now().isoformat(), **body}
        self.broadcast(topic or self.topic, event, payload)

    def step(self, event: str, body: JsonObject) -> None:
        self.head += 1
        self.publish(event, {"pos": self.head, **body})

    def _now(self) -> datetime:
        return START + timedelta(seconds=self.head)

    # -- participants and leases -----------------------------------------------------------------------

    def _come(self, user_id: UUID, name: str) -> Participant:
        known = self.participants.get(user_id)
        me = (known or self._newcomer(user_id, name)).model_copy(update={"is_online": True})
        self.participants[user_id] = me
        if known is None or not known.is_online:
            self.step("room:participant-joined", {"participant": me.model_dump(mode="json")})
        return me

    def _go(self, user_id: UUID, reason: str) -> None:
        known = self.participants.get(user_id)
        if known is not None and known.is_online:
            gone = known.model_copy(update={"is_online": False, "voice_since": None})
            self.participants[user_id] = gone
            self.step("room:participant-left", {"participants": [gone.model_dump(mode="json")], "reason": reason})

    def _newcomer(self, user_id: UUID, name: str) -> Participant:
        return Participant(
            id=uuid4(),
            room_id=self.id,
            user_id=user_id,
            display_name=name,
            is_online=True,
            joined_at=self._now(),
            last_seen=self._now(),
            role=Role.HOST if user_id == self.host else Role.MEMBER,
            kind=Kind.HUMAN,
            is_muted=False,
        )

    def room(self) -> Room:
        return Room(
            id=self.id,
            room_code=self.code,
            name=self.state.name,
            host_user_id=self.host,
            max_participants=self.state.max_participants,
            is_active=self.state.is_active,
            current_mode=self.state.mode,
            conversation_active=self.state.conversation_active,
            visibility=self.state.visibility,
            expires_after_s=None,
            created_at=START,
            last_activity=START,
        )

    def join(self, user_id: UUID, name: str | None, connection_id: UUID | None, latest: int) -> JoinedRoom:
        self.require(user_id, must_be_in=False)
        has_place = any(lease.user_id == user_id and lease.is_live for lease in self.leases.values())
        if self.is_full and not has_place:
            raise refusal("room_full")
        if connection_id is not None:
            self.leases[connection_id] = Lease(user_id)
        me = self._come(user_id, name or "?")
        newest = sorted(self.messages.values(), key=lambda m: m.seq)[-latest:] if latest else []
        return JoinedRoom(
            room=self.room(),
            me=me,
            participants=list(self.participants.values()),
            state=self.state,
            messages=newest,
            head=self.head,
            epoch=self.epoch,
            topic=self.topic,
            connection_id=connection_id,
            lease_s=self.lease_s,
            heartbeat_s=self.heartbeat_s,
        )

    def sync(self, user_id: UUID, after: int, to: int | None, cursor: JsonObject | None) -> SyncPage:
        self.require(user_id)
        head = self.head - self.unseen
        reach = head if to is None else to
        if not 0 <= after <= reach <= head:
            raise refusal("invalid_argument")
        rows = [(1, m.seq, m) for m in self.messages.values() if after < m.seq <= reach]
        rows += [(2, m.revision, m) for m in self.messages.values() if m.seq <= after < m.revision <= reach]
        streaming = [m for m in self.messages.values() if m.status is MessageStatus.STREAMING]
        rows += [(3, m.seq, m) for m in streaming if m.seq <= after]
        rows.sort(key=lambda row: row[:2])
        if cursor is not None:
            rows = [row for row in rows if row[:2] > (cursor["phase"], cursor["at"])]
        page, rest = rows[: self.page_rows], rows[self.page_rows :]
        is_last = not rest
        return SyncPage(
            messages=[row[2] for row in page],
            to=reach,
            cursor=None if is_last else {"phase": page[-1][0], "at": page[-1][1]},
            head=head,
            epoch=self.epoch,
            topic=self.topic,
            participants=list(self.participants.values()) if is_last else None,
            state=self.state if is_last else None,
            room=self.room() if is_last else None,
        )

    def lease_status(self, connection_id: UUID) -> LeaseStatus:
        lease = self.leases.get(connection_id)
        status = "lease_expired"
        if self.is_deleted:
            status = "room_not_found"
        elif lease is not None and lease.user_id in self.removed:
            status = self.removed[lease.user_id]
        elif not self.state.is_active:
            status = "room_inactive"
        elif lease is not None and lease.is_live:
            return LeaseStatus(
                connection_id=connection_id,
                room_id=self.id,
                status="live",
                head=self.head,
                epoch=self.epoch,
                topic=self.topic,
            )
        return LeaseStatus(connection_id=connection_id, room_id=self.id, status=status)

    def leave(self, user_id: UUID, connection_id: UUID | None) -> None:
        for key, lease in self.leases.items():
            if lease.user_id == user_id and connection_id in (None, key):
                lease.is_live = False
        if not any(lease.user_id == user_id and lease.is_live for lease in self.leases.values()):
            self._go(user_id, "left")

    def require_lease(self, user_id: UUID) -> None:
        self.require(user_id)
        if not any(lease.user_id == user_id and lease.is_live for lease in self.leases.values()):
            raise refusal("lease_expired")

    def require(self, user_id: UUID, *, must_be_in: bool = True) -> None:
        if self.is_deleted:
            raise refusal("room_not_found")
        if user_id in self.removed:
            raise refusal(self.removed[user_id])
        if must_be_in and user_id not in self.participants:
            raise refusal("not_participant")

    def may_listen(self, user_id: UUID, topic: str) -> bool:
        epoch = int(topic.rpartition(":")[2])
        has_lease = any(lease.user_id == user_id and lease.is_live for lease in self.leases.values())
        return has_lease and user_id in self.participants and epoch <= self.epoch
