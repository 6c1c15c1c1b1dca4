"""One piece of work that many callers want at the same time, done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from spaces_sdk.errors import UsageError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs a coroutine once for all who ask while it runs.

    A caller that is cancelled leaves the others and the work untouched: a token that was rotated on
    the server must be kept even if nobody waits for it any more. The work itself ends with `aclose`.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]], *, name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[T] | None = None

    async def run(self) -> T:
        """Join the running work, or start it; its result and its errors go to every caller.

        Raises:
            UsageError: It was ended by `aclose` meanwhile.
        """
        task = self._task
        if task is None or task.done():
            task = self._task = asyncio.create_task(self._work(), name=self._name)
            task.add_done_callback(_mark_error_as_seen)
        # Unlike awaiting it, this neither cancels the work with the caller nor raises its cancellation as the caller's.
        await asyncio.wait({task})
        if task.cancelled():
            raise UsageError("cannot go on: the client was closed meanwhile", code="closed")
        return task.result()

    async def aclose(self) -> None:
        """Cancel the work if it runs, and wait for its end. Idempotent."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})


def _mark_error_as_seen(task: asyncio.Task[Any]) -> None:
    """Without a waiter left, asyncio would log the error as never retrieved."""
    if not task.cancelled():
        task.exception()
