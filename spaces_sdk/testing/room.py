"""A room without a server: one bot and people who only speak. It is a `SessionPort`, as the bot's session."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any, Unpack
from uuid import UUID, uuid4

from spaces_sdk.clock import Clock
from spaces_sdk.drafts import StateChanges
from spaces_sdk.errors import InvalidRequestError, NotFoundError, PermissionDeniedError
from spaces_sdk.events import (
    Event,
    LeftReason,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RoomJoined,
    StateUpdated,
)
from spaces_sdk.models import (
    JsonObject,
    Kind,
    Message,
    MessageStatus,
    MessageType,
    Page,
    Participant,
    PickedTurn,
    Role,
    Room,
    RoomMode,
    RoomState,
    Visibility,
)
from spaces_sdk.testing.modes import modes
from spaces_sdk.testing.turns import MemoryTurns
from spaces_sdk.testing.writer import MemoryWriter
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim

LONGEST = {MessageType.AI_RESPONSE: 200_000}


class MemoryRoom:
    """The bot's view of a room in memory. It keeps the lengths of messages, mutes, who may moderate, and claims.

    Each call of `events` after the first is another session of the bot's account, which joins then.

    Args:
        clock: Time of what is said.
        bot_name: The bot, whose session this is.
        people: Who is there from the beginning.
        host: Whose room it is; None: the first of the people.
        bot_role: What the bot may do.

    Attributes:
        modes: By name, what `find_mode` reads.
    """

    def __init__(
        self,
        clock: Clock,
        bot_name: str,
        people: list[str],
        *,
        host: str | None = None,
        bot_role: Role = Role.MEMBER,
    ) -> None:
        self._clock = clock
        self._id = uuid4()
        self._head = 0
        self._readers: list[deque[Event]] = []
        self._news = asyncio.Event()
        self._is_over = False
        self._people: dict[UUID, Participant] = {}
        self._messages: list[Message] = []
        self._changes = StateChanges()
        self.modes = modes()
        self.host_name = host or (people[0] if people else None)
        self._bot_id = self._add(bot_name, Kind.BOT, bot_role).user_id
        for name in dict.fromkeys(people):
            self._add(name)
        self._turn: PickedTurn | None = None
        self.turns = MemoryTurns(clock, lambda: self._head, self._refusal)
        self.writers: dict[UUID, MemoryWriter] = {}
        self._first: deque[Event] | None = self._reader()

    # -- as the people of the room ---------------------------------------------------------------------

    def say(self, name: str, content: str) -> Message:
        """Somebody says something; who is not there yet comes first.

        Raises:
            PermissionDeniedError: They are muted, or were removed.
            InvalidRequestError: Too long, or nothing.
        """
        person = self.find(name) or self.come(name)
        return self.store(person, content, MessageType.USER_TEXT)

    def come(self, name: str) -> Participant:
        """Somebody comes into the room."""
        person = self.find(name) or self._add(name)
        self.tell(ParticipantJoined(pos=self.step(), participant=person))
        return person

    def go(self, name: str) -> None:
        """Somebody leaves."""
        person = self.find(name)
        if person is not None:
            del self._people[person.user_id]
            self.tell(ParticipantLeft(pos=self.step(), participants=[person], reason=LeftReason.LEFT))

    def steer(self, **changes: Unpack[StateChanges]) -> RoomState:
        """The host changes the room.

        Raises:
            InvalidRequestError: There is no such mode.
        """
        if changes.get("mode", "playful") not in self.modes:
            raise InvalidRequestError(
                "cannot update the room's state: unknown mode", status=400, hint=f"One of: {', '.join(self.modes)}"
            )
        if {**self._changes, **changes} != self._changes:
            self._changes.update(changes)
            self.tell(StateUpdated(pos=self.step(), state=self.room_state))
        return self.room_state

    def stop(self, message_id: UUID) -> None:
        """Whoever may stops an answer."""
        message = self.change(self._message(message_id), status=MessageStatus.STOPPED)
        self.turns.stop(message.reply_to)
        if (writer := self.writers.get(message_id)) is not None:
            writer.end(message)

    def pick(self, message: Message) -> None:
        """The host picks the bot to answer a message."""
        self._turn = PickedTurn(user_id=self._bot_id, message_id=message.id, position=self.step())
        self.tell(StateUpdated(pos=self._head, state=self.room_state))

    def find(self, name: str) -> Participant | None:
        return next((p for p in self._people.values() if p.display_name.casefold() == name.casefold()), None)

    def end(self) -> None:
        """The bot leaves."""
        self._is_over = True
        self._wake()

    @property
    def is_read(self) -> bool:
        """The bot has taken all events."""
        return not any(self._readers)

    @property
    def said(self) -> list[Message]:
        """What the bot has said so far, in order."""
        return [message for message in self._messages if message.user_id == self._bot_id]

    # -- as a session ----------------------------------------------------------------------------------

    @property
    def me(self) -> Participant:
        return self._people[self._bot_id]

    @property
    def current_room(self) -> Room:
        now = self._clock.now()
        host = self.find(self.host_name) if self.host_name else None
        return Room(
            id=self._id,
            room_code="MEMORY",
            name=self._changes.get("name", "A room without a server"),
            host_user_id=host.user_id if host else None,
            max_participants=50,
            is_active=True,
            current_mode=self._changes.get("mode", "playful"),
            conversation_active=self._changes.get("conversation_active", True),
            settings=self._changes.get("settings", {}),
            visibility=Visibility.PRIVATE,
            expires_after_s=None,
            created_at=now,
            last_activity=now,
        )

    @property
    def room_state(self) -> RoomState:
        room = self.current_room
        return RoomState(
            mode=room.current_mode,
            conversation_active=room.conversation_active,
            settings=room.settings,
            name=room.name,
            max_participants=room.max_participants,
            host=room.host_user_id,
            visibility=room.visibility,
            is_active=True,
            turn=self._turn,
        )

    @property
    def participants(self) -> list[Participant]:
        return list(self._people.values())

    @property
    def messages(self) -> list[Message]:
        return self._messages[-200:]

    def find_message(self, message_id: UUID) -> Message | None:
        return next((message for message in self._messages if message.id == message_id), None)

    async def events(self) -> AsyncGenerator[Event]:
        unread, self._first = self._first or self._reader(), None
        try:
            while True:
                while unread:
                    yield unread.popleft()
                if self._is_over:
                    return
                await self._news.wait()
        finally:
            self._readers = [reader for reader in self._readers if reader is not unread]

    async def send(
        self,
        content: str,
        *,
        message_type: MessageType | str = MessageType.USER_TEXT,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        message_id: UUID | None = None,
    ) -> Message:
        return self.store(self.me, content, MessageType(message_type), metadata, reply_to, message_id=message_id)

    def stream(
        self,
        *,
        reply_to: UUID | None = None,
        message_type: MessageType | str = MessageType.AI_RESPONSE,
        metadata: JsonObject | None = None,
        message_id: UUID | None = None,
    ) -> MemoryWriter:
        return MemoryWriter(self, MessageType(message_type), metadata, reply_to, message_id or uuid4())

    async def history(self, *, before: int | None = None, limit: int = 50) -> Page[Message]:
        older = [message for message in self._messages if before is None or message.seq < before]
        items = older[-limit:]
        return Page[Message](items=items, next_cursor=str(items[0].seq) if len(older) > limit else None)

    async def find_mode(self, name: str, *, timeout_s: float = 10.0) -> RoomMode | None:
        return self.modes.get(name)

    async def update_room_state(self, *, timeout_s: float = 10.0, **changes: Unpack[StateChanges]) -> RoomState:
        if self.me.role is not Role.HOST:
            raise PermissionDeniedError(
                "cannot update the room's state: only its host may", code="not_host", status=403
            )
        return self.steer(**changes)

    async def delete(self, message_id: UUID) -> Message:
        message = self._message(message_id)
        if message.user_id != self._bot_id:
            self._require_moderator()
        return self.change(message, status=MessageStatus.DELETED, content="", metadata={}, reactions={})

    async def react(self, message_id: UUID, emoji: str) -> Message:
        message = self._message(message_id)
        return self.change(message, reactions={**message.reactions, emoji: 1})

    async def mute(self, user_id: UUID) -> Participant:
        return self._set_muted(user_id, True)

    async def unmute(self, user_id: UUID) -> Participant:
        return self._set_muted(user_id, False)

    async def kick(self, user_id: UUID) -> None:
        person = self._target(user_id)
        del self._people[user_id]
        self.tell(ParticipantLeft(pos=self.step(), participants=[person], reason=LeftReason.KICKED))

    async def enter_turns(self, *, takes_turns: bool = False, position: int | None = None) -> BotEntry:
        return self.turns.enter(position)

    async def claim_turns(
        self, holder: UUID, claims: Sequence[TurnClaim], *, position: int | None = None, timeout_s: float = 10.0
    ) -> list[ClaimedTurn]:
        return self.turns.claim(holder, claims, position)

    async def finish_turns(
        self, holder: UUID, turns: Sequence[FinishedTurn], *, position: int | None = None, timeout_s: float = 10.0
    ) -> int:
        return self.turns.finish(holder, turns, position)

    # -- what the rest is made of ----------------------------------------------------------------------

    @property
    def head(self) -> int:
        """The room's step."""
        return self._head

    def step(self) -> int:
        self._head += 1
        return self._head

    def tell(self, event: Event) -> None:
        for reader in self._readers:
            reader.append(event)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _reader(self) -> deque[Event]:
        """The events of a session that joins now."""
        joined = RoomJoined(
            pos=self._head,
            room=self.current_room,
            me=self.me,
            participants=self.participants,
            state=self.room_state,
            messages=self.messages,
        )
        self._readers.append(deque([joined]))
        return self._readers[-1]

    def _refusal(self, claim: TurnClaim) -> str | None:
        """Why the bot may not answer; a host's pick has a step of its own, and is always let through."""
        message = self.find_message(claim.message_id) if claim.message_id is not None else None
        if message is None or message.status is not MessageStatus.FINAL:
            return "gone"
        if message.seq == claim.position and message.sender_kind == Kind.BOT:
            return "own" if message.user_id == self._bot_id else "depth"
        return None

    def store(
        self,
        author: Participant,
        content: str,
        message_type: MessageType,
        metadata: JsonObject | None = None,
        reply_to: UUID | None = None,
        status: MessageStatus = MessageStatus.FINAL,
        message_id: UUID | None = None,
    ) -> Message:
        """Keep a message and tell it, by the rules of the database: one whose id is known stays as it is."""
        if message_id is not None and (known := self.find_message(message_id)) is not None:
            return known
        longest = LONGEST.get(message_type, 8000)
        content = content.strip()
        if status is MessageStatus.FINAL and not 1 <= len(content) <= longest:
            raise InvalidRequestError(f"cannot send: a message has 1 to {longest} characters", status=400)
        if self._people[author.user_id].is_muted:
            raise PermissionDeniedError("cannot send: muted", code="muted", status=403)
        seq = self.step()
        now = self._clock.now() + timedelta(microseconds=seq)
        message = Message(
            id=message_id or uuid4(),
            room_id=self._id,
            user_id=author.user_id,
            message_type=message_type,
            content=content,
            metadata=metadata or {},
            created_at=now,
            updated_at=now,
            seq=seq,
            revision=seq,
            status=status,
            reply_to=reply_to,
            display_name=author.display_name,
            sender_kind=author.kind,
        )
        self._messages.append(message)
        self.tell(MessageReceived(pos=seq, message=message))
        return message

    def change(self, message: Message, **fields: Any) -> Message:
        """Change a message and tell it."""
        fields["revision"] = self.step()
        changed = self._replace(message, {"updated_at": self._clock.now(), **fields})
        self.tell(MessageUpdated(pos=changed.revision, message=changed))
        return changed

    def grow(self, message: Message, text: str) -> Message:
        """Add to a message that is being written, and tell the part."""
        grown = self._replace(message, {"content": message.content + text})
        self.tell(MessageChunk(message_id=message.id, offset=len(message.content), text=text))
        return grown

    def _replace(self, message: Message, fields: dict[str, Any]) -> Message:
        changed = message.model_copy(update=fields)
        self._messages[[m.id for m in self._messages].index(message.id)] = changed
        return changed

    def _add(self, name: str, kind: Kind = Kind.HUMAN, role: Role = Role.MEMBER) -> Participant:
        now = self._clock.now()
        is_host = self.host_name is not None and name.casefold() == self.host_name.casefold() and kind is Kind.HUMAN
        person = Participant(
            id=uuid4(),
            room_id=self._id,
            user_id=uuid4(),
            display_name=name,
            is_online=True,
            joined_at=now,
            last_seen=now,
            role=Role.HOST if is_host else role,
            kind=kind,
            is_muted=False,
        )
        self._people[person.user_id] = person
        return person

    def _message(self, message_id: UUID) -> Message:
        for message in self._messages:
            if message.id == message_id:
                return message
        raise NotFoundError("cannot find the message", code="message_not_found", status=404)

    def _require_moderator(self) -> None:
        if self.me.role not in (Role.HOST, Role.MODERATOR):
            raise PermissionDeniedError(
                "cannot do that: the bot is no moderator", status=403, hint="pass bot_role=Role.MODERATOR"
            )

    def _target(self, user_id: UUID) -> Participant:
        self._require_moderator()
        person = self._people.get(user_id)
        if person is None:
            raise NotFoundError("cannot find the participant", code="participant_not_found", status=404)
        if person.role is Role.HOST:
            raise PermissionDeniedError("cannot do that to the host", status=403)
        return person

    def _set_muted(self, user_id: UUID, is_muted: bool) -> Participant:
        person = self._target(user_id)
        if person.is_muted != is_muted:
            person = self._people[user_id] = person.model_copy(update={"is_muted": is_muted})
            self.tell(ParticipantUpdated(pos=self.step(), participant=person))
        return person
