"""What a bot has to do when: everything that the decorators register."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from spaces_sdk.bots.commands import CommandTable
from spaces_sdk.bots.context import Context
from spaces_sdk.errors import UsageError
from spaces_sdk.events import Event

RoomHook = Callable[[Context], Awaitable[object]]
EventFunction = Callable[[Context, Any], Awaitable[object]]
ErrorHook = Callable[[Context, Exception], Awaitable[object]]


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A function for a kind of event.

    Attributes:
        purpose: Under which one replica claims a call; None: every replica calls it.
        from_bots: Also what other bots say.
        from_self: Also what the bot itself does.
    """

    kind: type[Event]
    function: EventFunction
    purpose: str | None
    from_bots: bool = False
    from_self: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class MessageHandler:
    """A function for messages that are no commands."""

    function: RoomHook
    purpose: str | None
    from_bots: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Timer:
    """A function that is called again and again, in each room."""

    function: RoomHook
    pause_s: float


@dataclass(slots=True)
class Handlers:
    """All of one bot, in the order of their registration."""

    commands: CommandTable
    events: list[Handler] = field(default_factory=list[Handler])
    messages: list[MessageHandler] = field(default_factory=list[MessageHandler])
    turn: RoomHook | None = None
    timers: list[Timer] = field(default_factory=list[Timer])
    ready: list[RoomHook] = field(default_factory=list[RoomHook])
    close: list[RoomHook] = field(default_factory=list[RoomHook])
    errors: list[ErrorHook] = field(default_factory=list[ErrorHook])

    def add(self, handler: Handler | MessageHandler) -> None:
        """Raises UsageError if another one has its purpose: the two would be one to the database."""
        known = {each.purpose for each in (*self.events, *self.messages)} - {None}
        if handler.purpose in known:
            raise UsageError(
                f"cannot register {handler.function.__name__}: another handler is claimed as {handler.purpose!r}",
                hint="give one of them another name=",
            )
        if isinstance(handler, Handler):
            self.events.append(handler)
        else:
            self.messages.append(handler)
