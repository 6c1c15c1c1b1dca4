"""What a session knows, and what it still has to do: state, order, view and log joined. No I/O, no time.

Everybody who learns something (the reader of the channel, a heartbeat, a sync, the user) says it here.
What has to be done about it is left in `work`, as facts and not as messages: they can be said twice, in
any order and while they are being worked off, and nothing is done twice or forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from spaces_sdk.errors import SpacesError
from spaces_sdk.events import (
    ConnectionState,
    ConnectionStateChanged,
    Event,
    GapDetected,
    GapReason,
    LeftReason,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantLeft,
    RejoinRefused,
    RoomError,
    RoomJoined,
    RoomMoved,
    StateUpdated,
)
from spaces_sdk.models import JoinedRoom, Message, SyncPage
from spaces_sdk.session.event_log import EventLog
from spaces_sdk.session.lifecycle import Change, Machine, Trigger
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.paging import Paging
from spaces_sdk.session.positions import Ordering, Step, Taken
from spaces_sdk.session.stats import SessionStats, count_name
from spaces_sdk.session.view import RoomView
from spaces_sdk.session.wire import (
    DurableBroadcast,
    PassingBroadcast,
    RoomDeletedBroadcast,
    RoomMovedBroadcast,
    UnreadableBroadcast,
    parse_broadcast,
)

logger = logging.getLogger("spaces_sdk.session")

MOVING: Final = frozenset({LeftReason.KICKED, LeftReason.BANNED})
"""Whoever hears that somebody was removed hears the last step on that topic."""


@dataclass(slots=True)
class Work:
    """What has to be done before the session is whole again.

    Attributes:
        needs_sync: Something may be missing.
        is_topic_doubtful: The room has moved; the database knows where to.
        is_lease_lost: The database has forgotten this connection.
        is_deleted: The room said that it is gone.
        wants_verdict: Ask the database soon whether this session may go on.
    """

    needs_sync: bool = False
    is_topic_doubtful: bool = False
    is_lease_lost: bool = False
    is_deleted: bool = False
    wants_verdict: bool = False


class SessionCore:
    """Everything of one session that needs no waiting.

    Args:
        joined: The answer that the session starts from.
        machine: Its state; the session has fired ENTER already.
        wake: Called whenever `work` may have grown.
    """

    def __init__(
        self,
        joined: JoinedRoom,
        *,
        machine: Machine,
        options: SessionOptions,
        stats: SessionStats,
        wake: Callable[[], None],
    ) -> None:
        self.machine = machine
        self.stats = stats
        self.work = Work()
        self.room_id = joined.room.id
        self.topic = joined.topic
        self.epoch = joined.epoch
        self.view = RoomView(joined, message_count=options.message_count)
        self.run: Paging | None = None
        self.writers: dict[UUID, Callable[[Message], None]] = {}
        """Who writes a message of this session, told when it changes."""
        self._wake = wake
        self._owes_caught_up = False
        self._failing: dict[str, SpacesError] = {}
        self._ordering = Ordering(joined.head, buffer_size=options.live_buffer_size)
        # Live steps wait until the first sync, which is asked for after the channel's ok.
        self._ordering.begin()
        self.log = EventLog(
            RoomJoined(
                pos=joined.head,
                room=joined.room,
                me=joined.me,
                participants=self.view.participants,
                state=joined.state,
                messages=joined.messages,
            ),
            size=options.buffer_size,
        )

    @property
    def position(self) -> int:
        return self._ordering.position

    @property
    def state(self) -> ConnectionState:
        return self.machine.state

    @property
    def error(self) -> SpacesError | None:
        """What fails in the background just now."""
        return next(reversed(self._failing.values()), None)

    def fire(self, trigger: Trigger, reason: str = "") -> Change:
        """Move the state, and tell the readers if it changed."""
        change = self.machine.fire(trigger)
        if change.is_changed:
            self.log.append(ConnectionStateChanged(state=change.state, previous=change.previous, reason=reason))
        return change

    # -- what was learnt -------------------------------------------------------------------------------

    def suspect(self, reason: GapReason, *, needs_sync: bool = True) -> None:
        """Something may have been missed: go stale, say it once, and have it worked off."""
        self.work.needs_sync = self.work.needs_sync or needs_sync
        self.fire(Trigger.GAP, reason.value)
        if not self._owes_caught_up and self.state in (ConnectionState.STALE, ConnectionState.CATCHING_UP):
            self._owes_caught_up = True
            self.stats.gaps[reason.value] += 1
            self.log.append(GapDetected(after=self.position, reason=reason))
        self._wake()

    def lose_lease(self) -> None:
        """The database no longer knows this connection."""
        self.work.is_lease_lost = True
        self.suspect(GapReason.LEASE_EXPIRED)

    def learn_topic(self, epoch: int, topic: str, *, needs_sync: bool = True) -> None:
        """The database named the room's topic. An older answer, and one that we know, is ignored.

        Args:
            needs_sync: False inside a sync: the join of the new topic brings another one anyway.
        """
        if epoch > self.epoch:
            self.epoch, self.topic = epoch, topic
            self.suspect(GapReason.TOPIC_MOVED, needs_sync=needs_sync)
            self.log.append(RoomMoved(epoch=epoch))

    def learn_head(self, head: int) -> bool:
        """A head was seen in passing; True if it lies above all that we have."""
        return self._ordering.is_behind(head)

    def take_broadcast(self, event: str, payload: object) -> None:
        """Take one broadcast of the room's topic in. Never raises for what it says."""
        match parse_broadcast(event, payload, self.room_id):
            case DurableBroadcast(step=step, is_unknown=is_unknown, is_malformed=is_malformed):
                if is_unknown and count_name(self.stats.unknown, event):
                    logger.info("room %s: events %r are newer than this version", self.room_id, event[:60])
                if is_malformed:
                    self._count_unreadable(event)
                if self._ordering.take_next(step):
                    self.stats.live_steps += 1
                    self._tell(step)
                else:
                    self._take(self._ordering.offer(step))
            case PassingBroadcast(event=MessageChunk() as chunk, head=head):
                self._hear(chunk, head or 0)
                self._hint(head)
                self._check_chunks()
            case PassingBroadcast(event=passing, head=head):
                self.log.append(passing)
                self._hint(head)
            case RoomMovedBroadcast():
                self.work.is_topic_doubtful = True
                self.suspect(GapReason.TOPIC_MOVED)
            case RoomDeletedBroadcast():
                self.work.is_deleted = True
                self._wake()
            case UnreadableBroadcast(kind=kind, is_malformed=is_malformed):
                if is_malformed:
                    self._count_unreadable(kind)
                elif count_name(self.stats.unknown, kind):
                    logger.info("room %s: events %r are newer than this version", self.room_id, kind[:60])

    def _count_unreadable(self, kind: str) -> None:
        if count_name(self.stats.unreadable, kind):
            logger.warning("room %s: a broadcast %r could not be read", self.room_id, kind[:60])

    def _hint(self, head: int | None) -> None:
        # While a catch-up runs the steps up to that head may wait aside; its end finds what is missing.
        if head is not None and not self._ordering.is_catching_up and self._ordering.is_behind(head):
            self.suspect(GapReason.POSITION_MISSING)

    # -- catching up -----------------------------------------------------------------------------------

    def start_run(self) -> Paging:
        """The run of sync pages to work on: the unfinished one, or a new one from the position."""
        after = self._ordering.begin()
        if self.run is None:
            self.run = Paging(after=after)
        return self.run

    def asking(self, run: Paging) -> None:
        """A page of the run is about to be asked for."""
        is_first = run.to is None
        self._ordering.asking(is_first=is_first)
        if is_first:
            self.work.needs_sync = False
            self.work.is_topic_doubtful = False

    def accept(self, run: Paging, page: SyncPage) -> None:
        """Tell what a page brings.

        Raises:
            ProtocolError: The page does not fit the run; nothing was told.
        """
        before = run.copy()
        events = run.accept(page)
        before.to = run.to
        for event in events:
            if isinstance(event, MessageChunk):
                self._hear(event, run.after)
                continue
            self.view.apply(event)
            self.log.append(event, run=before)
            self._grow(event)
        self.stats.replayed += len(events)
        if not run.is_done:
            self.log.append(run.progress())
        self.learn_topic(page.epoch, page.topic, needs_sync=False)

    def finish(self, run: Paging, page: SyncPage, *, is_closing: bool) -> None:
        """The run is done: move the position, say so, then tell what came in live above it.

        Args:
            is_closing: This run closes the gap; without it `CaughtUp` is told only if the position moved.
        """
        self.run = None
        self.stats.catch_ups += 1
        caught_up = run.caught_up(page)
        taken = self._ordering.finish(caught_up.to_pos, page.head)
        self.view.apply_snapshot(page)
        is_final = is_closing and not taken.has_gap and not self.work.needs_sync
        if caught_up.to_pos > caught_up.from_pos or (is_final and self._owes_caught_up):
            self.log.append(caught_up)
        if is_final:
            self._owes_caught_up = False
        if page.state is not None and not page.state.is_active:
            self.work.wants_verdict = True
        self._take(taken)
        self._check_chunks()

    def _take(self, taken: Taken) -> None:
        self.stats.duplicates += taken.duplicates
        self.stats.live_steps += len(taken.steps)
        for step in taken.steps:
            self._tell(step)
        if taken.has_gap:
            self.suspect(GapReason.POSITION_MISSING)

    def _tell(self, step: Step) -> None:
        if step.event is None:
            self.log.move_to(step.pos)
            return
        event = step.event
        if isinstance(event, MessageReceived):
            self.view.put(event.message)
            self.log.append(event)
            self._grow(event)
            return
        self.view.apply(event, step.at)
        self.log.append(event)
        self._grow(event)
        if isinstance(event, ParticipantLeft) and event.reason in MOVING:
            self.work.is_topic_doubtful = True
            self.suspect(GapReason.TOPIC_MOVED)
        if self._is_the_end(event):
            self.work.wants_verdict = True
            self._wake()

    def _is_the_end(self, event: Event) -> bool:
        """Perhaps: the room was closed, or this user has forgotten it from another connection."""
        if isinstance(event, StateUpdated):
            return not event.state.is_active
        return (
            isinstance(event, ParticipantLeft)
            and event.reason is LeftReason.FORGOT
            and self.view.me.user_id in [gone.user_id for gone in event.participants]
        )

    # -- messages that grow ------------------------------------------------------------------------------

    def _hear(self, chunk: MessageChunk, head: int) -> None:
        """Tell what a part adds to a message, each character once and in order."""
        for added in self.view.hear(chunk, head):
            self.log.append(added)

    def _grow(self, event: Event) -> None:
        """A message was told: parts may have waited for it, and so may its writer for its end."""
        if isinstance(event, MessageReceived | MessageUpdated):
            for added in self.view.grow(event.message.id):
                self.log.append(added)
            if isinstance(event, MessageUpdated) and (tell := self.writers.get(event.message.id)) is not None:
                tell(event.message)

    def _check_chunks(self) -> None:
        # While a catch-up runs, it may bring what is missing; its end looks again.
        if not self._ordering.is_catching_up and self.view.lacks_chunks(self.position):
            self.suspect(GapReason.CHUNK_MISSING)

    # -- what goes wrong in the background ---------------------------------------------------------------

    def refused(self, code: str) -> None:
        """A rejoin was refused for now."""
        self.stats.joins_refused += 1
        self.log.append(RejoinRefused(code=code))

    def report(self, error: SpacesError, *, source: str) -> None:
        """Something failed in the background and will be tried again; a streak of one kind is told once.

        Args:
            source: What it came from; each has a streak of its own.
        """
        self.stats.errors[error.code] += 1
        is_told = any(known.code == error.code for known in self._failing.values())
        self._failing[source] = error
        if not is_told:
            self.log.append(RoomError(error=error))

    def recovered(self, source: str) -> None:
        """What failed before works again."""
        self._failing.pop(source, None)
