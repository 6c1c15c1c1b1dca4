"""What lies between the sessions and the fake backend, and a switch for each way in which it can fail."""

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


class Faults:
    """Carries calls and broadcasts, or fails as a test tells it to; one for all users of a backend.

    Attributes:
        channels: Who listens.
        database_is_down: Calls wait, and fail at their deadline.
        realtime_is_down: Joins of channels wait, and time out; who is joined stays so (see `close_channels`).
        refusals: Joins of channels that Realtime refuses next.
    """

    def __init__(self) -> None:
        self.channels: list[Listener] = []
        self.database_is_down = False
        self.realtime_is_down = False
        self.refusals: deque[JoinRejectedError] = deque()
        self._answers_to_lose = 0
        self._to_lose = 0
        self._to_pass = 0
        self._to_double = 0
        self._held: list[tuple[str, str, JsonObject]] | None = None

    def lose_answers(self, count: int) -> None:
        """The next calls are carried out, and their answers lost; as in life, a call that may be repeated is."""
        self._answers_to_lose = count

    def is_answer_lost(self) -> bool:
        """Whether the answer of a call is lost; counts it."""
        self._answers_to_lose, is_lost = max(0, self._answers_to_lose - 1), self._answers_to_lose > 0
        return is_lost

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
