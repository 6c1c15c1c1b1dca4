"""What a fake Realtime does with broadcasts: it carries them to the channels, or fails as a test tells it to."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from spaces_sdk.errors import JoinRejectedError
from spaces_sdk.models import JsonObject
from spaces_sdk.realtime.events import BroadcastReceived, ChannelEvent, ChannelOverflowed, CloseReason


class Listener(Protocol):
    """A channel that is joined.

    Attributes:
        tracked: What it has said in presence.
    """

    tracked: list[dict[str, Any]]

    @property
    def topic(self) -> str: ...

    def push(self, item: ChannelEvent) -> None: ...

    def end(self, reason: CloseReason) -> None: ...


class Broadcasts:
    """The channels that are joined, and a switch for each fault between them and the database.

    Attributes:
        channels: Who listens.
        realtime_is_down: Joins of channels wait, and time out.
        refusals: Joins of channels that Realtime refuses next.
    """

    def __init__(self) -> None:
        self.channels: list[Listener] = []
        self.realtime_is_down = False
        self.refusals: deque[JoinRejectedError] = deque()
        self._to_lose = 0
        self._to_pass = 0
        self._to_double = 0
        self._held: list[tuple[str, str, JsonObject]] | None = None

    def lose(self, count: int, *, after: int = 0) -> None:
        """The next broadcasts vanish, `after` so many that do not."""
        self._to_lose, self._to_pass = count, after

    def double(self, count: int) -> None:
        """The next broadcasts come twice."""
        self._to_double = count

    def hold(self) -> None:
        """Keep what is broadcast until `release`."""
        self._held = []

    def release(self, *, reverse: bool = False) -> None:
        held, self._held = self._held or [], None
        for entry in reversed(held) if reverse else held:
            self._deliver(*entry)

    def close_channels(self, reason: CloseReason) -> None:
        """Realtime closes every channel."""
        for channel in list(self.channels):
            channel.end(reason)

    def overflow(self, dropped: int) -> None:
        """The buffers of the channels overflowed: so many events are missing just here."""
        for channel in self.channels:
            channel.push(ChannelOverflowed(dropped))

    def broadcast(self, topic: str, event: str, payload: JsonObject) -> None:
        """Say something on a topic."""
        self._to_pass, passes = max(0, self._to_pass - 1), self._to_pass > 0
        if self._to_lose and not passes:
            self._to_lose -= 1
        elif self._held is not None:
            self._held.append((topic, event, payload))
        else:
            self._deliver(topic, event, payload)

    def _deliver(self, topic: str, event: str, payload: JsonObject) -> None:
        times = 1
        if self._to_double:
            self._to_double -= 1
            times = 2
        for channel in [c for c in self.channels if c.topic == topic]:
            for _ in range(times):
                channel.push(BroadcastReceived(event, payload))
