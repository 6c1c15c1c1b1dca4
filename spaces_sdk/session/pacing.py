"""When a session rejoins after a limit and when it sends heartbeats. Generators, so that a test reads them off."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

FIRST_REJOIN_AFTER_LIMIT_S: Final = 30.0
LAST_REJOIN_AFTER_LIMIT_S: Final = 120.0
"""After the message limit has tripped, each rejoin ends at the next message, for up to a minute."""

HEARTBEAT_RAMP_S: Final = (2.0, 5.0, 15.0)
"""Seconds after a join: what Realtime dropped around the join is found early."""


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
