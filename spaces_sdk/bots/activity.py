"""Whether a bot is at work: what a test without a server waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager


class Activity:
    """Counts what is queued or running. A handler that waits for somebody, or for time, is not at work."""

    def __init__(self) -> None:
        self._count = 0
        self._parked: Counter[object] = Counter()

    @property
    def is_quiet(self) -> bool:
        return self._count == 0

    def begin(self) -> None:
        self._count += 1

    def end(self, count: int = 1) -> None:
        self._count -= count

    @contextmanager
    def parked(self, call: object) -> Generator[None]:
        """Around what a call of a handler waits for; it counts once, for however many things it waits."""
        self._parked[call] += 1
        if self._parked[call] == 1:
            self._count -= 1
        try:
            yield
        finally:
            self._parked[call] -= 1
            if not self._parked[call]:
                del self._parked[call]
                self._count += 1
