"""Makes a session whole, and whole again: place, channel, catch-up.

One task works off what `SessionCore.work` holds. It is driven by facts, not by messages: whatever went
wrong, in whatever order and however often it was told, it does the next thing that is missing until
nothing is, so two causes at once are one repair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import (
    ConnectionLostError,
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
    RoomFullError,
    SpacesError,
)
from spaces_sdk.events import ConnectionState, GapReason
from spaces_sdk.models import JoinedRoom, LeaseStatus, SyncPage
from spaces_sdk.realtime.backoff import backoff
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session.api import RealtimePort, SessionApi
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.endings import Ending, ending_of, failure, removal
from spaces_sdk.session.heartbeats import Heartbeats, Verdict, judge
from spaces_sdk.session.lifecycle import Trigger
from spaces_sdk.session.link import Link, speaks_against_lease
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.paging import Paging
from spaces_sdk.session.presence_watch import Absences, PresenceWatch
from spaces_sdk.session.tasks import TaskOwner, wait_for_event

GAP_OF_CLOSE: Final = {
    CloseReason.SOCKET_LOST: GapReason.SOCKET_LOST,
    CloseReason.SERVER_RESTART: GapReason.SOCKET_LOST,
    CloseReason.LIMIT_REACHED: GapReason.LIMIT_REACHED,
}

# A commit is broadcast when it is flushed and seen by others a moment later; while a synchronous standby is slow,
# seconds later. A database that was set back to an earlier time never knows the step.
VISIBLE_WITHIN_S: Final = 60.0


class Connector:
    """Joins, rejoins, follows and catches up for one session.

    Args:
        wake: Set whenever `core.work` may have grown.
        end: Ends the session; may be called from anywhere, more than once.
    """

    def __init__(
        self,
        core: SessionCore,
        joined: JoinedRoom,
        *,
        api: SessionApi,
        realtime: RealtimePort,
        connection_id: UUID,
        options: SessionOptions,
        clock: Clock,
        random: Random,
        tasks: TaskOwner,
        wake: asyncio.Event,
        end: Callable[[Ending], None],
        asked_at: float,
    ) -> None:
        self._core = core
        self._api = api
        self._connection_id = connection_id
        self._options = options
        self._clock = clock
        self._random = random
        self._tasks = tasks
        self._wake = wake
        self._end = end
        self._synced_join = 0
        self._ahead_at: int | None = None
        self.last_error: SpacesError | None = None
        self._refused_since: float | None = None
        self.heartbeats = Heartbeats(
            api,
            connection_id,
            clock=clock,
            random=random,
            stats=core.stats,
            on_status=self._on_status,
            on_error=lambda error: self._on_error(error, "heartbeat"),
        )
        self.presence = PresenceWatch(
            Absences(str(connection_id), grace_s=options.presence_grace_s, random=random),
            clock=clock,
            lease_s=lambda: self.heartbeats.lease_s,
            ask=self.heartbeats.check_soon,
        )
        self.link = Link(
            realtime,
            clock=clock,
            random=random,
            tasks=tasks,
            on_broadcast=self._on_broadcast,
            on_gap=lambda: core.suspect(GapReason.BUFFER_OVERFLOW),
            presence=self.presence,
            on_closed=self._on_closed,
        )
        self.heartbeats.joined(heartbeat_s=joined.heartbeat_s, lease_s=joined.lease_s, asked_at=asked_at)

    # -- what comes in ---------------------------------------------------------------------------------

    def _on_broadcast(self, event: str, payload: object) -> None:
        self._core.take_broadcast(event, payload)
        if self._core.work.is_deleted:
            self._end(removal("room_not_found"))
        self._ask_for_verdict()

    def _ask_for_verdict(self) -> None:
        if self._core.work.wants_verdict:
            self._core.work.wants_verdict = False
            self.heartbeats.check_soon()

    def _on_closed(self, reason: CloseReason, message: str) -> None:
        self.last_error = ConnectionLostError(f"Realtime closed the channel ({reason}): {message}")
        if reason is CloseReason.PERMISSION_LOST:
            self.heartbeats.doubt()
        self._core.suspect(GAP_OF_CLOSE.get(reason, GapReason.CHANNEL_CLOSED))

    def _on_status(self, status: LeaseStatus) -> None:
        core = self._core
        core.recovered("heartbeat")
        self._check_database_knows_us(status.head)
        match judge(status, position=core.position, epoch=core.epoch):
            case Verdict.ENDED:
                self._end(removal(status.status))
            case Verdict.EXPIRED:
                core.lose_lease()
            case Verdict.MOVED:
                core.learn_topic(status.epoch or 0, status.topic or "")
            case Verdict.AHEAD:
                self._tasks.start(self._doubt_position(status.head or 0), name="heartbeat-ahead")
            case Verdict.LIVE:
                pass

    def _check_database_knows_us(self, head: int | None) -> None:
        """A database that was set back goes on counting from there, and its steps would all look like duplicates."""
        position, known = self._core.position, self._ahead_at
        # An answer may be older than what came in while it was on its way; what was had before it was asked for is not.
        self._ahead_at = position if head is not None and head < position else None
        if head is not None and known is not None and head < known:
            self._core.suspect(GapReason.DATABASE_BEHIND)

    async def _doubt_position(self, head: int) -> None:
        """A live event may be on its way still: only what has not come a moment later is missing."""
        await self._clock.sleep(min(self._options.heartbeat_grace_s, self.heartbeats.interval_s / 2))
        if self._core.learn_head(head):
            self._core.suspect(GapReason.HEARTBEAT_AHEAD)

    def _on_error(self, error: SpacesError, source: str = "database") -> None:
        if (ending := ending_of(error)) is not None:
            self._end(ending)
        else:
            self._core.report(error, source=source)

    # -- entering --------------------------------------------------------------------------------------

    @property
    def has_channel(self) -> bool:
        """The channel of the topic that the database named is joined."""
        return self.link.topic == self._core.topic

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
            if self.link.topic != self._core.topic:
                await self._clock.sleep(self.link.pace.not_before - self._clock.monotonic())
                left_s = until - self._clock.monotonic() - 0.2
                try:
                    await self._join_channel(timeout_s=min(left_s, self._options.channel_timeout_s))
                except SpacesError as error:
                    self._core.stats.joins_refused += 1
                    self.last_error = error
                    if error.retryable:
                        continue
                    # The database knows better why: kicked meanwhile, deleted meanwhile.
                    await self._catch_up(is_closing=False)
                    raise
            await self._catch_up(is_closing=False)
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
                    self._on_error(error)
                    self._core.fire(Trigger.INTERRUPTED, error.code)
                    await self._clock.sleep(max(next(pauses), getattr(error, "retry_after_s", 0.0)))
                else:
                    pauses = backoff(self._random, base_s=0.25, cap_s=2.0)

    def _is_whole(self) -> bool:
        work = self._core.work
        return (
            self.link.topic == self._core.topic
            and self._core.run is None
            and self._synced_join == self.link.joins
            and not (work.needs_sync or work.is_topic_doubtful or work.is_lease_lost)
        )

    async def _repair(self) -> None:
        """Do the next thing that is missing; return when something has changed."""
        core = self._core
        if core.work.is_lease_lost:
            core.fire(Trigger.INTERRUPTED, GapReason.LEASE_EXPIRED.value)
            await self._rejoin()
            return
        if self.link.topic != core.topic or core.work.is_topic_doubtful:
            core.fire(Trigger.INTERRUPTED, "no_channel")
            # The database first: it tells at once what was missed, and names the topic that may be joined.
            await self._catch_up(is_closing=False)
            if self.link.topic != core.topic and not await self._obtain_channel():
                return
        if core.state is ConnectionState.DEGRADED:
            core.fire(Trigger.CHANNEL_JOINED)
        else:
            core.fire(Trigger.SYNC_STARTED)
        await self._catch_up(is_closing=True)
        if self._is_whole():
            core.fire(Trigger.SYNCED)

    async def _catch_up(self, *, is_closing: bool) -> None:
        """Read everything up to the database's head, page by page. Goes on where a failed one stopped."""
        core = self._core
        while True:
            run = core.start_run()
            if run.to is None:
                run.join = self.link.joins if self.link.topic == core.topic else 0
            page: SyncPage | None = None
            while page is None or not run.is_done:
                core.asking(run)
                page = await self.read_page(run)
                core.accept(run, page)
            # A run that began before the channel's ok does not know what fell between the two.
            is_closing_run = is_closing and (self.link.topic != core.topic or run.join == self.link.joins)
            core.finish(run, page, is_closing=is_closing_run)
            core.recovered("database")
            self._synced_join = run.join
            self._ask_for_verdict()
            if not core.work.needs_sync or core.work.is_lease_lost or self.link.topic != core.topic:
                return

    async def read_page(self, run: Paging) -> SyncPage:
        """The next page of a run, for the session or for one of its readers.

        Raises:
            SpacesError: It could not be read; what ends the session has ended it already.
        """
        try:
            return await self._api.sync_room(self._core.room_id, run.after, to=run.to, cursor=run.cursor)
        except InvalidRequestError as error:
            now = self._clock.monotonic()
            run.refused_since = now if run.refused_since is None else run.refused_since
            if run.cursor is not None or now - run.refused_since > VISIBLE_WITHIN_S:
                raise
            raise ProtocolError(
                f"cannot catch up: the database does not know step {run.to or run.after} yet"
            ) from error
        except SpacesError as error:
            if (ending := ending_of(error)) is not None and ending.trigger is Trigger.REMOVED:
                self._end(ending)
            raise

    async def _join_channel(self, *, timeout_s: float) -> None:
        has_presence = self._options.has_presence(self._core.view.room.max_participants)
        await self.link.join(
            self._core.topic,
            presence_key=str(self._connection_id) if has_presence else None,
            timeout_s=max(0.05, timeout_s),
        )
        self._core.stats.channel_joins += 1
        self.heartbeats.restart()

    # -- without a channel -----------------------------------------------------------------------------

    async def _obtain_channel(self) -> bool:
        """Join the topic that the database named; meanwhile live by polling. False if something else comes first."""
        core = self._core
        topic = core.topic
        attempt: asyncio.Task[None] | None = None
        # After a limit there is no use in waiting; else the channel is mostly back before the first poll.
        poll_at = self._clock.monotonic() + (0.0 if self.link.pace.is_limited else self._poll_pause())
        try:
            while core.topic == topic and not core.work.is_lease_lost:
                # Cleared before the facts are looked at: what is said meanwhile wakes us again.
                self._wake.clear()
                if self.link.topic == topic:
                    return True
                if attempt is None or attempt.done():
                    attempt = await self._start_attempt()
                now = self._clock.monotonic()
                if now >= poll_at or core.work.needs_sync:
                    await self._poll()
                    poll_at = self._clock.monotonic() + self._poll_pause()
                    continue
                due = poll_at if attempt is not None else min(poll_at, self.link.pace.not_before)
                await wait_for_event(self._wake, self._clock, max(0.0, due - now))
            return False
        finally:
            await self._tasks.stop(attempt)

    def _poll_pause(self) -> float:
        return self._random.uniform(*self._options.poll_interval_s)

    async def _start_attempt(self) -> asyncio.Task[None] | None:
        if self._clock.monotonic() < self.link.pace.not_before:
            return None
        if not self.heartbeats.is_lease_fresh:
            # A join without a live lease is refused, and a refusal stops the whole socket for 5 s.
            await self.heartbeats.beat()
            if self._core.work.is_lease_lost:
                return None
        return self._tasks.start(self._attempt(), name="channel-join")

    async def _attempt(self) -> None:
        try:
            await self._join_channel(timeout_s=self._options.channel_timeout_s)
        except SpacesError as error:
            self._core.stats.joins_refused += 1
            if speaks_against_lease(error):
                self.heartbeats.doubt()
            self._on_error(error, "channel")
        else:
            self._core.recovered("channel")
        finally:
            self._wake.set()

    async def _poll(self) -> None:
        core = self._core
        core.fire(Trigger.SYNC_STARTED)
        core.stats.polls += 1
        await self._catch_up(is_closing=True)
        if self.link.topic != core.topic:
            core.fire(Trigger.SYNCED_WITHOUT_CHANNEL, "limit_reached" if self.link.pace.is_limited else "no_channel")

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
                await self._catch_up(is_closing=False)
            except RateLimitedError as error:
                core.refused(error.code)
                await self._clock.sleep(error.retry_after_s)
            else:
                self._refused_since = None
                core.work.is_lease_lost = False
                core.stats.rejoins += 1
                self.heartbeats.joined(heartbeat_s=joined.heartbeat_s, lease_s=joined.lease_s, asked_at=asked_at)
                core.learn_topic(joined.epoch, joined.topic)
                core.work.needs_sync = True
                return
