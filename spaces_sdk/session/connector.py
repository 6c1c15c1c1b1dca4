"""Makes a session whole, and whole again: place, channel, catch-up.

One task works off what `SessionCore.work` holds. It is driven by facts, not by messages: whatever went
wrong, in whatever order and however often it was told, it does the next thing that is missing until
nothing is, so two causes at once are one repair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import RateLimitedError, RoomFullError, SpacesError
from spaces_sdk.events import ConnectionState, GapReason
from spaces_sdk.realtime.backoff import backoff
from spaces_sdk.session.api import SessionApi
from spaces_sdk.session.catch_up import CatchUp
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.endings import Ending, failure
from spaces_sdk.session.intake import Intake
from spaces_sdk.session.lifecycle import Trigger
from spaces_sdk.session.link import speaks_against_lease
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.tasks import TaskOwner, wait_for_event


class Connector:
    """Joins, rejoins, follows and catches up for one session.

    Args:
        wake: Set whenever `core.work` may have grown.
        end: Ends the session; may be called from anywhere, more than once.
    """

    def __init__(
        self,
        core: SessionCore,
        intake: Intake,
        catch_up: CatchUp,
        *,
        api: SessionApi,
        connection_id: UUID,
        options: SessionOptions,
        clock: Clock,
        random: Random,
        tasks: TaskOwner,
        wake: asyncio.Event,
        end: Callable[[Ending], None],
    ) -> None:
        self._core = core
        self._intake = intake
        self._link = intake.link
        self._heartbeats = intake.heartbeats
        self._catch_up = catch_up
        self._api = api
        self._connection_id = connection_id
        self._options = options
        self._clock = clock
        self._random = random
        self._tasks = tasks
        self._wake = wake
        self._end = end
        self._refused_since: float | None = None

    # -- entering --------------------------------------------------------------------------------------

    async def open(self, until: float) -> None:
        """Bring a session that has its place to LIVE for the first time.

        Args:
            until: When the caller gives up. The channel gives up a little before, so that its reason is told.

        Raises:
            SpacesError: The channel or the database refused, or did not answer.
        """
        while True:
            if self._core.work.is_lease_lost:
                await self._rejoin()
            if not self._intake.has_channel:
                await self._clock.sleep(self._link.pace.not_before - self._clock.monotonic())
                left_s = until - self._clock.monotonic() - 0.2
                try:
                    await self._join_channel(timeout_s=min(left_s, self._options.channel_timeout_s))
                except SpacesError as error:
                    self._core.stats.joins_refused += 1
                    if error.retryable:
                        continue
                    # The database knows better why: kicked meanwhile, deleted meanwhile.
                    await self._catch_up.read_all(is_closing=False)
                    raise
            await self._catch_up.read_all(is_closing=False)
            if self._is_whole():
                self._core.fire(Trigger.SYNCED)
                return

    # -- repairing -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work off whatever turns up, until cancelled."""
        pauses = backoff(self._random, base_s=0.25, cap_s=2.0)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._core.machine.is_active and not (self._core.state is ConnectionState.LIVE and self._is_whole()):
                try:
                    await self._repair()
                except SpacesError as error:
                    self._intake.take_error(error, source="database")
                    self._core.fire(Trigger.INTERRUPTED, error.code)
                    await self._clock.sleep(max(next(pauses), getattr(error, "retry_after_s", 0.0)))
                else:
                    pauses = backoff(self._random, base_s=0.25, cap_s=2.0)

    def _is_whole(self) -> bool:
        work = self._core.work
        return (
            self._intake.has_channel
            and self._catch_up.is_complete
            and not (work.needs_sync or work.is_topic_doubtful or work.is_lease_lost)
        )

    async def _repair(self) -> None:
        """Do the next thing that is missing; return when something has changed."""
        core = self._core
        if core.work.is_lease_lost:
            core.fire(Trigger.INTERRUPTED, GapReason.LEASE_EXPIRED.value)
            await self._rejoin()
            return
        if not self._intake.has_channel or core.work.is_topic_doubtful:
            core.fire(Trigger.INTERRUPTED, "no_channel")
            # The database first: it tells at once what was missed, and names the topic that may be joined.
            await self._catch_up.read_all(is_closing=False)
            if not self._intake.has_channel and not await self._obtain_channel():
                return
        if core.state is ConnectionState.DEGRADED:
            core.fire(Trigger.CHANNEL_JOINED)
        else:
            core.fire(Trigger.SYNC_STARTED)
        await self._catch_up.read_all(is_closing=True)
        if self._is_whole():
            core.fire(Trigger.SYNCED)

    async def _join_channel(self, *, timeout_s: float) -> None:
        has_presence = self._options.has_presence(self._core.view.room.max_participants)
        await self._link.join(
            self._core.topic,
            presence_key=str(self._connection_id) if has_presence else None,
            timeout_s=max(0.05, timeout_s),
        )
        self._core.stats.channel_joins += 1
        self._heartbeats.restart()

    # -- without a channel -----------------------------------------------------------------------------

    async def _obtain_channel(self) -> bool:
        """Join the topic that the database named; meanwhile live by polling. False if something else comes first."""
        core = self._core
        topic = core.topic
        attempt: asyncio.Task[None] | None = None
        # After a limit there is no use in waiting; else the channel is mostly back before the first poll.
        poll_at = self._clock.monotonic() + (0.0 if self._link.pace.is_limited else self._poll_pause())
        try:
            while core.topic == topic and not core.work.is_lease_lost:
                # Cleared before the facts are looked at: what is said meanwhile wakes us again.
                self._wake.clear()
                if self._link.topic == topic:
                    return True
                if attempt is None or attempt.done():
                    attempt = await self._start_attempt()
                now = self._clock.monotonic()
                if now >= poll_at or core.work.needs_sync:
                    await self._poll()
                    poll_at = self._clock.monotonic() + self._poll_pause()
                    continue
                due = poll_at if attempt is not None else min(poll_at, self._link.pace.not_before)
                await wait_for_event(self._wake, self._clock, max(0.0, due - now))
            return False
        finally:
            await self._tasks.stop(attempt)

    def _poll_pause(self) -> float:
        return self._random.uniform(*self._options.poll_interval_s)

    async def _start_attempt(self) -> asyncio.Task[None] | None:
        if self._clock.monotonic() < self._link.pace.not_before:
            return None
        if not self._heartbeats.is_lease_fresh:
            # A join without a live lease is refused, and a refusal stops the whole socket for 5 s.
            await self._heartbeats.beat()
            if self._core.work.is_lease_lost:
                return None
        return self._tasks.start(self._attempt(), name="channel-join")

    async def _attempt(self) -> None:
        try:
            await self._join_channel(timeout_s=self._options.channel_timeout_s)
        except SpacesError as error:
            self._core.stats.joins_refused += 1
            if speaks_against_lease(error):
                self._heartbeats.doubt()
            self._intake.take_error(error, source="channel")
        else:
            self._core.recovered("channel")
        finally:
            self._wake.set()

    async def _poll(self) -> None:
        core = self._core
        core.fire(Trigger.SYNC_STARTED)
        core.stats.polls += 1
        await self._catch_up.read_all(is_closing=True)
        if not self._intake.has_channel:
            core.fire(Trigger.SYNCED_WITHOUT_CHANNEL, "limit_reached" if self._link.pace.is_limited else "no_channel")

    # -- the place in the room -------------------------------------------------------------------------

    async def _rejoin(self) -> None:
        """Have the lease again; while the room is full keep reading, and try until `rejoin_timeout_s`."""
        core = self._core
        pauses = backoff(self._random, base_s=2.0, cap_s=10.0)
        while True:
            asked_at = self._clock.monotonic()
            try:
                joined = await self._api.join_room(core.room_id, None, connection_id=self._connection_id, latest=1)
            except RoomFullError as error:
                self._refused_since = asked_at if self._refused_since is None else self._refused_since
                core.refused(error.code)
                if self._clock.monotonic() - self._refused_since >= self._options.rejoin_timeout_s:
                    self._end(failure(error.code, error, is_polite=False))
                    return
                await self._clock.sleep(max(1.0, next(pauses)))
                await self._catch_up.read_all(is_closing=False)
            except RateLimitedError as error:
                core.refused(error.code)
                await self._clock.sleep(error.retry_after_s)
            else:
                self._refused_since = None
                core.work.is_lease_lost = False
                core.stats.rejoins += 1
                self._heartbeats.joined(heartbeat_s=joined.heartbeat_s, lease_s=joined.lease_s, asked_at=asked_at)
                core.learn_topic(joined.epoch, joined.topic)
                core.work.needs_sync = True
                return
