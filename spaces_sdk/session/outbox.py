"""What one session still has to send, in order, and how much of it goes into one request. No I/O."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.drafts import MessageDraft
from spaces_sdk.errors import SpacesError
from spaces_sdk.models import Message

# `insert_messages` takes 50; the size keeps one request well below what gateways accept.
BATCH_MESSAGES: Final = 50
BATCH_BYTES: Final = 256_000


@dataclass(frozen=True, slots=True)
class PendingSend:
    """A send that has no answer yet, as it stood when `session.pending` was read.

    Attributes:
        id: Of the message; a repeat with it is stored once.
        content: What it says.
        since: When `send` was called.
        is_on_its_way: The database has been asked to store it just now.
    """

    id: UUID
    content: str
    since: datetime
    is_on_its_way: bool
    _cancel: Callable[[], bool] = field(repr=False, compare=False)

    def cancel(self) -> bool:
        """Take it back: who waits for it is told `SendCancelledError`. False: it is on its way, or answered."""
        return self._cancel()


@dataclass(slots=True, eq=False)
class Outgoing:
    """One send.

    Attributes:
        answer: What its caller waits for; done early if the caller has gone.
        ends_at_s: Its deadline, by the `Stopwatch`.
        size_bytes: In the request, about.
        was_sent: It may be stored: a request with it was made, and it is not certain that it did nothing.
        is_open: An earlier request with it has lost its answer.
    """

    draft: MessageDraft
    answer: asyncio.Future[Message]
    since: datetime
    ends_at_s: float
    size_bytes: int
    was_sent: bool = False
    is_open: bool = False

    def fail(self, error: SpacesError) -> None:
        """Tell its caller."""
        if not self.answer.done():
            self.answer.set_exception(error)
            # Its caller may be gone (cancelled): then nobody reads this, and asyncio must not complain.
            self.answer.exception()

    def store(self, message: Message) -> None:
        """Tell its caller."""
        if not self.answer.done():
            self.answer.set_result(message)


class Outbox:
    """The sends that wait for their turn."""

    def __init__(self) -> None:
        self._waiting: deque[Outgoing] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Outgoing]:
        return iter(self._waiting)

    def add(self, outgoing: Outgoing) -> None:
        """Last in the row."""
        self._waiting.append(outgoing)

    def put_back(self, batch: Iterable[Outgoing]) -> None:
        """First in the row again, in their order."""
        self._waiting.extendleft(reversed([outgoing for outgoing in batch if not outgoing.answer.done()]))

    def discard(self, outgoing: Outgoing) -> bool:
        """Take one out; whether it was there."""
        if outgoing not in self._waiting:
            return False
        self._waiting.remove(outgoing)
        return True

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()

    def take(self, most: int = BATCH_MESSAGES) -> list[Outgoing]:
        """The first ones, as many as go into one request: each id once, and not too many bytes."""
        batch: list[Outgoing] = []
        ids: set[UUID] = set()
        size_bytes = 0
        while self._waiting and len(batch) < most:
            first = self._waiting[0]
            size_bytes += first.size_bytes
            if batch and (size_bytes > BATCH_BYTES or first.draft.id in ids):
                break
            self._waiting.popleft()
            if first.answer.done():
                size_bytes -= first.size_bytes
                continue
            ids.add(first.draft.id)
            batch.append(first)
        return batch


class Stopwatch:
    """Seconds that stand still while it is held; waits while it is held are `released`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counted_s = 0.0
        self._since: float | None = clock.monotonic()
        self._release: asyncio.Future[None] | None = None

    @property
    def is_held(self) -> bool:
        return self._since is None

    @property
    def elapsed_s(self) -> float:
        return self._counted_s + (0.0 if self._since is None else self._clock.monotonic() - self._since)

    def hold(self) -> None:
        """Stand still."""
        if self._since is not None:
            self._counted_s, self._since = self.elapsed_s, None

    def go_on(self) -> None:
        """Run again."""
        if self._since is None:
            self._since = self._clock.monotonic()
            if self._release is not None and not self._release.done():
                self._release.set_result(None)

    def released(self) -> asyncio.Future[None]:
        """Done when it runs again; shared, so nobody cancels it."""
        if self._release is None or self._release.done():
            self._release = asyncio.get_running_loop().create_future()
        return self._release


def size_of(draft: MessageDraft) -> int:
    """Bytes in a request, about."""
    size = 200 + len(draft.content.encode(errors="replace"))
    if draft.metadata:
        try:
            size += len(json.dumps(draft.metadata))
        except (TypeError, ValueError, RecursionError):
            return size  # it is refused before it is sent
    return size
