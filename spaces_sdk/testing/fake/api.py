"""The database's functions, for one user of the fake."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Unpack
from uuid import UUID, uuid4

from spaces_sdk.drafts import MessageDraft, StateChanges
from spaces_sdk.errors import SpacesError
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
    PickedTurn,
    PreviewParticipant,
    ReadMark,
    Role,
    RoomMode,
    RoomPreview,
    RoomState,
    StreamProgress,
    SyncPage,
)
from spaces_sdk.rooms import CreatedInvitation
from spaces_sdk.testing.fake.refusals import refusal
from spaces_sdk.testing.fake.room import START, FakeRoom
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim


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
        if (lost := self.lost_answers.pop("begin_stream", None)) is not None:
            raise lost
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

    async def find_mode(self, name: str, *, timeout_s: float = 10.0) -> RoomMode | None:
        await self._called("find_mode")
        return self.room.modes.get(name)

    async def set_voice(self, room_id: UUID, on: bool, *, timeout_s: float = 10.0) -> Participant:
        await self._called("set_voice")
        room = self.room
        room.require_lease(self.user_id)
        me = room.participants[self.user_id].model_copy(update={"voice_since": START if on else None})
        room.participants[self.user_id] = me
        room.step("room:voice-started" if on else "room:voice-stopped", {"user_id": str(self.user_id)})
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

    async def enter_turns(
        self, room_id: UUID, *, takes_turns: bool = False, position: int | None = None, timeout_s: float = 10.0
    ) -> BotEntry:
        await self._called("enter_turns")
        self.room.require(self.user_id)
        return self.room.turns.enter(self.user_id, self.room.head, position)

    async def claim_turns(
        self,
        room_id: UUID,
        holder: UUID,
        claims: Sequence[TurnClaim],
        *,
        position: int | None = None,
        timeout_s: float = 10.0,
    ) -> list[ClaimedTurn]:
        await self._called("claim_turns")
        self.room.require(self.user_id)
        claimed = [self.room.turns.claim(self.user_id, holder, claim) for claim in claims]
        self.room.turns.move(self.user_id, position)
        self._lose_answer("claim_turns")
        return claimed

    async def finish_turns(
        self,
        room_id: UUID,
        holder: UUID,
        turns: Sequence[FinishedTurn],
        *,
        position: int | None = None,
        timeout_s: float = 10.0,
    ) -> int:
        await self._called("finish_turns")
        self.room.require(self.user_id)
        finished = sum(self.room.turns.finish(self.user_id, holder, turn) for turn in turns)
        self.room.turns.move(self.user_id, position)
        self._lose_answer("finish_turns")
        return finished

    async def give_turn(
        self, room_id: UUID, user_id: UUID, message_id: UUID | None = None, *, timeout_s: float = 10.0
    ) -> RoomState:
        await self._called("give_turn")
        if user_id not in self.room.participants:
            raise refusal("participant_not_found")
        newest = max(self.room.messages.values(), key=lambda m: m.seq, default=None)
        message = message_id or (None if newest is None else newest.id)
        if message is None or message not in self.room.messages:
            raise refusal("message_not_found")
        pick = PickedTurn(user_id=user_id, message_id=message, position=self.room.head + 1)
        self.room.turns.open(pick)
        self.room.set_state(turn=pick)
        return self.room.state
