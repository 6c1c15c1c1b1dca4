"""Heartbeats: they keep the lease, and find what Realtime dropped without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from random import Random
from typing import Final
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import ProtocolError, SpacesError
from spaces_sdk.models import LeaseStatus
from spaces_sdk.session.api import SessionApi
from spaces_sdk.session.endings import ENDING_CODES
from spaces_sdk.session.pacing import heartbeat_pauses
from spaces_sdk.session.stats import SessionStats
from spaces_sdk.session.tasks import wait_for_event

# After a heartbeat that failed the lease is at stake: the next one follows soon.
RETRY_S: Final = 3.0
# Presence may ask for many at once.
LEAST_PAUSE_S: Final = 1.0


class Verdict(StrEnum):
    """What an answer says about a session."""

    LIVE = "live"
    AHEAD = "ahead"
    """The room's head is above our position."""
    MOVED = "moved"
    """The room has a newer topic."""
    EXPIRED = "expired"
    """The lease ran out: join again."""
    ENDED = "ended"
    """Kicked, banned, or the room is closed or gone."""


def judge(status: LeaseStatus, *, position: int, epoch: int) -> Verdict:
    """Compare an answer with what the session has. An epoch below ours is an older answer, no verdict."""
    if not status.is_live:
        # A word that we do not know: joining again gets an answer that we do.
        return Verdict.ENDED if status.status in ENDING_CODES else Verdict.EXPIRED
    if status.epoch is not None and status.topic is not None and status.epoch > epoch:
        return Verdict.MOVED
    if status.head is not None and status.head > position:
        return Verdict.AHEAD
    return Verdict.LIVE


class Heartbeats:
    """Sends them, from the join to the end of the session.

    Args:
        on_status: Called with each answer; acts on it.
        on_error: Called with what a heartbeat failed with.
    """

    def __init__(
        self,
        api: SessionApi,
        connection_id: UUID,
        *,
        clock: Clock,
        random: Random,
        stats: SessionStats,
        on_status: Callable[[LeaseStatus], None],
        on_error: Callable[[SpacesError], None],
    ) -> None:
        self._api = api
        self._connection_id = connection_id
        self._clock = clock
        self._random = random
        self._stats = stats
        self._on_status = on_status
        self._on_error = on_error
        self._interval_s = 30.0
        self._lease_s = 75.0
        self._confirmed_at = float("-inf")
        self._asked_at = float("-inf")
        self._poke = asyncio.Event()
        self._is_joined_anew = False
        self._leases = 0

    def joined(self, *, heartbeat_s: float, lease_s: float, asked_at: float) -> None:
        """A join was answered: the lease is new, and the ramp of early heartbeats starts again."""
        self._lease_s = max(0.1, lease_s)
        self._interval_s = max(0.05, min(heartbeat_s, self._lease_s / 3))
        self._confirmed_at = asked_at
        self._leases += 1
        self.restart()

    def restart(self) -> None:
        """A channel was joined: what Realtime dropped around it is found by the early heartbeats."""
        self._is_joined_anew = True
        self._poke.set()

    def check_soon(self) -> None:
        """Send one now, without waiting for its turn."""
        self._poke.set()

    @property
    def interval_s(self) -> float:
        return self._interval_s

    @property
    def lease_s(self) -> float:
        """How long a lease lasts without a heartbeat."""
        return self._lease_s

    @property
    def is_lease_fresh(self) -> bool:
        """The database confirmed the lease less than half of its length ago."""
        return self._clock.monotonic() - self._confirmed_at < self._lease_s / 2

    def doubt(self) -> None:
        """Something spoke against the lease: it counts as confirmed only after the next answer."""
        self._confirmed_at = float("-inf")

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            self._is_joined_anew = False
            self._poke.clear()
            for pause_s in heartbeat_pauses(self._interval_s):
                await self._pause(pause_s * self._random.uniform(0.9, 1.0))
                if self._is_joined_anew:
                    break
                while not await self._try_beat():
                    await self._pause(min(self._interval_s, RETRY_S) * self._random.uniform(0.5, 1.0))
                if self._is_joined_anew:
                    break

    async def beat(self) -> None:
        """Send one and act on its answer.

        Raises:
            SpacesError: It was not answered.
        """
        asked_at, leases = self._clock.monotonic(), self._leases
        self._asked_at = asked_at
        answers = await self._api.heartbeat([self._connection_id])
        status = next((answer for answer in answers if answer.connection_id == self._connection_id), None)
        if status is None:
            raise ProtocolError("cannot keep the lease: the answer does not name this connection", raw=answers)
        self._stats.heartbeats += 1
        if status.is_live:
            self._confirmed_at = max(self._confirmed_at, asked_at)
        elif leases != self._leases:
            return  # the answer is about the lease before the one that we have now
        self._on_status(status)

    async def _try_beat(self) -> bool:
        try:
            await self.beat()
        except SpacesError as error:
            self._stats.heartbeats_failed += 1
            self._on_error(error)
            return False
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait for the next one's turn, or for a reason to send it now or to begin the ramp again."""
        if not await wait_for_event(self._poke, self._clock, seconds):
            return
        self._poke.clear()
        if not self._is_joined_anew:
            await self._clock.sleep(self._asked_at + LEAST_PAUSE_S - self._clock.monotonic())
