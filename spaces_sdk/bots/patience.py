"""How long a model may be silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from spaces_sdk.clock import Clock


class Patience:
    """Attributes:
    is_over: It ended, and the body was cancelled.
    """

    def __init__(self, clock: Clock, first_s: float, next_s: float) -> None:
        self._clock = clock
        self._next_s = next_s
        self._until: float | None = clock.monotonic() + first_s
        self.is_over = False

    def heard(self) -> None:
        """There was a sign of life; what is done with it takes no patience."""
        self._until = None

    def listen(self) -> None:
        """Wait for the next one."""
        self._until = self._clock.monotonic() + self._next_s

    async def watch(self, scope: asyncio.Timeout) -> None:
        """Cancel the scope when it is over."""
        while True:
            until = self._until
            await self._clock.sleep(self._next_s if until is None else until - self._clock.monotonic())
            if until is not None and until == self._until:
                self.is_over = True
                scope.reschedule(asyncio.get_running_loop().time())
                return


@asynccontextmanager
async def patience(clock: Clock, *, first_s: float, next_s: float) -> AsyncGenerator[Patience]:
    """Cancel the body when it hears nothing for too long, and raise TimeoutError in its place.

    One task for all of it, so that a piece of an answer costs none. As with `deadline`, by the package's own clock.

    Args:
        clock: Time.
        first_s: Until the first sign of life.
        next_s: From one to the next.
    """
    async with asyncio.timeout(None) as scope:
        waiting = Patience(clock, first_s, next_s)
        watcher = asyncio.create_task(waiting.watch(scope), name="patience")
        try:
            yield waiting
        finally:
            if not scope.expired():
                scope.reschedule(None)
            watcher.cancel()
            await asyncio.wait({watcher})
