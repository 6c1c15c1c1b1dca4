"""Rate counters and payload sizes as the real server reckons them, without I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast


class RateCounter:
    """Events in a second, averaged over the last ticks; worked out at each tick only.

    So a burst is noticed up to a tick later, and remembered for as long as its tick is kept. The
    counter begins with one empty tick (seen in the recordings: 32 events a second against a limit
    of 20 tripped at the second tick, not at the first).
    """

    def __init__(self, limit_per_s: int, *, tick_s: float = 5.0, ticks: int = 12) -> None:
        self._tick_s = tick_s
        self._buckets: deque[int] = deque(maxlen=ticks)
        self.restart(limit_per_s)

    def restart(self, limit_per_s: int) -> None:
        """Forget all and count against another limit."""
        self.limit_per_s = limit_per_s
        self.is_triggered = False
        self.average = 0.0
        self._current = 0
        self._buckets.clear()
        self._buckets.append(0)

    def add(self, count: int = 1) -> None:
        """Count events in the running tick."""
        self._current += count

    def tick(self) -> None:
        """End the running tick and judge the average anew."""
        self._buckets.append(self._current)
        self._current = 0
        self.average = sum(self._buckets) / (len(self._buckets) * self._tick_s)
        self.is_triggered = self.average >= self.limit_per_s

    @property
    def is_exceeded(self) -> bool:
        """True if the average is above the limit; `is_triggered` is also true at the limit itself."""
        return self.average > self.limit_per_s

    @property
    def rolling(self) -> int:
        """The average in whole numbers, as the HTTP headers carry it."""
        return int(self.average)


_HEAD, _TUPLE, _ATOM, _MAP = 5, 2, 2, 5
"""Bytes of the external term format: around a binary, a small tuple, a small atom, an empty map."""
_BINARY = 1 + _HEAD


class PayloadGauge:
    """Says whether a payload is over the limit, in bytes of Erlang's external term format."""

    _GROWTH = 3
    """A term is at most so many times as long as its JSON (`0.5,` is 4 bytes of JSON and 9 of the term)."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def is_exceeded_by(self, payload: object, json_bytes: int) -> bool:
        """Judge a parsed payload; `json_bytes`, its length as JSON, spares the count for small ones."""
        return json_bytes * self._GROWTH > self._max_bytes and external_size(payload) > self._max_bytes

    def is_exceeded_by_bytes(self, data: bytes, around: int = _BINARY) -> bool:
        """Judge a payload that is passed on unread; `around` is what the term has besides the bytes."""
        return len(data) + around > self._max_bytes

    def is_exceeded_by_user_broadcast(self, event: str, data: bytes, *, is_json: bool) -> bool:
        """Judge a payload of kind 3: a tuple of event, encoding, data and no metadata."""
        encoding = len("json") if is_json else len("binary")
        return self.is_exceeded_by_bytes(data, _BINARY + _TUPLE + _ATOM + encoding + _HEAD + len(event.encode()) + _MAP)


def external_size(value: object) -> int:
    """Bytes of a JSON value in Erlang's external term format."""
    return 1 + _term_size(value)


def _term_size(value: object) -> int:
    match value:
        case None:
            return 5
        case bool():
            return 6 if value else 7
        case int():
            return _integer_size(value)
        case float():
            return 9
        case str():
            return 5 + len(value.encode())
        case Mapping():
            pairs = cast("Mapping[str, object]", value)
            return 5 + sum(_term_size(key) + _term_size(item) for key, item in pairs.items())
        case Sequence():
            items = cast("Sequence[object]", value)
            return 6 + sum(_term_size(item) for item in items) if items else 1
        case _:
            raise TypeError(f"not a JSON value: {type(value).__name__}")


def _integer_size(value: int) -> int:
    if 0 <= value <= 255:
        return 2
    if -(1 << 31) <= value < (1 << 31):
        return 5
    magnitude = (abs(value).bit_length() + 7) // 8
    return (3 if magnitude <= 255 else 6) + magnitude
