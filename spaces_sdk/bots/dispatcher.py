"""A bot in one room: takes the room's events and brings them to the handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from uuid import UUID

from spaces_sdk.bots.activity import Activity
from spaces_sdk.bots.commands import Command
from spaces_sdk.bots.context import Context, RoomTools
from spaces_sdk.bots.errors import CommandError
from spaces_sdk.bots.handlers import Handlers, RoomHook, Timer
from spaces_sdk.bots.lanes import Call, Lane, guarded
from spaces_sdk.bots.port import SessionPort
from spaces_sdk.bots.waiting import Waiters
from spaces_sdk.clock import Clock
from spaces_sdk.deadline import deadline
from spaces_sdk.events import (
    Event,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantUpdated,
    RoomJoined,
    SignalReceived,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.models import Kind, Message, MessageStatus, MessageType
from spaces_sdk.session.tasks import TaskOwner

logger = logging.getLogger("spaces_sdk.bots")

CLOSE_HOOKS_S: Final = 5.0
MOST_GROWING: Final = 200


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
        on_unhandled: Callable[[Exception], None] | None = None,
    ) -> None:
        self._on_unhandled = on_unhandled or _log
        self._handlers = handlers
        self._session = session
        self._clock = clock
        self.activity = Activity()
        self._waiters = Waiters(clock, self.activity)
        self._tools = RoomTools(session, clock, self.activity, self._waiters)
        self._tasks = TaskOwner(on_crash=lambda _: None)
        self._lanes: dict[object, Lane] = {}
        self._growing: dict[UUID, None] = {}
        self._is_ready = False

    @property
    def dropped(self) -> int:
        return sum(lane.dropped for lane in self._lanes.values())

    async def run(self) -> None:
        """Serve the room until the bot has left it.

        Cancelled, it ends its handlers, then calls `on_close` (at most 5 s).

        Raises:
            RemovedError: The session was ended from outside.
        """
        try:
            async for event in self._session.events():
                self._take(event)
        finally:
            self._waiters.close()
            await self._tasks.cancel()
            await self._closing()

    async def _closing(self) -> None:
        ctx = Context(self._tools)
        with suppress(TimeoutError):
            async with deadline(self._clock, CLOSE_HOOKS_S):
                for hook in self._handlers.close if self._is_ready else ():
                    await guarded(ctx, _bound(hook, ctx), self._report)

    def _take(self, event: Event) -> None:
        if not self._is_own(event):
            self._waiters.tell(event)
        if isinstance(event, RoomJoined) and not self._is_ready:
            self._is_ready = True
            for hook in self._handlers.ready:
                self._call(hook, _name(hook), Context(self._tools), hook)
            for timer in self._handlers.timers:
                self._tasks.start(self._tick(timer), name=f"bot-timer {_name(timer.function)}")
        self._to_event_handlers(event)
        message = self._finished_message(event)
        if message is not None and not self._is_own(event):
            self._to_message_handlers(message)

    def _to_event_handlers(self, event: Event) -> None:
        is_own, is_bots = self._is_own(event), _is_of_bot(event)
        for handler in self._handlers.events:
            wanted = (handler.from_self or not is_own) and (handler.from_bots or is_own or not is_bots)
            if isinstance(event, handler.kind) and wanted:
                message = event.message if isinstance(event, MessageReceived | MessageUpdated) else None
                ctx = Context(self._tools, message)
                self._lane(handler, _name(handler.function)).put(
                    ctx, lambda handler=handler, ctx=ctx: handler.function(ctx, event)
                )

    def _to_message_handlers(self, message: Message) -> None:
        if message.message_type is MessageType.SYSTEM or message.status is MessageStatus.DELETED:
            return
        is_bots = message.sender_kind == Kind.BOT
        table = self._handlers.commands
        called = None if is_bots else table.split(message.content)
        if called is not None:
            name, line = called
            command = table.find(name)
            ctx = Context(self._tools, message, command=name)
            if command is not None:
                self._lane(command, command.name).put(ctx, lambda: self._run_command(command, ctx, line))
                return
            near = table.near(name)
            if near is not None:
                prefix = table.prefix
                text = f"there is no command {prefix}{name[:50]}; did you mean {prefix}{near}?"
                self._lane("near", "help").put(ctx, lambda: ctx.reply(text))
                return
        for handler in self._handlers.messages:
            if handler.from_bots or not is_bots:
                ctx = Context(self._tools, message)
                self._call(handler, _name(handler.function), ctx, handler.function)

    async def _run_command(self, command: Command, ctx: Context, line: str) -> None:
        try:
            await command.call(ctx, line, self._clock)
        except CommandError as error:
            await ctx.reply(error.message)

    async def _tick(self, timer: Timer) -> None:
        while True:
            await self._clock.sleep(timer.pause_s)
            ctx = Context(self._tools)
            self.activity.begin()
            try:
                await guarded(ctx, _bound(timer.function, ctx), self._report)
            finally:
                self.activity.end()

    def _call(self, key: object, name: str, ctx: Context, function: RoomHook) -> None:
        self._lane(key, name).put(ctx, _bound(function, ctx))

    def _lane(self, key: object, name: str) -> Lane:
        if key not in self._lanes:
            self._lanes[key] = Lane(name, self._tasks, self.activity, self._report)
        return self._lanes[key]

    async def _report(self, ctx: Context, error: Exception) -> None:
        """To the bot's `on_error`, or to the log."""
        try:
            for hook in self._handlers.errors:
                await hook(ctx, error)
        except Exception:
            logger.exception("on_error failed itself")
        if not self._handlers.errors:
            self._on_unhandled(error)

    def _is_own(self, event: Event) -> bool:
        me = self._session.me
        return me is not None and _author(event) == me.user_id

    def _finished_message(self, event: Event) -> Message | None:
        """A message that can be read whole: one that grows is one when it has ended."""
        match event:
            case MessageReceived(message=message) if message.status is MessageStatus.STREAMING:
                self._growing[message.id] = None
                if len(self._growing) > MOST_GROWING:
                    del self._growing[next(iter(self._growing))]
                return None
            case MessageReceived(message=message):
                return message
            case MessageUpdated(message=message) if (
                message.id in self._growing and message.status is not MessageStatus.STREAMING
            ):
                del self._growing[message.id]
                return message
            case _:
                return None


def _log(error: Exception) -> None:
    logger.error("a handler failed: %s", error, exc_info=error)


def _author(event: Event) -> UUID | None:
    match event:
        case MessageReceived(message=message) | MessageUpdated(message=message):
            return message.user_id
        case ParticipantJoined(participant=participant) | ParticipantUpdated(participant=participant):
            return participant.user_id
        case VoiceStarted(user_id=user_id) | VoiceStopped(user_id=user_id) | SignalReceived(user_id=user_id):
            return user_id
        case _:
            return None


def _is_of_bot(event: Event) -> bool:
    return isinstance(event, MessageReceived | MessageUpdated) and event.message.sender_kind == Kind.BOT


def _bound(function: RoomHook, ctx: Context) -> Call:
    return lambda: function(ctx)


def _name(function: object) -> str:
    return getattr(function, "__name__", repr(function))
