"""What a bot does again and again: in one of its replicas at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from spaces_sdk.bots.claimer import Claimer
from spaces_sdk.bots.handlers import Timer
from spaces_sdk.clock import Clock
from spaces_sdk.session.tasks import TaskOwner
from spaces_sdk.turns import TIMERS, ClaimedTurn, TurnClaim, TurnStatus

STANDING: Final = TurnClaim(position=0, purpose=TIMERS)
Tick = Callable[[Timer], Awaitable[None]]


class Timers:
    """The timers of one room; they run while position 0 is held. A replica that takes over begins with the pause.

    Args:
        timers: With their pauses.
        tick: One call of one; must not raise.
    """

    def __init__(self, timers: Sequence[Timer], tick: Tick, claimer: Claimer, clock: Clock, tasks: TaskOwner) -> None:
        self._timers = timers
        self._tick = tick
        self._claimer = claimer
        self._clock = clock
        self._tasks = tasks
        self._running: list[asyncio.Task[None]] = []

    @property
    def claim(self) -> TurnClaim:
        return STANDING

    def start(self) -> None:
        """Ask for them, if there are any."""
        if self._timers:
            self._claimer.ask(self)

    def granted(self, turn: ClaimedTurn) -> None:
        self._running = [self._tasks.start(self._run(timer), name="bot-timer") for timer in self._timers]

    def put_off(self, turn: ClaimedTurn) -> None:
        """Another replica has them; the claimer asks again."""

    def dropped(self, turn: ClaimedTurn) -> None:
        """Not for this bot: it is out of the room."""

    def lost(self, turn: ClaimedTurn) -> None:
        for task in self._running:
            task.cancel()
        self._running = []
        if turn.status is not TurnStatus.TAKEN:
            self._claimer.ask(self)

    async def _run(self, timer: Timer) -> None:
        while True:
            await self._clock.sleep(timer.pause_s)
            await self._tick(timer)
