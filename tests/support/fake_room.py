"""A room in memory: the bottom under a session, with the database's rules and a switch for each fault.

It steps, publishes and answers as the SQL does; what it does not do is fail by itself. Tests call the
faults: lose, duplicate, hold back and reorder broadcasts, close channels, move the topic, let leases run
out, fill the room, take the database or Realtime away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.codes import error_for_code
from spaces_sdk.drafts import MessageDraft, StateChanges
from spaces_sdk.errors import ConnectError, ConnectionLostError, JoinRejectedError, SpacesError
from spaces_sdk.models import (
    BegunStream,
    JoinedRoom,
    JsonObject,
    Kind,
    LeaseStatus,
    Message,
    MessageStatus,
    MessageType,
    Page,
    Participant,
    PreviewParticipant,
    ReadMark,
    Role,
    Room,
    RoomPreview,
    RoomState,
    StreamProgress,
    SyncPage,
    Visibility,
)
from spaces_sdk.realtime.events import BroadcastReceived, ChannelClosed, ChannelEvent, ChannelOverflowed, CloseReason
from spaces_sdk.rooms import CreatedInvitation

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(slots=True)
class Lease:
    user_id: UUID
    is_live: bool = True


class FakeRoom:
    """The database's side of one room, and its topic.

    Attributes:
        head, epoch: As in the database.
        silent_steps: Steps whose events no version of today knows.
        unseen: How many of the newest steps a sync does not see yet: a commit is broadcast when it is flushed,
            and seen by others a moment later.
        page_rows: Rows of a sync's page.
        is_full: Joining without a live lease is refused.
        realtime_is_down: Joins of channels wait, and time out.
        refusals: Joins of channels that Realtime refuses next.
    """

    def __init__(self, clock: Clock, *, page_rows: int = 200, lease_s: float = 75.0, heartbeat_s: float = 30.0) -> None:
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
        self.realtime_is_down = False
        self.refusals: deque[JoinRejectedError] = deque()
        self.state = RoomState(
            mode="gangster",
            conversation_active=False,
            name="Jam",
            max_participants=20,
            host=self.host,
            visibility=Visibility.UNLISTED,
            is_active=True,
        )
        self.messages: dict[UUID, Message] = {}
        self.participants: dict[UUID, Participant] = {}
        self.removed: dict[UUID, str] = {}
        """Who was removed, and the code that they are told since."""
        self.leases: dict[UUID, Lease] = {}
        self.channels: list[FakeChannel] = []
        self.silent_steps: set[int] = set()
        self._to_lose = 0
        self._to_pass = 0
        self._to_double = 0
        self._held: list[tuple[str, str, JsonObject]] | None = None

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
        self._step("room:message-received", body)
        return message

    def edit(self, message: Message, content: str) -> Message:
        return self.change(message.id, content=content, updated_at=self._now())

    def change(self, message_id: UUID, **fields: Any) -> Message:
        if message_id not in self.messages:
            raise refusal("message_not_found")
        changed = self.messages[message_id].model_copy(update={**fields, "revision": self.head + 1})
        self.messages[message_id] = changed
        self._step("room:message-updated", {"message": changed.model_dump(mode="json")})
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
        self._step("room:message-received", {"message": message.model_dump(mode="json")})
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
        self._step("room:state-updated", {"state": self.state.model_dump(mode="json")})

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
            self._step("room:poll-opened", {"poll": 1})
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
        self._step("room:participant-left", {"participants": [gone.model_dump(mode="json")], "reason": reason})
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
        self._step("room:participant-left", {"participants": [gone.model_dump(mode="json")], "reason": "forgot"})

    def update(self, user_id: UUID, **changes: Any) -> Participant:
        """A participant is muted, or gets another role."""
        changed = self.participants[user_id].model_copy(update=changes)
        self.participants[user_id] = changed
        self._step("room:participant-updated", {"participant": changed.model_dump(mode="json")})
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

    # -- faults ----------------------------------------------------------------------------------------

    def lose(self, count: int, *, after: int = 0) -> None:
        """The next broadcasts vanish, `after` so many that do not."""
        self._to_lose, self._to_pass = count, after

    def double(self, count: int) -> None:
        """The next broadcasts come twice."""
        self._to_double = count

    def hold(self) -> None:
        """Keep what is broadcast until `release`."""
        self._held = []

    def release(self, *, reverse: bool = False) -> None:
        held, self._held = self._held or [], None
        for entry in reversed(held) if reverse else held:
            self._deliver(*entry)

    def close_channels(self, reason: CloseReason) -> None:
        """Realtime closes every channel of the room."""
        for channel in list(self.channels):
            channel.end(reason)

    def overflow(self, dropped: int) -> None:
        """The buffers of the channels overflowed: so many events are missing just here."""
        for channel in self.channels:
            channel.push(ChannelOverflowed(dropped))

    def expire_leases(self, *, publish: bool = True) -> None:
        """All leases run out, and a sweep says so."""
        for lease in self.leases.values():
            lease.is_live = False
        gone = [p for p in self.participants.values() if p.is_online]
        offline = [p.model_copy(update={"is_online": False}) for p in gone]
        self.participants.update({p.user_id: p for p in offline})
        if publish and offline:
            body = {"participants": [p.model_dump(mode="json") for p in offline], "reason": "timeout"}
            self._step("room:participant-left", body)

    # -- publishing ------------------------------------------------------------------------------------

    @property
    def topic(self) -> str:
        return self.topic_of(self.epoch)

    def topic_of(self, epoch: int) -> str:
        return f"spaces:{self.id}:{epoch}"

    def publish(self, event: str, body: JsonObject, *, topic: str | None = None) -> None:
        payload = {"room_id": str(self.id), "epoch": self.epoch, "at": self._now().isoformat(), **body}
        entry = (topic or self.topic, event, payload)
        self._to_pass, passes = max(0, self._to_pass - 1), self._to_pass > 0
        if self._to_lose and not passes:
            self._to_lose -= 1
        elif self._held is not None:
            self._held.append(entry)
        else:
            self._deliver(*entry)

    def _deliver(self, topic: str, event: str, payload: JsonObject) -> None:
        times = 1
        if self._to_double:
            self._to_double -= 1
            times = 2
        for channel in [c for c in self.channels if c.topic == topic]:
            for _ in range(times):
                channel.push(BroadcastReceived(event, payload))

    def _step(self, event: str, body: JsonObject) -> None:
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
            self._step("room:participant-joined", {"participant": me.model_dump(mode="json")})
        return me

    def _go(self, user_id: UUID, reason: str) -> None:
        known = self.participants.get(user_id)
        if known is not None and known.is_online:
            gone = known.model_copy(update={"is_online": False, "voice_since": None})
            self.participants[user_id] = gone
            self._step("room:participant-left", {"participants": [gone.model_dump(mode="json")], "reason": reason})

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


def refusal(code: str) -> SpacesError:
    return error_for_code(code, f"cannot do it: {code}")


@dataclass
class FakeApi:
    """`SessionApi` for one user; keeps the names of the calls.

    Attributes:
        down: Raised by every call while it is set.
        gates: A call waits while its name stands here.
        failures: Raised once, by the next call of that name.
        lost_answers: Raised once, by the next call of that name, after it was carried out.
        parts: Of messages that grow: when, offset and text of each call.
        tokens: Messages that the limit still lets through; None: there is no limit.
    """

    room: FakeRoom
    user_id: UUID = field(default_factory=uuid4)
    down: SpacesError | None = None
    calls: list[str] = field(default_factory=list[str])
    gates: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    failures: dict[str, BaseException] = field(default_factory=dict[str, BaseException])
    lost_answers: dict[str, BaseException] = field(default_factory=dict[str, BaseException])
    parts: list[tuple[float, int, str]] = field(default_factory=list[tuple[float, int, str]])
    tokens: int | None = None

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(0)
        if (gate := self.gates.get(name)) is not None:
            await gate.wait()
        if self.down is not None:
            raise self.down
        if (failure := self.failures.pop(name, None)) is not None:
            raise failure

    def gate(self, name: str) -> asyncio.Event:
        """Hold calls of that name until the event is set; remove it with `gates.pop`."""
        return self.gates.setdefault(name, asyncio.Event())

    async def get_room_by_code(self, code: str, *, timeout_s: float = 10.0) -> RoomPreview:
        await self._called("get_room_by_code")
        if code != self.room.code:
            raise refusal("room_not_found")
        people = [
            PreviewParticipant(display_name=p.display_name, is_online=p.is_online, kind=p.kind, role=p.role)
            for p in self.room.participants.values()
        ]
        return RoomPreview(room=self.room.room(), participants=people, participant_count=len(people))

    async def accept_invitation(self, token: str, *, timeout_s: float = 10.0) -> RoomPreview:
        await self._called("accept_invitation")
        if token != self.room.token:
            raise refusal("room_not_found")
        return RoomPreview(room=self.room.room(), participants=[], participant_count=0)

    async def create_invitation(
        self,
        room_id: UUID,
        *,
        expires_in: timedelta | None = None,
        max_uses: int | None = None,
        timeout_s: float = 10.0,
    ) -> CreatedInvitation:
        await self._called("create_invitation")
        return CreatedInvitation(
            id=uuid4(),
            room_id=room_id,
            created_by=self.user_id,
            created_at=START,
            expires_at=None if expires_in is None else START + expires_in,
            max_uses=max_uses,
            use_count=0,
            token=self.room.token,
        )

    async def join_room(
        self,
        room_id: UUID,
        display_name: str | None,
        *,
        connection_id: UUID | None = None,
        latest: int = 50,
        timeout_s: float = 10.0,
    ) -> JoinedRoom:
        await self._called("join_room")
        return self.room.join(self.user_id, display_name, connection_id, latest)

    async def sync_room(
        self,
        room_id: UUID,
        after: int,
        *,
        to: int | None = None,
        cursor: JsonObject | None = None,
        timeout_s: float = 10.0,
    ) -> SyncPage:
        await self._called("sync_room")
        return self.room.sync(self.user_id, after, to, cursor)

    async def heartbeat(self, connection_ids: Sequence[UUID], *, timeout_s: float = 10.0) -> list[LeaseStatus]:
        await self._called("heartbeat")
        return [self.room.lease_status(connection_id) for connection_id in connection_ids]

    async def leave_room(self, room_id: UUID, *, connection_id: UUID | None = None, timeout_s: float = 10.0) -> None:
        await self._called("leave_room")
        self.room.leave(self.user_id, connection_id)

    async def forget_room(self, room_id: UUID, *, timeout_s: float = 10.0) -> None:
        await self._called("forget_room")
        self.room.forget(self.user_id)

    async def get_participants(
        self, room_id: UUID, *, limit: int = 200, cursor: str | None = None, timeout_s: float = 10.0
    ) -> Page[Participant]:
        await self._called("get_participants")
        return Page[Participant](items=list(self.room.participants.values()))

    async def insert_message(
        self,
        room_id: UUID,
        content: str,
        *,
        message_type: MessageType = MessageType.USER_TEXT,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        message_id: UUID | None = None,
        timeout_s: float = 10.0,
    ) -> Message:
        await self._called("insert_message")
        self.room.require(self.user_id)
        draft = MessageDraft(content=content, id=message_id or uuid4())
        stored = self._store(draft)
        self._lose_answer("insert_message")
        if isinstance(stored, SpacesError):
            raise stored
        return stored

    async def insert_messages(
        self, room_id: UUID, drafts: Sequence[MessageDraft], *, timeout_s: float = 10.0
    ) -> list[Message | SpacesError]:
        await self._called("insert_messages")
        self.room.require(self.user_id)
        if len({draft.id for draft in drafts}) != len(drafts) or not 1 <= len(drafts) <= 50:
            raise refusal("invalid_argument")
        stored = [self._store(draft) for draft in drafts]
        self._lose_answer("insert_messages")
        return stored

    def _store(self, draft: MessageDraft) -> Message | SpacesError:
        """What the database says of one message; ids that it knows come before the limit."""
        if draft.id in self.room.messages:
            return self.room.messages[draft.id]
        if not draft.content:
            return refusal("invalid_argument")
        if self.tokens is not None:
            if self.tokens < 1:
                return refusal("rate_limited")
            self.tokens -= 1
        return self.room.post(draft.content, user_id=self.user_id, message_id=draft.id)

    def _lose_answer(self, name: str) -> None:
        if (lost := self.lost_answers.pop(name, None)) is not None:
            raise lost

    async def get_room_messages(
        self,
        room_id: UUID,
        *,
        limit: int = 50,
        before: int | None = None,
        after: int | None = None,
        timeout_s: float = 10.0,
    ) -> Page[Message]:
        await self._called("get_room_messages")
        rows = sorted(self.room.messages.values(), key=lambda m: m.seq)
        rows = [m for m in rows if before is None or m.seq < before][-limit:]
        return Page[Message](items=rows, next_cursor=str(rows[0].seq) if rows else None)

    async def edit_message(
        self,
        room_id: UUID,
        message_id: UUID,
        content: str,
        *,
        metadata: JsonObject | None = None,
        timeout_s: float = 10.0,
    ) -> Message:
        await self._called("edit_message")
        self.room.require(self.user_id)
        return self.room.change(message_id, content=content)

    async def delete_message(self, room_id: UUID, message_id: UUID, *, timeout_s: float = 10.0) -> Message:
        await self._called("delete_message")
        self.room.require(self.user_id)
        return self.room.change(message_id, content="", metadata={}, reactions={}, status=MessageStatus.DELETED)

    async def react(
        self, room_id: UUID, message_id: UUID, emoji: str, is_on: bool = True, *, timeout_s: float = 10.0
    ) -> Message:
        await self._called("react")
        self.room.require(self.user_id)
        return self.room.change(message_id, reactions={emoji: 1} if is_on else {})

    async def begin_stream(
        self,
        room_id: UUID,
        *,
        message_type: MessageType = MessageType.AI_RESPONSE,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        message_id: UUID | None = None,
        timeout_s: float = 10.0,
    ) -> BegunStream:
        await self._called("begin_stream")
        self.room.require(self.user_id)
        message = self.room.begin(user_id=self.user_id, message_id=message_id, reply_to=reply_to)
        return BegunStream(message=message, lease_s=self.room.stream_lease_s)

    async def append_stream(
        self, room_id: UUID, message_id: UUID, offset: int, text: str, *, timeout_s: float = 10.0
    ) -> StreamProgress:
        await self._called("append_stream")
        self.room.require(self.user_id)
        self.parts.append((self.room.clock.monotonic(), offset, text))
        progress = self.room.append(message_id, offset, text)
        if (lost := self.lost_answers.pop("append_stream", None)) is not None:
            raise lost
        return progress

    async def finish_stream(
        self,
        room_id: UUID,
        message_id: UUID,
        *,
        text: str | None = None,
        metadata: JsonObject | None = None,
        timeout_s: float = 10.0,
    ) -> Message:
        await self._called("finish_stream")
        self.room.require(self.user_id)
        return self.room.finish(message_id, text=text or "", metadata=metadata)

    async def stop_stream(self, room_id: UUID, message_id: UUID, *, timeout_s: float = 10.0) -> Message:
        await self._called("stop_stream")
        self.room.require(self.user_id)
        return self.room.finish(message_id, MessageStatus.STOPPED)

    async def mark_read(self, room_id: UUID, seq: int, *, timeout_s: float = 10.0) -> ReadMark:
        await self._called("mark_read")
        self.room.require(self.user_id)
        unread = sum(m.seq > seq and m.user_id != self.user_id for m in self.room.messages.values())
        return ReadMark(room_id=self.room.id, last_read_seq=seq, unread_count=unread)

    async def update_room_state(
        self, room_id: UUID, *, timeout_s: float = 10.0, **changes: Unpack[StateChanges]
    ) -> RoomState:
        await self._called("update_room_state")
        if self.user_id != self.room.host:
            raise refusal("not_host")
        self.room.set_state(**changes)
        return self.room.state

    async def set_voice(self, room_id: UUID, on: bool, *, timeout_s: float = 10.0) -> Participant:
        await self._called("set_voice")
        room = self.room
        room.require_lease(self.user_id)
        me = room.participants[self.user_id].model_copy(update={"voice_since": START if on else None})
        room.participants[self.user_id] = me
        room._step("room:voice-started" if on else "room:voice-stopped", {"user_id": str(self.user_id)})  # pyright: ignore[reportPrivateUsage]
        return me

    async def signal(
        self,
        room_id: UUID,
        kind: str,
        payload: JsonObject | None = None,
        ttl_s: float = 5.0,
        *,
        timeout_s: float = 10.0,
    ) -> bool:
        await self._called("signal")
        self.room.signal(self.user_id, kind)
        return True

    async def set_participant_kind(
        self, room_id: UUID, user_id: UUID, kind: Kind | str, *, timeout_s: float = 10.0
    ) -> Participant:
        await self._called("set_participant_kind")
        return self.room.participants[user_id]

    async def kick_participant(self, room_id: UUID, user_id: UUID, *, timeout_s: float = 10.0) -> None:
        await self._called("kick_participant")
        self.room.kick(user_id)

    async def ban_participant(
        self, room_id: UUID, user_id: UUID, *, reason: str | None = None, timeout_s: float = 10.0
    ) -> None:
        await self._called("ban_participant")
        self.room.kick(user_id, "banned")

    async def mute_participant(
        self, room_id: UUID, user_id: UUID, is_muted: bool = True, *, timeout_s: float = 10.0
    ) -> Participant:
        await self._called("mute_participant")
        return self.room.update(user_id, is_muted=is_muted)

    async def set_participant_role(
        self, room_id: UUID, user_id: UUID, role: Role | str, *, timeout_s: float = 10.0
    ) -> Participant:
        await self._called("set_participant_role")
        return self.room.update(user_id, role=Role(role))

    async def transfer_host(self, room_id: UUID, user_id: UUID, *, timeout_s: float = 10.0) -> RoomState:
        await self._called("transfer_host")
        self.room.hand_on(user_id)
        return self.room.state


class FakeRealtime:
    """`RealtimePort` of one user."""

    def __init__(self, room: FakeRoom, user_id: UUID) -> None:
        self.room = room
        self.user_id = user_id
        self.topics: list[str] = []
        self.keys: list[str | None] = []

    def channel(self, topic: str, *, private: bool = True, presence_key: str | None = None) -> FakeChannel:
        self.topics.append(topic)
        self.keys.append(presence_key)
        return FakeChannel(self.room, self.user_id, topic)


class FakeChannel:
    """One join of the room's topic."""

    def __init__(self, room: FakeRoom, user_id: UUID, topic: str) -> None:
        self._room = room
        self._user_id = user_id
        self._topic = topic
        self._items: deque[ChannelEvent] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self.tracked: list[dict[str, Any]] = []

    @property
    def topic(self) -> str:
        return self._topic

    async def join(self, *, timeout_s: float = 15.0) -> None:
        await asyncio.sleep(0)
        waited_s = 0.0
        while self._room.realtime_is_down:
            if waited_s >= timeout_s:
                raise ConnectError("cannot connect: nobody answers")
            await self._room.clock.sleep(0.5)
            waited_s += 0.5
        if self._room.refusals:
            raise self._room.refusals.popleft()
        if not self._room.may_listen(self._user_id, self._topic):
            await self._room.clock.sleep(5)
            raise JoinRejectedError(topic=self._topic, reason="Unauthorized", code="unauthorized")
        self._room.channels.append(self)

    def push(self, item: ChannelEvent) -> None:
        self._items.append(item)
        self._news.set()

    def end(self, reason: CloseReason) -> None:
        if self in self._room.channels:
            self._room.channels.remove(self)
        self.push(ChannelClosed(reason, "the server says so"))

    def drain(self) -> list[ChannelEvent]:
        """What lies in the buffer, taken out."""
        items = list(self._items)
        self._items.clear()
        return items

    async def receive(self) -> ChannelEvent:
        if self._is_over:
            raise ConnectionLostError("cannot receive: the channel has ended")
        while not self._items:
            self._news.clear()
            await self._news.wait()
        item = self._items.popleft()
        self._is_over = isinstance(item, ChannelClosed)
        return item

    async def track(self, meta: dict[str, Any]) -> None:
        self.tracked.append(meta)

    async def leave(self, *, timeout_s: float = 2.0) -> None:
        await asyncio.sleep(0)
        if self in self._room.channels:
            self._room.channels.remove(self)
