"""`wait_for`: a handler waits for an event of its room."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import SessionClosedError, UsageError
from spaces_sdk.events import Event

E = TypeVar("E", bound=Event)

REMEMBERED: Final = 256
"""Events kept for a handler that asks a moment after they came: an answer can be there before `send` returns."""
MAX_WAITING: Final = 1000


@dataclass(slots=True, eq=False)
class _Waiter:
    accepts: Callable[[Event], bool]
    future: asyncio.Future[tuple[int, Event]]


class Waiters:
    """Those who wait in one room, and its newest events.

    Attributes:
        count: Events told so far; the index of the next one.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[_Waiter] = []
        self._newest: deque[Event] = deque(maxlen=REMEMBERED)
        self._is_closed = False
        self.count = 0

    def tell(self, event: Event) -> None:
        """An event has come; whoever waits for it goes on."""
        index, self.count = self.count, self.count + 1
        self._newest.append(event)
        for waiter in tuple(self._waiting):
            if waiter.future.done():
                continue
            try:
                if waiter.accepts(event):
                    waiter.future.set_result((index, event))
            except Exception as error:  # noqa: BLE001 - a check of the bot's author: its failure is theirs
                waiter.future.set_exception(error)

    def index_after(self, position: int) -> int:
        """The index of the first event after a step of the room, as far back as they are kept."""
        first = self.count - len(self._newest)
        after = (i for i, event in enumerate(self._newest, start=first) if (event.pos or 0) > position)
        return next(after, self.count)

    async def wait(
        self, kind: type[E], check: Callable[[E], bool] | None, *, since: int, timeout_s: float
    ) -> tuple[int, E]:
        """The first event of a kind that the check accepts, and the index after it.

        Args:
            kind: The class of the event.
            check: None takes any.
            since: Begin with the event of this index, as far back as they are kept.
            timeout_s: Seconds, > 0.

        Raises:
            TimeoutError: None came in time.
            SessionClosedError: The room has ended for the bot.
            UsageError: Too many wait already.
        """

        def accepts(event: Event) -> bool:
            return isinstance(event, kind) and (check is None or check(event))

        first = self.count - len(self._newest)
        for index, event in enumerate(tuple(self._newest), start=first):
            if index >= since and isinstance(event, kind) and (check is None or check(event)):
                return index + 1, event
        if self._is_closed:
            raise _closed()
        if len(self._waiting) >= MAX_WAITING:
            raise UsageError(f"cannot wait: {MAX_WAITING} handlers wait in this room already")
        waiter = _Waiter(accepts, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            async with deadline(self._clock, timeout_s):
                index, event = await waiter.future
        finally:
            self._waiting.remove(waiter)
        assert isinstance(event, kind)  # noqa: S101 - `accepts` has seen to it
        return index + 1, event

    def close(self) -> None:
        """The room has ended: nobody waits any more."""
        self._is_closed = True
        for waiter in self._waiting:
            if not waiter.future.done():
                waiter.future.set_exception(_closed())


def _closed() -> SessionClosedError:
    return SessionClosedError("cannot wait: the room has ended for the bot")
