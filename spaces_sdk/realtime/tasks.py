"""Tasks with an owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

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
