"""`Bot`: what it does, said with decorators."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar, overload
from uuid import UUID

from spaces_sdk.bots.checks import Check
from spaces_sdk.bots.commands import Command, CommandTable, add_help
from spaces_sdk.bots.context import Context
from spaces_sdk.bots.dispatcher import Dispatcher
from spaces_sdk.bots.handlers import ErrorHook, Handler, Handlers, MessageHandler, RoomHook, Timer
from spaces_sdk.bots.port import RoomsPort, SessionPort
from spaces_sdk.bots.purposes import purpose_of
from spaces_sdk.bots.recent import MissedBounds
from spaces_sdk.bots.runner import run_from_env, serve_rooms
from spaces_sdk.bots.signatures import check_async, check_handler
from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.errors import UsageError
from spaces_sdk.events import Event

E = TypeVar("E", bound=Event)
H = TypeVar("H", bound=RoomHook)
X = TypeVar("X", bound=ErrorHook)
F = TypeVar("F", bound=Callable[..., Awaitable[object]])

LONGEST_MISSED_S: Final = 10 * 365 * 86400.0
"""A time before which there was no room; `inf` is as good."""


class Bot:
    """A participant that answers. Register functions with its decorators, then `bot.run(code)`.

    Each handler has a queue of its own in each room: it is called for one thing after the other, in the room's order,
    and a slow one holds up no other. A queue holds 100 calls; what comes beyond them is dropped, and `on_error` hears
    of it. What a handler raises goes to `on_error`, or into the log, and stops nothing.

    The bot does not hear itself, nor what other bots say, unless a handler asks for it.

    Several processes may run it with one account: each call is claimed in the database and made in one of them, unless
    a handler says `claim=False`. When one ends before it has finished, another takes the call over.

    Args:
        name: Its name in the rooms, 1 to 50 characters.
        command_prefix: What commands begin with.
        missed_within_s: What was said while no process ran, or was cut off, is handled if it is not older, in seconds.
        missed_count: At most so many of those messages, the newest.
        clock: Time; a test passes its own.
    """

    def __init__(
        self,
        name: str,
        command_prefix: str = "!",
        *,
        missed_within_s: float = 600.0,
        missed_count: int = 100,
        clock: Clock | None = None,
    ) -> None:
        if not 1 <= len(name.strip()) <= 50:
            raise UsageError("cannot make a bot: its name has 1 to 50 characters")
        if not command_prefix or any(character.isspace() for character in command_prefix):
            raise UsageError("cannot make a bot: the prefix of its commands is at least one character, and no space")
        if not (missed_within_s >= 0 and missed_count >= 0):
            raise UsageError("cannot make a bot: missed_within_s and missed_count are 0 or more")
        self.name = name.strip()
        self.clock: Clock = clock or SystemClock()
        self._missed = MissedBounds(min(missed_within_s, LONGEST_MISSED_S), missed_count)
        self._handlers = Handlers(CommandTable(command_prefix))

    # -- what it does when -----------------------------------------------------------------------------

    def on(
        self,
        kind: type[E],
        *,
        from_bots: bool = False,
        from_self: bool = False,
        claim: bool = True,
        name: str | None = None,
    ) -> Callable[[Callable[[Context, E], Awaitable[object]]], Callable[[Context, E], Awaitable[object]]]:
        """Call the function for each event of a class: `@bot.on(ParticipantJoined)`.

        Args:
            kind: The class; `Event` for all.
            from_bots: Also for messages of other bots.
            from_self: Also for what the bot itself did.
            claim: False: every replica calls it, for what it counts or keeps for itself. What is no step of the room
                (signals, changes of the connection …) is never claimed.
            name: Under which calls are claimed, instead of the function's; the same in every replica and version.

        Raises:
            UsageError: It is no class of events, or another handler of the class has this name.
        """
        if not (inspect.isclass(kind) and issubclass(kind, Event)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                f"cannot register {getattr(kind, '__name__', kind)!r}: `on` takes a class of events",
                hint="@bot.on(ParticipantJoined)",
            )

        def register(function: Callable[[Context, E], Awaitable[object]]) -> Callable[[Context, E], Awaitable[object]]:
            check_handler(function, "ctx", "event")
            purpose = purpose_of(kind.__name__.lower(), function, name) if claim else None
            self._handlers.add(Handler(kind, function, purpose, from_bots, from_self))
            return function

        return register

    @overload
    def on_message(self, function: H) -> H: ...

    @overload
    def on_message(
        self, *, from_bots: bool = False, claim: bool = True, name: str | None = None
    ) -> Callable[[H], H]: ...

    def on_message(
        self, function: H | None = None, *, from_bots: bool = False, claim: bool = True, name: str | None = None
    ) -> H | Callable[[H], H]:
        """Call the function for each message, as `ctx.message`, that is no command of this bot.

        One that grows while it is written comes when it is whole. For each change of one: `on(MessageUpdated)`.

        Args:
            from_bots: Also for messages of other bots. Two bots that do so may talk without end.
            claim, name: As of `on`.

        Raises:
            UsageError: Another handler of messages has this name.
        """

        def register(function: H) -> H:
            check_handler(function, "ctx")
            purpose = purpose_of("message", function, name) if claim else None
            self._handlers.add(MessageHandler(function, purpose, from_bots))
            return function

        return register if function is None else register(function)

    @overload
    def on_turn(self, function: H) -> H: ...

    @overload
    def on_turn(self) -> Callable[[H], H]: ...

    def on_turn(self, function: H | None = None) -> H | Callable[[H], H]:
        """Call the function for each message, as `ctx.message`, that it is this bot's turn to answer.

        The database decides, by the room's `turn_mode`: who is mentioned, one bot after the other, the first, all, or
        whom the host picks; and within the depth, the cool-down and the budget that the host has set. Where it says
        nothing by its context, it leaves the message to another bot.

        Raises:
            UsageError: The bot has one already.
        """

        def register(function: H) -> H:
            check_handler(function, "ctx")
            if self._handlers.turn is not None:
                raise UsageError(f"cannot register {function.__name__}: the bot has an `on_turn` already")
            self._handlers.turn = function
            return function

        return register if function is None else register(function)

    @overload
    def command(self, function: F) -> F: ...

    @overload
    def command(
        self, *, name: str | None = None, checks: Sequence[Check] = (), cooldown_s: float = 0.0
    ) -> Callable[[F], F]: ...

    def command(
        self,
        function: F | None = None,
        *,
        name: str | None = None,
        checks: Sequence[Check] = (),
        cooldown_s: float = 0.0,
    ) -> F | Callable[[F], F]:
        """Call the function for `!name arguments`; its signature says what it takes, its docstring is its help.

        Arguments are str, int, float, bool, a Literal, an Enum, a Participant (by name), or one of them `| None`;
        `*words: str` takes any number, and `*, text: str` the rest of the line. `!help` lists all commands. Other
        bots cannot call them.

        Args:
            name: Instead of the function's name.
            checks: All must let the caller through: `host_only`, `moderators_only`, or your own.
            cooldown_s: Seconds before the same user may call it again in a room.

        Raises:
            UsageError: Such a command is there, or the signature cannot be filled from a line.
        """

        def register(function: F) -> F:
            check_async(function)
            self._handlers.commands.add(Command.of(function, name, checks, cooldown_s))
            return function

        return register if function is None else register(function)

    def every(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> Callable[[H], H]:
        """Call the function again and again in each room, first after the pause; the pause begins at its end."""
        pause_s = hours * 3600 + minutes * 60 + seconds
        if not 0 < pause_s < float("inf"):
            raise UsageError("cannot repeat that: the pause is over 0", hint="@bot.every(minutes=5)")

        def register(function: H) -> H:
            check_handler(function, "ctx")
            self._handlers.timers.append(Timer(function, pause_s))
            return function

        return register

    @overload
    def on_ready(self, function: H) -> H: ...

    @overload
    def on_ready(self) -> Callable[[H], H]: ...

    def on_ready(self, function: H | None = None) -> H | Callable[[H], H]:
        """Call the function when the bot has joined a room; again when it joins anew after a failure."""
        return _hook(self._handlers.ready, function, "ctx")

    @overload
    def on_close(self, function: H) -> H: ...

    @overload
    def on_close(self) -> Callable[[H], H]: ...

    def on_close(self, function: H | None = None) -> H | Callable[[H], H]:
        """Call the function when the bot leaves a room or is removed, after its handlers have ended; 5 s at most."""
        return _hook(self._handlers.close, function, "ctx")

    @overload
    def on_error(self, function: X) -> X: ...

    @overload
    def on_error(self) -> Callable[[X], X]: ...

    def on_error(self, function: X | None = None) -> X | Callable[[X], X]:
        """Call the function with what a handler raised. Without one, it is logged with its traceback."""
        return _hook(self._handlers.errors, function, "ctx", "error")

    # -- where it does it ------------------------------------------------------------------------------

    def serve(
        self,
        session: SessionPort,
        *,
        clock: Clock | None = None,
        on_unhandled: Callable[[Exception], None] | None = None,
    ) -> Dispatcher:
        """The bot in a session that is entered already; `await` its `run()`. For tests and apps of their own.

        Args:
            session: Where it is.
            clock: None: the bot's own.
            on_unhandled: Told what handlers raise where the bot has no `on_error`; None logs it.
        """
        if self._handlers.commands.names:
            add_help(self._handlers.commands)
        return Dispatcher(self._handlers, session, clock or self.clock, missed=self._missed, on_unhandled=on_unhandled)

    async def start(self, spaces: RoomsPort, *rooms: str | UUID) -> None:
        """Serve the rooms until the bot has been removed from all of them; cancel it to leave.

        A session that fails is made anew, after a pause that grows to 60 s.

        Args:
            spaces: A `Spaces`, open, and signed in with the bot's account.
            rooms: Codes, or ids of rooms that the account may join by them.

        Raises:
            UsageError: No room is named.
            SpacesError: A room cannot be entered at all (its code is wrong, the bot is banned …). Where there are
                others, it is logged, and raised when the bot is out of them, too.
        """
        await serve_rooms(self, spaces, rooms)

    def run(self, *rooms: str) -> None:
        """Run until Ctrl-C or SIGTERM, or until the bot has been removed from all rooms.

        Reads `SUPABASE_URL`, `SUPABASE_PUBLISHABLE_KEY`, `SPACES_BOT_EMAIL` and `SPACES_BOT_PASSWORD`
        (`spaces bot create NAME` prints the last two).

        Args:
            rooms: Codes; none: those in `SPACES_BOT_ROOMS`, separated by commas.

        Raises:
            ConfigError: Something is missing in the environment.
        """
        named = rooms or tuple(code for code in os.environ.get("SPACES_BOT_ROOMS", "").split(",") if code.strip())
        run_from_env(self, named)

    def __repr__(self) -> str:
        return f"<Bot {self.name}>"


def _hook(hooks: list[Any], function: Any, *given: str) -> Any:
    def register(function: Any) -> Any:
        check_handler(function, *given)
        hooks.append(function)
        return function

    return register if function is None else register(function)
