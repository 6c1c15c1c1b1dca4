"""Whether a bot is at work: what a test without a server waits for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class Activity:
    """Counts what is queued or running. A handler that waits for somebody, or for time, is not at work."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def is_quiet(self) -> bool:
        return self._count == 0

    def begin(self) -> None:
        self._count += 1

    def end(self, count: int = 1) -> None:
        self._count -= count

    @contextmanager
    def parked(self) -> Generator[None]:
        """Around what a handler waits for."""
        self._count -= 1
        try:
            yield
        finally:
            self._count += 1
