"""Presence as a hint: when somebody's connection is gone from it, when to ask the database what is true.

The lease decides who is online. A connection that leaves presence may be back in a moment (another network, a restart
of Realtime), may have left the room, or may have crashed. So the database is asked after a grace period, and, if the
connection is still away, once more when its lease must have run out: the sweep of that heartbeat says so to the room.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from spaces_sdk.clock import Clock
from spaces_sdk.realtime.events import PresenceMap
from spaces_sdk.session.tasks import wait_for_event

LEAST_BETWEEN_S: Final = 10.0
"""Between two questions for the sake of presence, however much it flaps."""

AFTER_LEASE_S: Final = (0.5, 2.5)
"""How long after the end of a lease to ask; spread, so that one of the room's sessions sweeps for all."""

KEYS_KEPT: Final = 1000


class Absences:
    """Who is away from presence, and when to ask about it. No I/O.

    Keys are the ids of connections and nothing else is read; whose they are, the database knows.

    Args:
        own_key: Of the session itself, never asked about.
        grace_s: How long a connection may be away without a question; it is asked within twice that time.
    """

    def __init__(self, own_key: str, *, grace_s: float, random: Random) -> None:
        self._own_key = own_key
        self._grace_s = grace_s
        self._random = random
        self._present: Counter[str] = Counter()
        self._questions: dict[str, list[float]] = {}
        self._not_before = float("-inf")

    @property
    def due(self) -> float | None:
        """When to ask next; None: nobody is away."""
        first = min((times[0] for times in self._questions.values()), default=None)
        return None if first is None else max(first, self._not_before)

    def replaced(self, state: PresenceMap, *, now: float, lease_s: float) -> None:
        """All who are present, after a join; who was there before and is not is away."""
        before = set(self._present)
        self._present = Counter({key: len(state[key]) for key in list(state)[:KEYS_KEPT]})
        self._came(self._present)
        self._went(before - set(self._present), now=now, lease_s=lease_s)

    def changed(self, joins: PresenceMap, leaves: PresenceMap, *, now: float, lease_s: float) -> None:
        """What came and went; a connection that joined anew stands in both."""
        for key, metas in joins.items():
            if key in self._present or len(self._present) < KEYS_KEPT:
                self._present[key] += len(metas)
        gone: list[str] = []
        for key, metas in leaves.items():
            if key in self._present:
                self._present[key] -= len(metas)
                if self._present[key] <= 0:
                    del self._present[key]
                    gone.append(key)
        self._came(key for key in joins if key in self._present)
        self._went(gone, now=now, lease_s=lease_s)

    def take_due(self, now: float) -> bool:
        """Whether to ask now; one question is for all that are due."""
        due = self.due
        if due is None or due > now:
            return False
        self._not_before = now + LEAST_BETWEEN_S
        later = {key: [at for at in times if at > now] for key, times in self._questions.items()}
        self._questions = {key: times for key, times in later.items() if times}
        return True

    def _came(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._questions.pop(key, None)

    def _went(self, keys: Iterable[str], *, now: float, lease_s: float) -> None:
        for key in keys:
            if key != self._own_key and key not in self._questions and len(self._questions) < KEYS_KEPT:
                soon = now + self._random.uniform(self._grace_s, 2 * self._grace_s)
                self._questions[key] = [soon, max(soon, now + lease_s + self._random.uniform(*AFTER_LEASE_S))]


class PresenceWatch:
    """Asks in time, from the join to the end of the session.

    Args:
        lease_s: How long a lease lasts now.
        ask: Sends a heartbeat soon.
    """

    def __init__(
        self, absences: Absences, *, clock: Clock, lease_s: Callable[[], float], ask: Callable[[], None]
    ) -> None:
        self._absences = absences
        self._clock = clock
        self._lease_s = lease_s
        self._ask = ask
        self._news = asyncio.Event()

    def replaced(self, state: PresenceMap) -> None:
        """All who are present on a channel that was joined just now."""
        self._absences.replaced(state, now=self._clock.monotonic(), lease_s=self._lease_s())
        self._news.set()

    def changed(self, joins: PresenceMap, leaves: PresenceMap) -> None:
        """Who came and went."""
        self._absences.changed(joins, leaves, now=self._clock.monotonic(), lease_s=self._lease_s())
        self._news.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            self._news.clear()
            if self._absences.take_due(self._clock.monotonic()):
                self._ask()
            due = self._absences.due
            if due is None:
                await self._news.wait()
            else:
                await wait_for_event(self._news, self._clock, due - self._clock.monotonic())
