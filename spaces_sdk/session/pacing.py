"""When a session joins its channel again, and when it sends heartbeats. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from spaces_sdk.errors import SpacesError, TransportError
from spaces_sdk.realtime.backoff import backoff
from spaces_sdk.realtime.events import CloseReason

FIRST_REJOIN_AFTER_LIMIT_S: Final = 30.0
LAST_REJOIN_AFTER_LIMIT_S: Final = 120.0
"""After the message limit has tripped, each rejoin ends at the next message, for up to a minute."""

CALM_S: Final = 60.0
"""Live for that long, the limit that had tripped is over."""

HEARTBEAT_RAMP_S: Final = (2.0, 5.0, 15.0)
"""Seconds after a join: what Realtime dropped around the join is found early."""

_LIMIT_CODES: Final = frozenset({"too_many_channels", "too_many_users", "too_many_joins"})


def rejoins_after_limit(random: Random) -> Iterator[float]:
    """From 30 s, doubled to 2 min, each up to a quarter longer, so that a room does not come back all at once."""
    bound = FIRST_REJOIN_AFTER_LIMIT_S
    while True:
        yield min(LAST_REJOIN_AFTER_LIMIT_S, bound * random.uniform(1.0, 1.25))
        bound = min(LAST_REJOIN_AFTER_LIMIT_S, bound * 2)


def heartbeat_pauses(interval_s: float) -> Iterator[float]:
    """Pauses between the heartbeats of a session: 2, 5 and 15 s after the join, then every interval.

    No pause is longer than the interval: short leases would run out.
    """
    at_s = 0.0
    for due_s in HEARTBEAT_RAMP_S:
        if due_s - at_s >= interval_s:
            break
        yield due_s - at_s
        at_s = due_s
    while True:
        yield interval_s


class Pace:
    """Decides when the channel may be joined again. No I/O."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._joined_at = float("-inf")
        self.not_before = float("-inf")
        self.is_limited = False
        self._after_limit: Iterator[float] = iter(())
        self._after_refusal: Iterator[float] = iter(())
        self._after_loss: Iterator[float] = iter(())
        self._reset()

    def _reset(self) -> None:
        self._after_limit = rejoins_after_limit(self._random)
        # Each refusal freezes the whole socket for 5 s.
        self._after_refusal = backoff(self._random, base_s=2.0, cap_s=60.0)
        self._after_loss = backoff(self._random, base_s=0.25, cap_s=2.0)

    def joined(self, now: float) -> None:
        """A join succeeded."""
        self._joined_at = now
        self.is_limited = False

    def closed(self, reason: CloseReason, now: float) -> None:
        """A joined channel ended."""
        if now - self._joined_at >= CALM_S:
            self._reset()
        if reason is CloseReason.LIMIT_REACHED:
            self.is_limited = True
            self.not_before = now + next(self._after_limit)
        elif reason is CloseReason.SOCKET_LOST or reason is CloseReason.SERVER_RESTART:
            self.not_before = now
        else:
            self.not_before = now + next(self._after_loss)

    def failed(self, error: SpacesError, now: float) -> None:
        """A join did not succeed."""
        if error.code in _LIMIT_CODES:
            self.is_limited = True
            self.not_before = now + next(self._after_limit)
        elif isinstance(error, TransportError) and error.retryable:
            # The join has waited through a backoff of its own already.
            self.not_before = now + next(self._after_loss)
        else:
            self.not_before = now + next(self._after_refusal)
