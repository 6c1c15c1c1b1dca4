"""The order of durable events: which one is next, which was had already, what is missing. No I/O.

A session at position p takes the step p+1, drops what is at or below p, and waits for a catch-up when
something above p+1 shows. While a catch-up runs, live steps are kept aside (bounded) and are taken
after it, so that nothing overtakes what the database still has to tell.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from spaces_sdk.events import Event


@dataclass(slots=True)  # not frozen: one is made for each event, and that would take three times as long
class Step:
    """One durable change as it came over the wire.

    Attributes:
        pos: The room's step that it is.
        event: What it says. None for a kind that this version does not know: it only moves the position.
        is_truncated: The content did not fit the transport; only a sync can tell it.
        at: When the database wrote it, where that is told; None if it did not say.
    """

    pos: int
    event: Event | None
    is_truncated: bool = False
    at: datetime | None = None


@dataclass(slots=True)
class Taken:
    """What may be told now, in order.

    Attributes:
        has_gap: Something at or below what we have heard of is missing; only a catch-up can bring it.
        duplicates: Steps that were had already.
    """

    steps: list[Step] = field(default_factory=list[Step])
    has_gap: bool = False
    duplicates: int = 0


class Ordering:
    """Decides for one session.

    Args:
        position: The step up to which everything is known.
        buffer_size: Live steps kept aside at most; more than that are dropped and fetched again.
    """

    def __init__(self, position: int, *, buffer_size: int = 1024) -> None:
        self._position = position
        self._buffer_size = buffer_size
        self._aside: dict[int, tuple[int, Step]] = {}
        self._arrivals = 0
        self._asked_at = 0
        self._is_catching_up = False
        self._has_dropped = False

    @property
    def position(self) -> int:
        """All steps up to this one are told or inside a catch-up that was told."""
        return self._position

    @property
    def is_catching_up(self) -> bool:
        return self._is_catching_up

    def take_next(self, step: Step) -> bool:
        """Take a live step if it is the next one and nothing waits, as nearly always; else `offer` it."""
        if (
            step.pos != self._position + 1
            or self._aside
            or self._is_catching_up
            or self._has_dropped
            or step.is_truncated
        ):
            return False
        self._position = step.pos
        return True

    def offer(self, step: Step) -> Taken:
        """A durable step came in live."""
        if step.pos <= self._position or step.pos in self._aside:
            return Taken(duplicates=1)
        self._keep(step)
        if self._is_catching_up:
            return Taken()
        return self._drain()

    def is_behind(self, head: int) -> bool:
        """A head was seen in passing (a signal, a heartbeat): does it lie above all that we have?"""
        return head > self._position

    def begin(self) -> int:
        """A catch-up starts, or goes on after a failed request; returns the position that it starts from."""
        self._is_catching_up = True
        return self._position

    def asking(self, *, is_first: bool) -> None:
        """A page is about to be asked for: whatever came in before this is inside its snapshot.

        Args:
            is_first: The page that fixes how far the catch-up reaches; what was dropped before it is in it.
        """
        self._asked_at = self._arrivals
        if is_first:
            self._has_dropped = False

    def finish(self, to: int, head: int) -> Taken:
        """The catch-up has told everything up to `to`; take what was kept aside above it.

        Args:
            to: The position that the catch-up reached.
            head: The room's counter in the last page. What is above it, does not follow at once, and came in
                before that page was asked for does not exist: the row is the truth, the broadcast a hint.
        """
        self._is_catching_up = False
        self._position = max(self._position, to)
        had = sum(1 for pos in self._aside if pos <= self._position)
        self._aside = {pos: kept for pos, kept in self._aside.items() if pos > self._position}
        # The next steps first, whatever the head: a commit is broadcast a moment before others can see it.
        taken = self._drain()
        self._aside = {
            pos: (arrival, step)
            for pos, (arrival, step) in self._aside.items()
            if not (pos > head and arrival <= self._asked_at)
        }
        taken.duplicates = had
        taken.has_gap = bool(self._aside) or self._has_dropped
        self._has_dropped = False
        return taken

    def _keep(self, step: Step) -> None:
        self._arrivals += 1
        is_next = step.pos == self._position + 1 and not self._is_catching_up
        if len(self._aside) >= self._buffer_size and not is_next:
            # The older ones are taken first; the new one and its like are fetched again.
            self._has_dropped = True
            return
        self._aside[step.pos] = (self._arrivals, step)

    def _drain(self) -> Taken:
        taken = Taken()
        while (kept := self._aside.get(self._position + 1)) is not None:
            step = kept[1]
            if step.is_truncated:
                break
            del self._aside[step.pos]
            self._position = step.pos
            taken.steps.append(step)
        taken.has_gap = bool(self._aside) or self._has_dropped
        return taken
