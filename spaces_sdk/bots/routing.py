"""Which handlers an event or a message is for, and under which claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from spaces_sdk.bots.commands import Command
from spaces_sdk.bots.context import Context, RoomTools
from spaces_sdk.bots.errors import CommandError
from spaces_sdk.bots.handlers import Handler, Handlers, RoomHook
from spaces_sdk.bots.lanes import Call, Work
from spaces_sdk.bots.recent import find_picked
from spaces_sdk.clock import Clock
from spaces_sdk.events import (
    CaughtUp,
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
from spaces_sdk.models import Kind, Message, MessageStatus, MessageType, PickedTurn
from spaces_sdk.turns import ANSWER, ClaimedTurn, TurnClaim

NEAR = "near"
"""The purpose of the answer to a command that is misspelt."""


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """A call for the lane of a handler."""

    handler: object
    name: str
    work: Work


class Router:
    """The handlers of one bot in one room."""

    def __init__(self, handlers: Handlers, tools: RoomTools, clock: Clock) -> None:
        self._handlers = handlers
        self._tools = tools
        self._clock = clock

    def is_own(self, event: Event) -> bool:
        """The bot itself did it, in this replica or another."""
        author = _author(event)
        return author is not None and author == self._my_id

    def may_want(self, message: Message) -> bool:
        """A handler may want this message when it is whole."""
        if message.user_id == self._my_id or message.message_type is MessageType.SYSTEM:
            return False
        handlers = self._handlers
        hears_people = bool(handlers.messages or handlers.commands.names)
        return handlers.turn is not None or (
            any(handler.from_bots for handler in handlers.messages) if _is_bots(message) else hears_people
        )

    def of_event(self, event: Event) -> Iterator[Routed]:
        """The calls of `on` handlers."""
        is_own = self.is_own(event)
        is_bots = isinstance(event, MessageReceived | MessageUpdated) and _is_bots(event.message)
        for handler in self._handlers.events:
            wanted = (handler.from_self or not is_own) and (handler.from_bots or is_own or not is_bots)
            if isinstance(event, handler.kind) and wanted:
                yield Routed(handler, name_of(handler.function), self._event_work(handler, event))

    def of_message(self, message: Message) -> Iterator[Routed]:
        """The calls for somebody else's message that can be read whole: of a command, or of all who hear messages."""
        if message.message_type is MessageType.SYSTEM or message.status is MessageStatus.DELETED:
            return
        is_bots = _is_bots(message)
        if not is_bots and (command := self._command(message)) is not None:
            yield command
            return
        for handler in self._handlers.messages:
            if handler.from_bots or not is_bots:
                work = self._message_work(handler.function, message, handler.purpose)
                yield Routed(handler, name_of(handler.function), work)
        if self._handlers.turn is not None:
            work = self._message_work(self._handlers.turn, message, ANSWER)
            yield Routed(ANSWER, name_of(self._handlers.turn), work)

    def of_pick(self, pick: PickedTurn) -> Iterator[Routed]:
        """The call for a message that the host has picked this bot for."""
        function = self._handlers.turn
        if function is None or pick.user_id != self._my_id:
            return

        async def answer(ctx: Context) -> None:
            if ctx.has_message or ctx.learn(await find_picked(self._tools.session, pick)):
                await function(ctx)

        claim = TurnClaim(position=pick.position, purpose=ANSWER, message_id=pick.message_id)
        message = self._tools.session.find_message(pick.message_id)
        yield Routed(ANSWER, name_of(function), self._work(answer, message, claim, name=name_of(function)))

    def _command(self, message: Message) -> Routed | None:
        table = self._handlers.commands
        called = table.split(message.content)
        if called is None:
            return None
        name, line = called
        command = table.find(name)
        if command is not None:

            async def run(ctx: Context) -> None:
                await self._run_command(command, ctx, line)

            claim = _claim(message, command.purpose)
            return Routed(command, command.name, self._work(run, message, claim, name=command.name, command=name))
        near = table.near(name)
        if near is None:
            return None

        async def suggest(ctx: Context) -> None:
            await ctx.reply(f"there is no command {table.prefix}{name[:50]}; did you mean {table.prefix}{near}?")

        return Routed(NEAR, "help", self._work(suggest, message, _claim(message, NEAR), name="help", command=name))

    async def _run_command(self, command: Command, ctx: Context, line: str) -> None:
        try:
            await command.call(ctx, line, self._clock)
        except CommandError as error:
            await ctx.reply(error.message)

    def _event_work(self, handler: Handler, event: Event) -> Work:
        message = event.message if isinstance(event, MessageReceived | MessageUpdated) else None
        claim = None
        if handler.purpose is not None and is_step(event):
            message_id = event.message.id if isinstance(event, MessageReceived) else None
            claim = TurnClaim(position=event.pos or 0, purpose=handler.purpose, message_id=message_id)
        name = name_of(handler.function)
        return self._work(lambda ctx: handler.function(ctx, event), message, claim, name=name)

    def _message_work(self, function: RoomHook, message: Message, purpose: str | None) -> Work:
        claim = None if purpose is None else _claim(message, purpose)
        return self._work(function, message, claim, name=name_of(function))

    def _work(
        self, function: RoomHook, message: Message | None, claim: TurnClaim | None, *, name: str, command: str = ""
    ) -> Work:
        seen = self._tools.waiters.count

        def begin(turn: ClaimedTurn | None) -> tuple[Context, Call]:
            ctx = Context(self._tools, message, handler=name, command=command, turn=turn, seen=seen)
            return ctx, lambda: function(ctx)

        return Work(begin, claim)

    @property
    def _my_id(self) -> UUID | None:
        me = self._tools.session.me
        return None if me is None else me.user_id


def is_step(event: Event) -> bool:
    """It is a step of the room, which every replica hears; the others are of this session alone."""
    return event.pos is not None and not isinstance(event, RoomJoined | CaughtUp)


def _claim(message: Message, purpose: str) -> TurnClaim:
    return TurnClaim(position=message.seq, purpose=purpose, message_id=message.id)


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


def _is_bots(message: Message) -> bool:
    return message.sender_kind == Kind.BOT


def name_of(function: object) -> str:
    """As it is written in a log."""
    return getattr(function, "__name__", repr(function))
