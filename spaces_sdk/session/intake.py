"""What a session hears: broadcasts of its channel, answers to heartbeats, presence, and what fails meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.errors import SpacesError
from spaces_sdk.events import GapReason
from spaces_sdk.models import JoinedRoom, LeaseStatus
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session.api import RealtimePort, SessionApi
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.endings import Ending, ending_of, removal
from spaces_sdk.session.heartbeats import Heartbeats, Verdict, judge
from spaces_sdk.session.link import Link
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.presence_watch import Absences, PresenceWatch
from spaces_sdk.session.tasks import TaskOwner

GAP_OF_CLOSE: Final = {
    CloseReason.SOCKET_LOST: GapReason.SOCKET_LOST,
    CloseReason.SERVER_RESTART: GapReason.SOCKET_LOST,
    CloseReason.LIMIT_REACHED: GapReason.LIMIT_REACHED,
}


class Intake:
    """Owns what a session hears by, and tells its core what that means.

    Args:
        end: Ends the session; may be called from anywhere, more than once.
    """

    def __init__(
        self,
        core: SessionCore,
        *,
        api: SessionApi,
        realtime: RealtimePort,
        connection_id: UUID,
        options: SessionOptions,
        clock: Clock,
        random: Random,
        tasks: TaskOwner,
        end: Callable[[Ending], None],
    ) -> None:
        self._core = core
        self._options = options
        self._clock = clock
        self._tasks = tasks
        self._end = end
        self._ahead_at: int | None = None
        self.heartbeats = Heartbeats(
            api,
            connection_id,
            clock=clock,
            random=random,
            stats=core.stats,
            on_status=self._on_status,
            on_error=lambda error: self.take_error(error, source="heartbeat"),
        )
        self._presence = PresenceWatch(
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
            presence=self._presence,
            on_closed=self._on_closed,
        )

    def start(self, joined: JoinedRoom, *, asked_at: float) -> None:
        """The session has its place: keep it, and watch who else has theirs.

        Args:
            asked_at: When the database was asked for the place, by the clock.
        """
        self.heartbeats.joined(heartbeat_s=joined.heartbeat_s, lease_s=joined.lease_s, asked_at=asked_at)
        self._tasks.start(self.heartbeats.run(), name="heartbeats")
        self._tasks.start(self._presence.run(), name="presence-watch")

    @property
    def has_channel(self) -> bool:
        """The channel of the topic that the database named is joined."""
        return self.link.topic == self._core.topic

    def take_error(self, error: SpacesError, *, source: str) -> None:
        """Something failed in the background: it ends the session, or is told and tried again."""
        if (ending := ending_of(error)) is not None:
            self._end(ending)
        else:
            self._core.report(error, source=source)

    def ask_for_verdict(self) -> None:
        """Ask the database soon whether the session may go on, if something has put that in doubt."""
        if self._core.work.wants_verdict:
            self._core.work.wants_verdict = False
            self.heartbeats.check_soon()

    # -- the channel -----------------------------------------------------------------------------------

    def _on_broadcast(self, event: str, payload: object) -> None:
        self._core.take_broadcast(event, payload)
        if self._core.work.is_deleted:
            self._end(removal("room_not_found"))
        self.ask_for_verdict()

    def _on_closed(self, reason: CloseReason) -> None:
        if reason is CloseReason.PERMISSION_LOST:
            self.heartbeats.doubt()
        self._core.suspect(GAP_OF_CLOSE.get(reason, GapReason.CHANNEL_CLOSED))

    # -- heartbeats ------------------------------------------------------------------------------------

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
