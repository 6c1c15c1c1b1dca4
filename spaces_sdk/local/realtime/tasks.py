"""Tasks with an owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class TaskSet:
    """Starts tasks, logs what they raise, and ends them all when its owner ends.

    Args:
        parent: Waits for these tasks too when it ends; for an owner that can only cancel.
    """

    def __init__(self, parent: TaskSet | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._parent = parent

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run in the background until it ends or the owner does."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_log_failure)
        self.adopt(task)
        return task

    def adopt(self, task: asyncio.Task[None]) -> None:
        """End a task that runs already together with these, and its parent's."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._parent is not None:
            self._parent.adopt(task)

    def cancel(self) -> None:
        """Ask all to end, without waiting; for an owner that cannot wait."""
        for task in self._tasks:
            task.cancel()

    async def aclose(self) -> None:
        """End all and wait for their ends."""
        self.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the task %s failed", task.get_name(), exc_info=error)
