"""One queue for each handler in a room: in order within it, independent of the others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from spaces_sdk.bots.activity import Activity
from spaces_sdk.bots.context import Context
from spaces_sdk.bots.errors import HandlerOverflowError
from spaces_sdk.session.tasks import TaskOwner

MOST_WAITING: Final = 100
"""Calls that wait for one handler in one room; what comes beyond them does not reach it."""

Call = Callable[[], Awaitable[object]]
Report = Callable[[Context, Exception], Awaitable[None]]


class Lane:
    """The calls of one handler in one room, one after the other; a task runs only while there are some.

    Attributes:
        dropped: Calls that found the queue full.
    """

    def __init__(self, name: str, tasks: TaskOwner, activity: Activity, report: Report) -> None:
        self._name = name
        self._tasks = tasks
        self._activity = activity
        self._report = report
        self._waiting: deque[tuple[Context, Call]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_overflowing = False
        self.dropped = 0

    def put(self, ctx: Context, call: Call) -> None:
        """Call it when its turn comes. Full: it is dropped, and the first of a stretch is reported."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            if not self._is_overflowing:
                self._is_overflowing = True
                self._tasks.start(self._tell_overflow(ctx), name=f"bot-overflow {self._name}")
            return
        self._waiting.append((ctx, call))
        self._activity.begin()
        if self._task is None or self._task.done():
            self._task = self._tasks.start(self._run(), name=f"bot {self._name}")

    async def _run(self) -> None:
        try:
            while self._waiting:
                ctx, call = self._waiting.popleft()
                try:
                    await guarded(ctx, call, self._report)
                finally:
                    self._activity.end()
            self._is_overflowing = False
        finally:
            self._activity.end(len(self._waiting))
            self._waiting.clear()

    async def _tell_overflow(self, ctx: Context) -> None:
        error = HandlerOverflowError(
            f"cannot call {self._name}: {MOST_WAITING} calls wait for it already",
            hint="it is too slow for this room; what comes until its queue is empty may be lost to it",
        )
        await self._report(ctx, error)


async def guarded(ctx: Context, call: Call, report: Report) -> None:
    """Call a handler; what it raises is reported and goes no further. A cancellation from outside does."""
    try:
        await call()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        await report(ctx, RuntimeError("the handler was cancelled from inside"))
    except Exception as error:  # noqa: BLE001 - a handler's failure never stops the bot
        await report(ctx, error)
