"""Replicas of a bot in one room of a fake backend: processes that can be killed, and a network that loses answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from spaces_sdk.bots import Bot
from spaces_sdk.errors import ConnectError, OutcomeUnknownError, SessionClosedError, SpacesError
from spaces_sdk.models import Message, MessageStatus
from spaces_sdk.rooms import RoomManager
from spaces_sdk.rpc.procedures import Procedure
from spaces_sdk.session import RoomSession
from spaces_sdk.testing import TalkRoom, VirtualClock
from spaces_sdk.testing.fake.rpc import FakeRpc
from spaces_sdk.turns import FinishedTurn, TurnClaim

TURNS = ("claim_turns", "finish_turns")


class Line(FakeRpc):
    """The calls of one process.

    Attributes:
        is_dead: The process was killed: nothing of it reaches the room any more.
        is_offline: No call of turns gets through.
        failures: For each of the next calls of that name, an error to raise; `turns` are claims and ends.
        lost: So many answers of the next claims and ends are lost.
        claimed, finished: All that was asked for.
    """

    def __init__(self, room: TalkRoom) -> None:
        super().__init__(room.backend.tables, room.bot.account)
        self.is_dead = False
        self.is_offline = False
        self.failures: dict[str, list[SpacesError]] = {}
        self.lost = 0
        self.claimed: list[TurnClaim] = []
        self.finished: list[FinishedTurn] = []

    async def call(self, procedure: Procedure, arguments: Mapping[str, object], **rest: Any) -> Any:
        is_turns = procedure.name in TURNS
        if self.is_dead:
            raise SessionClosedError("killed")
        if is_turns and self.is_offline:
            raise ConnectError("no network")
        if failures := self.failures.get("turns" if is_turns else procedure.name):
            raise failures.pop(0)
        if procedure.name == "claim_turns":
            self.claimed += [TurnClaim.model_validate(claim) for claim in _listed(arguments["p_claims"])]
        if procedure.name == "finish_turns":
            self.finished += [FinishedTurn.model_validate(turn) for turn in _listed(arguments["p_turns"])]
        answer = await super().call(procedure, arguments, **rest)
        if is_turns and self.lost:
            self.lost -= 1
            raise OutcomeUnknownError("no answer", operation_id=uuid4())
        return answer


def _listed(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value  # pyright: ignore[reportUnknownVariableType]


class Replica:
    """A bot at work in a process.

    Attributes:
        errors: What its handlers raised.
    """

    def __init__(self, bot: Bot, room: TalkRoom, clock: VirtualClock, line: Line) -> None:
        self.bot = bot
        self.line = line
        self.session: RoomSession = room.join(RoomManager(line))
        self.errors: list[Exception] = []
        self._clock = clock
        self.task = asyncio.create_task(self._run(), name=f"replica of {bot.name}")

    async def _run(self) -> None:
        async with self.session:
            await self.bot.serve(self.session, clock=self._clock, on_unhandled=self.errors.append).run()

    def kill(self) -> None:
        """SIGKILL: no word to anybody."""
        self.line.is_dead = True
        self.task.cancel()

    async def leave(self) -> None:
        """SIGTERM: it gives back what it holds."""
        self.task.cancel()
        while not self.task.done():
            await self._clock.advance(0.5)

    def lose_answers(self, count: int) -> None:
        """The next calls of turns are done, and their answers lost."""
        self.line.lost = count


class Replicas:
    """A room, and processes of one bot's account in it: `async with Replicas(make_bot) as stage`.

    Args:
        make: The bot as each process makes it anew; gets the number of the process, from 1.
    """

    def __init__(self, make: Callable[[int], Bot], people: Sequence[str] = ("ada", "bob")) -> None:
        self.clock = VirtualClock()
        self._make = make
        self.room = TalkRoom(self.clock, make(0).name, list(people))
        self.all: list[Replica] = []

    async def start(self, **failures: Sequence[SpacesError]) -> Replica:
        """One more process; the errors are those that its first calls meet, by their names."""
        line = Line(self.room)
        line.failures |= {name: list(errors) for name, errors in failures.items()}
        replica = Replica(self._make(len(self.all) + 1), self.room, self.clock, line)
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

    @property
    def position(self) -> int:
        """How far the bot is, all processes together."""
        return self.room.rows.bots[self.bot_id].position

    @property
    def bot_id(self) -> UUID:
        return self.room.bot.user_id

    async def __aenter__(self) -> Replicas:
        return self

    async def __aexit__(self, *_: object) -> None:
        for replica in self.all:
            await replica.leave()
