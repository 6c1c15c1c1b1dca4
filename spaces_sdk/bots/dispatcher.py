"""A bot in one room: takes the room's events and brings them to the handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

from spaces_sdk.bots.activity import Activity
from spaces_sdk.bots.claimer import Claimer
from spaces_sdk.bots.context import Context, RoomTools
from spaces_sdk.bots.errors import ModelError
from spaces_sdk.bots.growing import GrowingMessages
from spaces_sdk.bots.handlers import Handlers, RoomHook, Timer
from spaces_sdk.bots.insisting import insist
from spaces_sdk.bots.lanes import Call, Lane, Work, guarded
from spaces_sdk.bots.port import SessionPort
from spaces_sdk.bots.recent import Missed, MissedBounds, find_missed
from spaces_sdk.bots.routing import Routed, Router, is_step, name_of
from spaces_sdk.bots.timers import Timers
from spaces_sdk.bots.waiting import Waiters
from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import SessionClosedError, SpacesError
from spaces_sdk.events import CaughtUp, Event, MessageReceived, MessageUpdated, RoomJoined, StateUpdated
from spaces_sdk.models import RoomState
from spaces_sdk.session.endings import ENDING_CODES
from spaces_sdk.session.tasks import TaskOwner
from spaces_sdk.turns import ClaimedTurn

logger = logging.getLogger("spaces_sdk.bots")

CLOSE_HOOKS_S: Final = 5.0
SHORTEST_PATIENCE_S: Final = 60.0
"""Some leases: a bot that makes up for nothing still takes over from a process that dies."""
SESSION_HEARS_S: Final = 5.0
"""That the bot is out of the room: at once where it is live, else when it asks the database next."""
HANDLERS_END_S: Final = 5.0
"""For what a handler still does when it is cancelled."""


class Dispatcher:
    """Reads the events of a session until they end. It never waits for a handler, so the reader is never behind.

    Attributes:
        activity: Whether anything is queued or running.
        dropped: Calls that were lost to handlers that were too slow.
    """

    def __init__(
        self,
        handlers: Handlers,
        session: SessionPort,
        clock: Clock,
        *,
        missed: MissedBounds | None = None,
        on_unhandled: Callable[[Exception], None] | None = None,
    ) -> None:
        self._on_unhandled = on_unhandled
        self._handlers = handlers
        self._session = session
        self._clock = clock
        self._bounds = missed or MissedBounds()
        self.activity = Activity()
        self._waiters = Waiters(clock)
        self._tools = RoomTools(session, clock, self.activity, self._waiters)
        self._tasks = TaskOwner(on_crash=on_unhandled or _log_crash)
        patience_s = max(self._bounds.within_s, SHORTEST_PATIENCE_S)
        self._claimer = Claimer(session, clock, self._tasks, patience_s=patience_s)
        self._router = Router(handlers, self._tools, clock)
        self._growing = GrowingMessages(self._claimer.ledger, self._router.may_want)
        self._timers = Timers(handlers.timers, self._tick, self._claimer, clock, self._tasks)
        self._lanes: dict[object, Lane] = {}
        self._picked_at = 0
        self._is_ready = False
        self._is_ending = False

    @property
    def dropped(self) -> int:
        return sum(lane.dropped for lane in self._lanes.values())

    async def run(self) -> None:
        """Serve the room until the bot has left it.

        Cancelled, it ends its handlers, gives their turns back, and calls `on_close`: at most 5 s each.

        Raises:
            RemovedError: The session was ended from outside.
        """
        try:
            async for event in self._session.events():
                if isinstance(event, RoomJoined) and not self._is_ready:
                    await self._enter(event)
                else:
                    self._take(event)
        finally:
            self._is_ending = True
            self._waiters.close()
            await self._end_handlers()
            await self._claimer.close()
            await self._closing()

    async def _end_handlers(self) -> None:
        """One that goes on in spite of its cancellation keeps the bot in the room no longer."""
        with suppress(TimeoutError):
            async with deadline(self._clock, HANDLERS_END_S):
                await self._tasks.cancel()
                return
        logger.error("handlers are left behind: %g s after their cancellation they go on", HANDLERS_END_S)

    async def _closing(self) -> None:
        with suppress(TimeoutError):
            async with deadline(self._clock, CLOSE_HOOKS_S):
                for hook in self._handlers.close if self._is_ready else ():
                    ctx = self._context(hook)
                    await guarded(ctx, _bound(hook, ctx), self._report)

    # -- coming in -------------------------------------------------------------------------------------

    async def _enter(self, joined: RoomJoined) -> None:
        """What a replica does first: what nobody has done yet."""
        self._is_ready = True
        self._waiters.tell(joined)
        for hook in self._handlers.ready:
            self._put(Routed(hook, name_of(hook), Work(self._begin(hook))))
        self._put_all(self._router.of_event(joined))
        self.activity.begin()
        try:
            missed = await self._find_missed(joined)
        except SessionClosedError:
            return  # the next event says why
        finally:
            self.activity.end()
        if missed.messages or missed.begun:
            logger.info(
                "room %s: handles what was missed (%d) and what was begun (%d)",
                joined.room.room_code,
                len(missed.messages),
                len(missed.begun),
            )
        for message, purposes in missed.begun:
            event = MessageReceived(pos=message.seq, is_replayed=True, message=message)
            self._take_missed(event, only=purposes)
        for message in missed.messages:
            self._take_missed(MessageReceived(pos=message.seq, is_replayed=True, message=message))
        self._take_pick(joined.state)
        self._claimer.ledger.see(joined.pos or 0)
        self._timers.start()

    async def _find_missed(self, joined: RoomJoined) -> Missed:
        head = joined.pos or 0
        takes_turns = self._handlers.turn is not None
        entry = await insist(lambda: self._session.enter_turns(takes_turns=takes_turns, position=head), self._clock)
        since = self._clock.now() - timedelta(seconds=self._bounds.within_s)
        return await insist(
            lambda: find_missed(self._session, entry, joined.messages, head, since, self._bounds.count), self._clock
        )

    def _take_missed(self, event: MessageReceived, only: frozenset[str] | None = None) -> None:
        """As an event, for what is claimed; what each replica counts for itself did not happen to this one."""
        message = self._growing.whole(event)
        routed = [*self._router.of_event(event)]
        if message is not None and not self._router.is_own(event):
            routed += self._router.of_message(message)
        for each in routed:
            claim = each.work.wanted
            if claim is not None and (only is None or claim.purpose in only):
                each.work.is_missed = True
                self._put(each)

    # -- events ----------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        is_own, is_stale = self._router.is_own(event), self._is_stale(event)
        if not is_own:
            self._waiters.tell(event)
        routed = [*self._router.of_event(event)]
        message = self._growing.whole(event)
        if message is not None and not is_own:
            routed += self._router.of_message(message)
        self._put_all(r for r in routed if not (is_stale and r.work.wanted))
        if message is not None:
            self._growing.settle(message)
        match event:
            case StateUpdated(state=state):
                self._take_pick(state)
            case CaughtUp(to_pos=position, state=state):
                self._take_pick(state)
                self._claimer.ledger.see(position)
            case _:
                pass
        if event.pos is not None and is_step(event) and not event.is_replayed:
            self._claimer.ledger.see(event.pos)

    def _is_stale(self, event: Event) -> bool:
        """Said so long ago, while the session was away, that nobody waits for an answer any more."""
        if not event.is_replayed or not isinstance(event, MessageReceived | MessageUpdated):
            return False
        return event.message.updated_at < self._clock.now() - timedelta(seconds=self._bounds.within_s)

    def _take_pick(self, state: RoomState) -> None:
        if state.turn is not None and state.turn.position > self._picked_at:
            self._picked_at = state.turn.position
            self._put_all(self._router.of_pick(state.turn))

    def _put_all(self, routed: Iterable[Routed]) -> None:
        for each in routed:
            self._put(each)

    def _put(self, routed: Routed) -> None:
        lane = self._lanes.get(routed.handler)
        if lane is None:
            room = self._session.current_room
            name = f"{routed.name} in {room.room_code}" if room is not None else routed.name
            lane = self._lanes[routed.handler] = Lane(
                name, self._tasks, self.activity, self._report, self._claimer, self._clock
            )
        lane.put(routed.work)

    def _begin(self, hook: RoomHook) -> Callable[[ClaimedTurn | None], tuple[Context, Call]]:
        def begin(_: ClaimedTurn | None) -> tuple[Context, Call]:
            ctx = self._context(hook)
            return ctx, _bound(hook, ctx)

        return begin

    async def _tick(self, timer: Timer) -> None:
        ctx = self._context(timer.function)
        self.activity.begin()
        try:
            await guarded(ctx, _bound(timer.function, ctx), self._report)
        finally:
            self.activity.end()

    def _context(self, hook: RoomHook) -> Context:
        return Context(self._tools, handler=name_of(hook))

    async def _report(self, ctx: Context, error: Exception) -> None:
        """To the bot's `on_error`, or to the log; no end of the session, of which the runner tells."""
        if isinstance(error, SessionClosedError):
            logger.info("%s has ended with its session: %s", ctx.handler, error)
        elif isinstance(error, SpacesError) and error.code in ENDING_CODES and not self._is_ending:
            self._tasks.start(self._report_later(ctx, error), name=f"bot-removed {ctx.handler}")
        else:
            await self._tell(ctx, error)

    async def _report_later(self, ctx: Context, error: SpacesError) -> None:
        """Perhaps the bot is out of this room: then the session hears it in a moment, and this ends with all handlers.

        Else it was of another room.
        """
        await self._clock.sleep(SESSION_HEARS_S)
        await self._tell(ctx, error)

    async def _tell(self, ctx: Context, error: Exception) -> None:
        for hook in self._handlers.errors:
            await guarded(ctx, partial(hook, ctx, error), _log_on_error)
        if not self._handlers.errors:
            if self._on_unhandled is not None:
                self._on_unhandled(error)
            else:
                _log(ctx, error)


async def _log_on_error(_: Context, error: Exception) -> None:
    logger.error("on_error failed itself", exc_info=error)


def _log(ctx: Context, error: Exception) -> None:
    room = ctx.session.current_room
    # Where a model failed is not in our code: its text says it all.
    trace = None if isinstance(error, ModelError) else error
    where = f"{ctx.handler} in {room.room_code}" if room else ctx.handler
    logger.error("%s failed: %s", where, str(error) or repr(error), exc_info=trace)


def _log_crash(error: Exception) -> None:
    logger.error("the bot failed: %s", error, exc_info=error)


def _bound(function: RoomHook, ctx: Context) -> Call:
    return lambda: function(ctx)
