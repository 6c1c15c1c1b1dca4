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

Entry = tuple[Event, Paging | None]
"""One event in the ring; for one of a catch-up also where the run stood before the page that brought it."""


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
        self._anchor_index = 0
        self._anchor_position = joined.pos or 0
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
        return Anchor(self._anchor_index, self._anchor_position)

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
        entries = self._entries
        entries.append((event, run))
        if len(entries) > self._size:
            _, oldest_run = entries.popleft()
            if self._anchor_index == self._base and oldest_run is None:
                # After the anchor and no step of its own: signals alone must not push the anchor out of the ring.
                self._anchor_index = self._base + 1
            self._base += 1
        if isinstance(event, CaughtUp):
            self._set_anchor(event.to_pos)
        elif event.pos is not None and not event.is_replayed:
            self._set_anchor(event.pos)
        self._notify()

    def move_to(self, position: int) -> None:
        """The position moved without an event (a kind of step that this version does not know)."""
        self._set_anchor(position)
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

    def _set_anchor(self, position: int) -> None:
        self._anchor_index = self._base + len(self._entries)
        self._anchor_position = position

    def _notify(self) -> None:
        if not self._waiters:
            return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
