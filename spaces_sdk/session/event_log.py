"""The events of one session since its join, kept in one bounded ring that any number of readers follow.

A reader (`EventStream`, in `stream.py`) is a cursor into the ring, so readers are independent and cost
nothing while nobody reads. Whoever falls behind the ring's beginning reads from the database instead,
up to the ring's anchor: the last place where the ring and the room's position meet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from spaces_sdk.errors import SpacesError
from spaces_sdk.events import CaughtUp, Event, RoomJoined
from spaces_sdk.session.paging import Paging


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the ring.

    Attributes:
        run: For an event of a catch-up: where the run stood before the page that brought it.
    """

    event: Event
    run: Paging | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """From `index` on the ring tells what comes after `position`, complete and from its beginning."""

    index: int
    position: int


class EventLog:
    """The ring, with one writer: the session.

    Args:
        joined: The first event; every reader without `since` begins with it.
        size: Events kept at most.
    """

    def __init__(self, joined: RoomJoined, *, size: int) -> None:
        self.joined = joined
        self._entries: deque[Entry] = deque()
        self._size = size
        self._base = 0
        self._anchor = Anchor(0, joined.pos or 0)
        self._waiters: set[asyncio.Future[None]] = set()
        self._is_ended = False
        self._is_closed = False
        self._final: Event | None = None
        self._error: SpacesError | None = None
        self.append(joined)

    @property
    def base(self) -> int:
        """Index of the oldest event that is still here."""
        return self._base

    @property
    def tail(self) -> int:
        """Index that the next event will have."""
        return self._base + len(self._entries)

    @property
    def anchor(self) -> Anchor:
        return self._anchor

    @property
    def is_ended(self) -> bool:
        return self._is_ended

    @property
    def is_closed(self) -> bool:
        """The session is over; readers may be told so."""
        return self._is_closed

    @property
    def final(self) -> Event | None:
        """What every reader is told last."""
        return self._final

    @property
    def error(self) -> SpacesError | None:
        """What every reader raises after that; None ends its loop."""
        return self._error

    def append(self, event: Event, *, run: Paging | None = None) -> None:
        """Add an event. Ignored after the end."""
        if self._is_ended:
            return
        self._entries.append(Entry(event, run))
        if len(self._entries) > self._size:
            oldest = self._entries.popleft()
            if self._anchor.index == self._base and oldest.run is None:
                # After the anchor and no step of its own: signals alone must not push the anchor out of the ring.
                self._anchor = Anchor(self._base + 1, self._anchor.position)
            self._base += 1
        if isinstance(event, CaughtUp):
            self._anchor = Anchor(self.tail, event.to_pos)
        elif event.pos is not None and not event.is_replayed:
            self._anchor = Anchor(self.tail, event.pos)
        self._notify()

    def move_to(self, position: int) -> None:
        """The position moved without an event (a kind of step that this version does not know)."""
        self._anchor = Anchor(self.tail, position)
        self._notify()

    def end(self, final: Event | None, error: SpacesError | None) -> None:
        """Nothing comes any more. The first call decides."""
        if self._is_ended:
            return
        self._is_ended = True
        self._final = final
        self._error = error
        self._notify()

    def close(self) -> None:
        """The session is over: readers that were told the last event end now."""
        self._is_closed = True
        self._notify()

    def entry(self, index: int) -> Entry:
        """The event at an index from `base` to below `tail`."""
        return self._entries[index - self._base]

    async def changed(self) -> None:
        """Wait for the next change of anything here. Cancel-safe."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
