"""A clock on which short waits are none."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from spaces_sdk.clock import Clock

SHORT_S: Final = 0.11
"""A little more than the pause between two parts of a message that grows."""


class HastyClock:
    """What a session waits to spare the network takes no time here; all else takes the time of the clock below."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        if seconds <= SHORT_S:
            await asyncio.sleep(0)
        else:
            await self._clock.sleep(seconds)
