"""A clock that stands still until somebody turns it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

_START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


async def settle(turns: int = 30) -> None:
    """Let the loop run until what can go on without time or network has gone on; at most so many turns."""
    # What the loop has still to run. Nothing public tells it; a loop that is not asyncio's own takes all the turns.
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    for _ in range(turns):
        await asyncio.sleep(0)
        if ready is not None and not ready:
            return


class VirtualClock:
    """Time as an argument: `advance` moves it and wakes who sleeps, one after the other in the order of their times."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return _START + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._elapsed + seconds, future)
        self._sleepers.append(sleeper)
        try:
            await future
        finally:
            self._sleepers.remove(sleeper)

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return len(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass; between two sleepers the loop runs until nothing moves."""
        target = self._elapsed + seconds
        await settle()
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= target and not sleeper[1].done()]:
            at, future = min(due, key=lambda sleeper: sleeper[0])
            self._elapsed = max(self._elapsed, at)
            future.set_result(None)
            await settle()
        self._elapsed = target
        await settle()
