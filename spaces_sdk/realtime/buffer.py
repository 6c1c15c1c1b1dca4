"""A channel's bounded buffer. Pure: the waiting is the channel's."""

from __future__ import annotations

from collections import deque

from spaces_sdk.realtime.events import ChannelClosed, ChannelEvent, ChannelOverflowed, DropCause


class EventBuffer:
    """Events in order, at most so many and so many bytes of them.

    What comes while it is full is dropped and counted, and one `ChannelOverflowed` stands exactly where it is missing.
    The end of the channel always finds room.
    """

    def __init__(self, *, size: int, size_bytes: int) -> None:
        self._size = size
        self._size_bytes = size_bytes
        self._events: deque[tuple[ChannelEvent, int]] = deque()
        self._bytes = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self._events) + (self._dropped > 0)

    def put(self, event: ChannelEvent, size_bytes: int) -> bool:
        """Add an event, or drop it and return False where there is no room. An empty buffer takes one of any size."""
        events = self._events
        if events and (len(events) >= self._size or self._bytes + size_bytes > self._size_bytes):
            self._dropped += 1
            return False
        if self._dropped:
            self._mark_gap()
        events.append((event, size_bytes))
        self._bytes += size_bytes
        return True

    def put_unreadable(self) -> None:
        """Mark one event that came and could not be parsed; marks that follow each other become one."""
        last = self._events[-1][0] if self._events and not self._dropped else None
        if isinstance(last, ChannelOverflowed) and last.cause is DropCause.UNREADABLE:
            self._events[-1] = (ChannelOverflowed(last.dropped + 1, DropCause.UNREADABLE), 0)
            return
        self.put(ChannelOverflowed(1, DropCause.UNREADABLE), 0)

    def end(self, event: ChannelClosed) -> None:
        """Add the last event."""
        if self._dropped:
            self._mark_gap()
        self._events.append((event, 0))

    def pop(self) -> ChannelEvent | None:
        """The oldest event; None where there is none."""
        if self._events:
            event, size_bytes = self._events.popleft()
            self._bytes -= size_bytes
            return event
        if self._dropped:
            # Nothing came after the gap: say it now, not with the next event.
            self._mark_gap()
            return self._events.popleft()[0]
        return None

    def _mark_gap(self) -> None:
        self._events.append((ChannelOverflowed(self._dropped), 0))
        self._dropped = 0
