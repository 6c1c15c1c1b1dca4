"""A time limit that is measured by the package's own clock, so that a test can turn it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from spaces_sdk.clock import Clock


@asynccontextmanager
async def deadline(clock: Clock, seconds: float) -> AsyncGenerator[asyncio.Timeout]:
    """Cancel the body after that many seconds of `clock`, and raise TimeoutError in its place.

    A cancellation from outside goes through unchanged, and so does a TimeoutError of the body itself:
    `expired()` of what is yielded tells them apart. Nothing is left running when it exits.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:

        async def expire() -> None:
            await clock.sleep(seconds)
            scope.reschedule(loop.time())

        timer = asyncio.create_task(expire(), name="deadline")
        try:
            yield scope
        finally:
            if not scope.expired():
                scope.reschedule(None)  # what is done in time stays done, even if time runs out in the line below
            timer.cancel()
            # `wait` does not raise what the timer ended with, and lets a cancellation of ours through.
            await asyncio.wait({timer})
