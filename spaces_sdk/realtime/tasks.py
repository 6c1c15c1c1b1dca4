"""Owned tasks and deadlines on a clock that a test can turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from spaces_sdk.clock import Clock

_LOG: Final = logging.getLogger("spaces_sdk.realtime")


class TaskOwner:
    """Starts tasks, logs those that fail, and ends with all of them ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run a coroutine until it ends or `aclose` cancels it."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self, task: asyncio.Task[None]) -> None:
        """Cancel a task and wait for its end; a cancelled caller still leaves it cancelled."""
        task.cancel()
        await asyncio.wait([task])

    async def aclose(self) -> None:
        """Cancel all and wait for their ends."""
        current = asyncio.current_task()
        while tasks := [task for task in self._tasks if task is not current]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("task %s failed", task.get_name(), exc_info=error)


@dataclass(slots=True)
class DeadlineScope:
    """Says afterwards whether the time was up."""

    has_expired: bool = False


@asynccontextmanager
async def deadline(clock: Clock, seconds: float, scope: DeadlineScope | None = None) -> AsyncGenerator[None]:
    """Cancel the body after that many seconds of the clock and raise TimeoutError in its place.

    A TimeoutError of the body itself passes too, and leaves `scope.has_expired` False.
    """
    scope = scope or DeadlineScope()
    loop = asyncio.get_running_loop()
    alarm = asyncio.create_task(clock.sleep(seconds), name="realtime-deadline")
    try:
        async with asyncio.timeout(None) as timeout:

            def ring(task: asyncio.Task[None]) -> None:
                if not task.cancelled() and not scope.has_expired:
                    scope.has_expired = True
                    timeout.reschedule(loop.time())

            alarm.add_done_callback(ring)
            try:
                yield
            finally:
                alarm.remove_done_callback(ring)
    finally:
        alarm.cancel()
        await asyncio.wait([alarm])
