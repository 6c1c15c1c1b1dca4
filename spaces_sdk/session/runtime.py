"""The life of one session: enters it, keeps it running, and ends it once, whoever asks for the end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from random import Random
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import (
    ApiError,
    ConnectTimeoutError,
    NotJoinedError,
    OutcomeUnknownError,
    SessionClosedError,
    SpacesError,
    UsageError,
)
from spaces_sdk.events import ConnectionState, RoomLeft, SessionEnded
from spaces_sdk.models import JsonObject, MessageType
from spaces_sdk.session.api import RealtimePort, SessionApi
from spaces_sdk.session.catch_up import CatchUp
from spaces_sdk.session.connector import Connector
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.endings import OWN_LEAVE, Ending, failure
from spaces_sdk.session.intake import Intake
from spaces_sdk.session.lifecycle import Machine, Trigger
from spaces_sdk.session.options import SessionOptions
from spaces_sdk.session.sending import Sender
from spaces_sdk.session.stats import SessionStats
from spaces_sdk.session.tasks import TaskOwner, run_to_end
from spaces_sdk.session.writer import MessageWriter

logger = logging.getLogger("spaces_sdk.session")


class Runtime:
    """Owns every task of one session.

    Attributes:
        core: What the session knows; None until the database has admitted it.
        ending: How it ends or ended; None while it lives.
        leave_error: Why the place could not be given back; the lease runs out by itself.
    """

    def __init__(
        self,
        *,
        api: SessionApi,
        realtime: RealtimePort,
        room: str | UUID | None,
        invitation: str | None,
        display_name: str | None,
        options: SessionOptions,
        clock: Clock,
        random: Random,
    ) -> None:
        self._api = api
        self._realtime = realtime
        self._room = room
        self._invitation = invitation
        self._display_name = display_name
        self._options = options
        self._clock = clock
        self._random = random
        self._tasks = TaskOwner(on_crash=self._on_crash)
        self._wake = asyncio.Event()
        self._entry: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._intake: Intake | None = None
        self._catch_up: CatchUp | None = None
        self._room_id: UUID | None = None
        self._has_lease = False
        self.connection_id = new_id(random)
        self.stats = SessionStats()
        self.core: SessionCore | None = None
        self.ending: Ending | None = None
        self.leave_error: SpacesError | None = None
        self.sender = Sender(
            api,
            lambda: self.live_core("send").room_id,
            clock=clock,
            tasks=self._tasks,
            options=options,
            stats=self.stats,
        )
        self.machine = Machine(self.sender.notice)

    @property
    def catch_up(self) -> CatchUp:
        if self._catch_up is None:
            raise NotJoinedError("cannot use the session: it has not joined", hint="enter it with `async with`")
        return self._catch_up

    def joined_core(self, doing: str) -> SessionCore:
        """What the session knows, also after its end.

        Raises:
            NotJoinedError: It never joined, or is still joining.
        """
        core = self.core
        if core is None or self.machine.state in (ConnectionState.NEW, ConnectionState.JOINING):
            if self.ending is not None:
                raise self._closed(doing)
            raise NotJoinedError(f"cannot {doing}: the session has not joined", hint="enter it with `async with`")
        return core

    def live_core(self, doing: str) -> SessionCore:
        """What the session knows while it lives.

        Raises:
            NotJoinedError: It never joined, or is still joining.
            SessionClosedError: It has ended, or is ending.
        """
        if self.ending is not None or self.machine.is_over:
            raise self._closed(doing)
        return self.joined_core(doing)

    def writer(
        self,
        *,
        message_id: UUID | None,
        message_type: MessageType,
        metadata: JsonObject | None,
        reply_to: UUID | None,
        timeout_s: float,
    ) -> MessageWriter:
        """A message of this session that grows; see `RoomSession.stream`."""
        return MessageWriter(
            lambda: self.live_core("write a message"),
            self._api,
            message_id=message_id or new_id(self._random),
            message_type=message_type,
            metadata=metadata,
            reply_to=reply_to,
            timeout_s=timeout_s,
            options=self._options,
            clock=self._clock,
            random=self._random,
            tasks=self._tasks,
        )

    def _closed(self, doing: str) -> SessionClosedError:
        error = self.ending.error if self.ending is not None else None
        closed = SessionClosedError(
            f"cannot {doing}: the session has ended" + (f" ({error.code})" if error is not None else "")
        )
        closed.__cause__ = error
        return closed

    # -- entering --------------------------------------------------------------------------------------

    async def enter(self) -> None:
        """Join; returns when the session is LIVE. Cancelled or failed, it leaves nothing behind.

        Raises:
            UsageError: Entered before.
            SpacesError: What the join failed with.
        """
        if self.machine.state is not ConnectionState.NEW:
            raise UsageError("cannot enter the session twice", hint="make a new one with `spaces.join`")
        self.machine.fire(Trigger.ENTER)
        entry = self._entry = asyncio.create_task(self._enter(), name="session-entry")
        try:
            await asyncio.wait({entry})
        except asyncio.CancelledError:
            self.end(OWN_LEAVE)
            await self.closed()
            raise
        error = None if entry.cancelled() else entry.exception()
        if error is not None:
            self.end(failure(getattr(error, "code", "error"), error if isinstance(error, SpacesError) else None))
            await self.closed()
            raise error
        if self.ending is not None:
            await self.closed()
            ended_by = self.ending.error
            if ended_by is None:
                raise self._closed("join the room")
            raise ended_by.__cause__ if isinstance(ended_by.__cause__, SpacesError) else ended_by

    async def _enter(self) -> None:
        timeout_s = self._options.join_timeout_s
        try:
            async with deadline(self._clock, timeout_s):
                await self._join(self._clock.monotonic() + timeout_s)
        except TimeoutError:
            cause, why = None, "the database did not answer"
            if self._intake is not None and not self._intake.has_channel:
                cause, why = self._intake.link.last_error, "the database answered, Realtime did not"
            told = f"cannot join the room within {timeout_s:g} s: {why}"
            raise ConnectTimeoutError(told + (f" ({cause.message})" if cause is not None else "")) from cause

    async def _join(self, until: float) -> None:
        room_id = self._room_id = await self._find_room()
        asked_at = self._clock.monotonic()
        self._has_lease = True
        try:
            joined = await self._api.join_room(
                room_id, self._display_name, connection_id=self.connection_id, latest=self._options.latest
            )
        except ApiError as error:
            # Refused in so many words: there is no lease. A server's failure leaves that open.
            self._has_lease = error.status >= 500 or error.status == 0
            raise
        core = self.core = SessionCore(
            joined, machine=self.machine, options=self._options, stats=self.stats, wake=self._wake.set
        )
        intake = self._intake = Intake(
            core,
            api=self._api,
            realtime=self._realtime,
            connection_id=self.connection_id,
            options=self._options,
            clock=self._clock,
            random=self._random,
            tasks=self._tasks,
            end=self.end,
        )
        catch_up = self._catch_up = CatchUp(core, intake, api=self._api, clock=self._clock, end=self.end)
        connector = Connector(
            core,
            intake,
            catch_up,
            api=self._api,
            connection_id=self.connection_id,
            options=self._options,
            clock=self._clock,
            random=self._random,
            tasks=self._tasks,
            wake=self._wake,
            end=self.end,
        )
        intake.start(joined, asked_at=asked_at)
        await connector.open(until)
        self._tasks.start(connector.run(), name="connector")

    async def _find_room(self) -> UUID:
        if self._invitation is not None:
            return (await self._api.accept_invitation(self._invitation)).room.id
        if self._room is None:
            raise UsageError("cannot join: neither a room nor an invitation is given", hint="give one of them")
        if isinstance(self._room, UUID):
            return self._room
        with suppress(ValueError):
            return UUID(self._room)
        return (await self._api.get_room_by_code(self._room)).room.id

    # -- ending ----------------------------------------------------------------------------------------

    def end(self, ending: Ending) -> None:
        """End the session; the first call decides how. Returns at once, `closed` waits for it."""
        if self.ending is not None or self.machine.is_over:
            return
        self.ending = ending
        if self.core is None:
            self.machine.fire(ending.trigger)
        else:
            self.core.fire(ending.trigger, ending.reason)
            if ending.trigger is not Trigger.LEAVE:
                self.core.log.end(SessionEnded(reason=ending.reason), ending.error)
        if self._entry is None:
            self.machine.fire(Trigger.FINISHED)  # never entered: there is nothing to undo
            return
        self._closer = asyncio.create_task(self._close(ending), name="session-closer")

    async def closed(self) -> None:
        """Wait until nothing of the session runs any more, also while being cancelled."""
        if self._closer is not None:
            await run_to_end(self._closer)
            if not self._closer.cancelled():
                self._closer.result()  # what nobody expected is raised, not lost

    async def _close(self, ending: Ending) -> None:
        try:
            self.sender.close()
            await self._tasks.stop(self._entry)
            await self._tasks.cancel()
            await asyncio.gather(self._leave_channel(), self._leave_room(ending))
        finally:
            is_failure = ending.trigger is Trigger.FAIL
            self.machine.fire(Trigger.FINISHED_FAILED if is_failure else Trigger.FINISHED)
            if self.core is not None:
                self.core.log.end(RoomLeft(), None)
                self.core.log.close()

    async def _leave_channel(self) -> None:
        if self._intake is not None:
            await self._intake.link.leave(timeout_s=self._options.leave_timeout_s)

    async def _leave_room(self, ending: Ending) -> None:
        if not ending.is_polite or not self._has_lease or self._room_id is None:
            return
        try:
            async with deadline(self._clock, self._options.leave_timeout_s):
                await self._api.leave_room(
                    self._room_id, connection_id=self.connection_id, timeout_s=self._options.leave_timeout_s
                )
        except TimeoutError:
            self.leave_error = OutcomeUnknownError(
                "cannot leave the room: no answer in time",
                operation_id=self.connection_id,
                hint="the lease runs out by itself",
            )
        except SpacesError as error:
            self.leave_error = error
        if self.leave_error is not None:
            logger.info("room %s: the place was not given back: %s", self._room_id, self.leave_error.code)

    def _on_crash(self, error: Exception) -> None:
        cause = SpacesError(f"cannot go on: {error!r}", code="internal_error", hint="please report this as a bug")
        cause.__cause__ = error
        self.end(failure("internal_error", cause))


def new_id(random: Random) -> UUID:
    """A random id from the given source of chance."""
    return UUID(int=random.getrandbits(128), version=4)
