"""One reader of a session's events: what `RoomSession.events()` returns."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Self

from spaces_sdk.clock import Clock
from spaces_sdk.errors import ProtocolError, SpacesError, UsageError
from spaces_sdk.events import CaughtUp, Event, EventsDropped, GapDetected, GapReason, SignalReceived
from spaces_sdk.models import SyncPage
from spaces_sdk.session.event_log import EventLog
from spaces_sdk.session.paging import Paging

ReadPage = Callable[[Paging], Awaitable[SyncPage]]


class EventStream:
    """Yields the events of a session in order, each durable change once.

    It holds no task and no connection: to stop, just stop iterating. A reader that is slower than the room
    loses nothing: it is told `EventsDropped`, and reads what it missed from the database, page by page,
    as fast as it is read itself.

    Attributes:
        position: All up to this step has been yielded. Save it to go on later with `events(since=…)`.
    """

    def __init__(
        self, log: EventLog, read_page: ReadPage, *, since: int | None = None, clock: Clock, random: Random
    ) -> None:
        self._log = log
        self._read_page = read_page
        self._clock = clock
        self._random = random
        self._queue: deque[Event] = deque()
        self._created_at = log.tail
        self._cursor = 0
        self._run: Paging | None = None
        self._block: Paging | None = None
        self._block_source: Paging | None = None
        self._rejoin_at: int | None = None
        self._is_behind = False
        self._owes_caught_up = False
        self._is_reading = False
        self._is_over = False
        self._is_final_told = False
        self.position = (log.joined.pos or 0) if since is None else since
        self._start(since)

    def _start(self, since: int | None) -> None:
        if since is None:
            self._queue.append(self._log.joined)
            self._cursor = 1  # it is the log's first entry
            if self._log.base <= 1:
                return
        elif not 0 <= since <= self._log.anchor.position:
            raise UsageError(
                f"cannot resume after position {since}: the room is at {self._log.anchor.position}",
                code="position_unknown",
                hint="pass a position that was saved from this room",
            )
        elif since == self._log.anchor.position and self._log.anchor.index >= self._log.base:
            self._cursor = self._log.anchor.index
            return
        self._queue.append(GapDetected(after=self.position, reason=GapReason.RESUMED))
        self._is_behind = self._owes_caught_up = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Cancelling it loses nothing: the next call goes on at the same event.

        Raises:
            StopAsyncIteration: This session left by its own wish.
            RemovedError: After `SessionEnded`: the session was ended from outside.
            UsageError: Another task is waiting in this same iterator; make one for each.
        """
        if self._is_reading:
            raise UsageError("cannot read events: another task reads this iterator", hint="call events() once a task")
        self._is_reading = True
        try:
            while True:
                if self._is_over:
                    raise StopAsyncIteration
                if self._queue:
                    event = self._queue.popleft()
                elif self._is_behind:
                    await self._fetch()
                    continue
                elif self._cursor < self._log.tail:
                    event = self._take()
                elif self._log.is_ended and (self._log.is_closed or not self._is_final_told):
                    event = self._end()
                else:
                    await self._log.changed()
                    continue
                if event is not None:
                    self._note(event)
                    return event
        finally:
            self._is_reading = False

    async def aclose(self) -> None:
        """End this reader; the session goes on."""
        self._is_over = True

    def _take(self) -> Event | None:
        """The event at the cursor; None if it is not for this reader."""
        if self._cursor < self._log.base:
            self._fall_behind()
            return None
        index, self._cursor = self._cursor, self._cursor + 1
        event, run = self._log.entry(index)
        if index < self._created_at and isinstance(event, SignalReceived):
            return None  # of the moment, and the moment is over
        if run is not None:
            if self._block_source is not run:
                self._block_source, self._block = run, run.copy()
            if self._block is not None:
                self._block.observe(event)
        return event

    def _fall_behind(self) -> None:
        self._queue.append(EventsDropped(count=self._log.base - self._cursor))
        self._is_behind = self._owes_caught_up = True
        # In the midst of the session's own catch-up: go on in that run, on the page where we were.
        self._run, self._rejoin_at = self._block, None
        self._forget_block()

    def _note(self, event: Event) -> None:
        if isinstance(event, CaughtUp):
            self.position = max(self.position, event.to_pos)
            self._forget_block()
        elif event.pos is not None and not event.is_replayed:
            self.position = max(self.position, event.pos)

    def _forget_block(self) -> None:
        self._block = self._block_source = None

    def _end(self) -> Event | None:
        if not self._is_final_told:
            self._is_final_told = True
            return self._log.final
        if self._log.error is not None:
            raise self._log.error
        self._is_over = True
        return None

    async def _fetch(self) -> None:
        """Read one page from the database, or find the way back into the ring."""
        if self._log.is_ended:
            # Nobody reads the room for us any more; what was missed stays said by the event before.
            self._is_behind = False
            self._cursor = self._log.tail
            return
        if self._run is None and not self._plan():
            await self._log.changed()
            return
        run = self._run
        if run is None:
            return
        try:
            page = await self._read_page(run)
            events = run.accept(page)
        except SpacesError as error:
            if self._log.is_ended:
                return
            if not error.retryable and not isinstance(error, ProtocolError):
                raise
            await self._clock.sleep(self._random.uniform(0.5, 1.5))
            return
        self._queue.extend(events)
        if run.is_done:
            self._finish_run(run, page)
        else:
            self._queue.append(run.progress())

    def _plan(self) -> bool:
        """Choose what to read next; False if the ring's anchor has to move first."""
        anchor = self._log.anchor
        if anchor.index < self._log.base or anchor.position < self.position:
            return False  # the session is in a long catch-up of its own
        if anchor.position == self.position and not self._owes_caught_up:
            self._is_behind = False
            self._cursor = anchor.index
            return True
        self._run = Paging(after=self.position, to=anchor.position)
        self._rejoin_at = anchor.index
        return True

    def _finish_run(self, run: Paging, page: SyncPage) -> None:
        self._queue.append(run.caught_up(page))
        self._run = None
        self._owes_caught_up = False
        if self._rejoin_at is not None and self._rejoin_at >= self._log.base:
            self._is_behind = False
            self._cursor = self._rejoin_at
