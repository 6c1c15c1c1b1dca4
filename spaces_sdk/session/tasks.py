"""Tasks with an owner that logs, cancels and awaits them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline

logger = logging.getLogger("spaces_sdk.session")


class TaskOwner:
    """Starts tasks and sees to their end.

    Args:
        on_crash: Called with what a task raised that nobody expected; called on the loop, must not raise.
    """

    def __init__(self, *, on_crash: Callable[[Exception], None]) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_crash = on_crash

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run it until it ends or is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def cancel(self, *, but: asyncio.Task[None] | None = None) -> None:
        """Cancel all, and wait until each has ended. Idempotent.

        Args:
            but: The caller's own task, which lives on.
        """
        while tasks := {task for task in self._tasks if task is not but and not task.done()}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def stop(self, task: asyncio.Task[None] | None) -> None:
        """Cancel one, and wait for its end."""
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
        elif task.cancelling():
            return
        else:
            # Nobody cancelled it: something that it waited for was cancelled, and that must not end it in silence.
            error = RuntimeError(f"the task {task.get_name()} was cancelled from inside")
        if isinstance(error, Exception):
            logger.error("task %s failed", task.get_name(), exc_info=error)
            self._on_crash(error)


async def run_to_end(task: asyncio.Task[Any]) -> None:
    """Wait for a task that must not be left half done, also while we are being cancelled ourselves.

    The task has to end by itself in bounded time. A cancellation that came meanwhile is raised after it.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def wait_for_event(event: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Wait until it is set, at most that long by the clock; returns whether it is set. Cancel-safe."""
    try:
        async with deadline(clock, seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
