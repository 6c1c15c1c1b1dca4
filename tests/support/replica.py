"""Replicas of a bot in one room in memory: processes that can be killed, and a network that loses answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Unpack
from uuid import UUID, uuid4

from spaces_sdk.bots import Bot
from spaces_sdk.drafts import StateChanges
from spaces_sdk.errors import ConnectError, OutcomeUnknownError, SessionClosedError, SpacesError
from spaces_sdk.events import Event
from spaces_sdk.models import (
    JsonObject,
    Message,
    MessageStatus,
    MessageType,
    Page,
    Participant,
    Room,
    RoomMode,
    RoomState,
)
from spaces_sdk.testing import MemoryRoom, VirtualClock
from spaces_sdk.testing.writer import MemoryWriter
from spaces_sdk.turns import BotEntry, ClaimedTurn, FinishedTurn, TurnClaim


class ReplicaSession:
    """A session of the bot in a process of its own.

    Attributes:
        is_dead: The process was killed: nothing of it reaches the room any more, and nothing of the room it.
        is_offline: No call of turns gets through.
        failures: For each of the next calls of turns, an error to raise; with `is_answer_lost` it was done before.
        claimed: All claims that were asked for.
    """

    def __init__(self, room: MemoryRoom) -> None:
        self.room = room
        self.is_dead = False
        self.is_offline = False
        self.is_answer_lost = False
        self.failures: list[SpacesError] = []
        self.claimed: list[TurnClaim] = []

    def check(self) -> None:
        if self.is_dead:
            raise SessionClosedError("killed")

    @property
    def me(self) -> Participant:
        return self.room.me

    @property
    def current_room(self) -> Room:
        return self.room.current_room

    @property
    def room_state(self) -> RoomState:
        return self.room.room_state

    @property
    def participants(self) -> list[Participant]:
        return self.room.participants

    @property
    def messages(self) -> list[Message]:
        return self.room.messages

    def find_message(self, message_id: UUID) -> Message | None:
        return self.room.find_message(message_id)

    async def events(self) -> AsyncIterator[Event]:
        async for event in self.room.events():
            if not self.is_dead:
                yield event

    async def send(self, content: str, **more: Any) -> Message:
        self.check()
        return await self.room.send(content, **more)

    def stream(
        self,
        *,
        reply_to: UUID | None = None,
        message_type: MessageType | str = MessageType.AI_RESPONSE,
        metadata: JsonObject | None = None,
        message_id: UUID | None = None,
    ) -> MemoryWriter:
        self.check()
        assert message_id is not None, "a call that was claimed names its messages"
        return _Writer(self, MessageType(message_type), metadata, reply_to, message_id)

    async def history(self, *, before: int | None = None, limit: int = 50) -> Page[Message]:
        return await self.room.history(before=before, limit=limit)

    async def delete(self, message_id: UUID) -> Message:
        return await self.room.delete(message_id)

    async def react(self, message_id: UUID, emoji: str) -> Message:
        return await self.room.react(message_id, emoji)

    async def mute(self, user_id: UUID) -> Participant:
        return await self.room.mute(user_id)

    async def unmute(self, user_id: UUID) -> Participant:
        return await self.room.unmute(user_id)

    async def kick(self, user_id: UUID) -> None:
        await self.room.kick(user_id)

    async def find_mode(self, name: str, *, timeout_s: float = 10.0) -> RoomMode | None:
        return await self.room.find_mode(name)

    async def update_room_state(self, *, timeout_s: float = 10.0, **changes: Unpack[StateChanges]) -> RoomState:
        return await self.room.update_room_state(**changes)

    async def enter_turns(self, *, takes_turns: bool = False, position: int | None = None) -> BotEntry:
        self.check()
        return await self.room.enter_turns(takes_turns=takes_turns, position=position)

    async def claim_turns(
        self, holder: UUID, claims: Sequence[TurnClaim], *, position: int | None = None, timeout_s: float = 10.0
    ) -> list[ClaimedTurn]:
        self._fail(before=True)
        self.claimed += claims
        answers = await self.room.claim_turns(holder, claims, position=position)
        self._fail(before=False)
        return answers

    async def finish_turns(
        self, holder: UUID, turns: Sequence[FinishedTurn], *, position: int | None = None, timeout_s: float = 10.0
    ) -> int:
        self._fail(before=True)
        finished = await self.room.finish_turns(holder, turns, position=position)
        self._fail(before=False)
        return finished

    def _fail(self, *, before: bool) -> None:
        self.check()
        if self.is_offline:
            raise ConnectError("no network")
        if self.failures and before is not self.is_answer_lost:
            raise self.failures.pop(0)


class _Writer(MemoryWriter):
    """Of a process that is killed nobody ends the message."""

    def __init__(self, session: ReplicaSession, *rest: Any) -> None:
        super().__init__(session.room, *rest)
        self._session = session

    async def write(self, text: str) -> None:
        self._session.check()
        await super().write(text)

    async def __aexit__(self, *error: Any) -> bool:
        if self._session.is_dead:
            self._ended.set()
        return await super().__aexit__(*error)


class Replica:
    """A bot at work in a process.

    Attributes:
        errors: What its handlers raised.
    """

    def __init__(self, bot: Bot, session: ReplicaSession, clock: VirtualClock) -> None:
        self.bot = bot
        self.session = session
        self.errors: list[Exception] = []
        self.served = bot.serve(session, clock=clock, on_unhandled=self.errors.append)
        self.task = asyncio.create_task(self.served.run(), name=f"replica of {bot.name}")

    def kill(self) -> None:
        """SIGKILL: no word to anybody."""
        self.session.is_dead = True

    async def leave(self) -> None:
        """SIGTERM: it gives back what it holds."""
        self.task.cancel()
        await asyncio.wait({self.task})

    def lose_answers(self, count: int) -> None:
        """The next calls of turns are done, and their answers lost."""
        self.session.is_answer_lost = True
        self.session.failures += [OutcomeUnknownError("no answer", operation_id=uuid4()) for _ in range(count)]


class Replicas:
    """A room, and processes of one bot's account in it: `async with Replicas(make_bot) as stage`.

    Args:
        make: The bot as each process makes it anew; gets the number of the process, from 1.
    """

    def __init__(self, make: Callable[[int], Bot], people: Sequence[str] = ("ada", "bob")) -> None:
        self.clock = VirtualClock()
        self._make = make
        self.room = MemoryRoom(self.clock, make(0).name, list(people))
        self.all: list[Replica] = []

    async def start(self) -> Replica:
        """One more process."""
        session = ReplicaSession(self.room)
        replica = Replica(self._make(len(self.all) + 1), session, self.clock)
        self.all.append(replica)
        await self.clock.advance(0)
        return replica

    async def say(self, content: str, name: str = "ada") -> Message:
        message = self.room.say(name, content)
        await self.clock.advance(0)
        return message

    @property
    def said(self) -> list[str]:
        """What the bot has said and finished."""
        return [m.content for m in self.room.said if m.status is MessageStatus.FINAL]

    async def __aenter__(self) -> Replicas:
        # The room's first session joins with the room; those of the replicas when they start.
        first = self.room.events()
        await anext(first)
        await first.aclose()
        return self

    async def __aexit__(self, *_: object) -> None:
        for replica in self.all:
            await replica.leave()
