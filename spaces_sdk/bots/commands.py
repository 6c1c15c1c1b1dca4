"""The commands of a bot: `!name arguments` in a message."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from spaces_sdk.bots.arguments import Argument, arguments_of, read_arguments
from spaces_sdk.bots.checks import Check, Cooldown
from spaces_sdk.bots.context import Context
from spaces_sdk.bots.errors import CommandError
from spaces_sdk.bots.purposes import purpose_of
from spaces_sdk.clock import Clock
from spaces_sdk.errors import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A function that a message calls.

    Attributes:
        help: Its docstring; the first line is shown in the list.
    """

    name: str
    function: Callable[..., Awaitable[object]]
    arguments: Sequence[Argument]
    help: str
    checks: Sequence[Check] = ()
    cooldown: Cooldown | None = None

    @classmethod
    def of(
        cls, function: Callable[..., Awaitable[object]], name: str | None, checks: Sequence[Check], cooldown_s: float
    ) -> Command:
        """Read it from the function's signature and docstring.

        Raises:
            UsageError: It cannot be a command.
        """
        named = (name or function.__name__).casefold()
        if not named or any(character.isspace() for character in named):
            raise UsageError(f"cannot make a command: {named!r} is not one word")
        return cls(
            name=named,
            function=function,
            arguments=arguments_of(function),
            help=inspect.getdoc(function) or "",
            checks=checks,
            cooldown=Cooldown(cooldown_s) if cooldown_s > 0 else None,
        )

    @property
    def purpose(self) -> str:
        """Under which one replica claims a call."""
        return purpose_of("command", self.function, self.name)

    @property
    def usage(self) -> str:
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    async def call(self, ctx: Context, line: str, clock: Clock) -> None:
        """Do it, with what follows its name.

        Raises:
            CommandError: Refused, or the arguments do not fit. The cooldown begins with a call that fits.
        """
        for check in self.checks:
            answer = check(ctx)
            if not (await answer if inspect.isawaitable(answer) else answer):
                raise CommandError(f"you may not use {self.name}")
        try:
            values, rest = read_arguments(self.arguments, line, ctx.participants)
        except CommandError as error:
            written = ctx.message.content[: ctx.message.content.find(ctx.command)]
            raise CommandError(f"{error.message}; it goes {written}{self.usage}") from None
        if self.cooldown is None or self.cooldown.take(ctx.room.id, ctx.message.user_id, clock.monotonic()):
            await self.function(ctx, *values, **rest)


class CommandTable:
    """The commands of one bot by name. Case does not matter."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._commands: dict[str, Command] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._commands)

    def add(self, command: Command) -> None:
        """Raises UsageError for a name that is taken."""
        if command.name in self._commands:
            raise UsageError(f"cannot make a command: {command.name!r} is there already")
        self._commands[command.name] = command

    def split(self, content: str) -> tuple[str, str] | None:
        """The name of the command in a message and what follows it; None for a message that is none."""
        if not content.startswith(self.prefix):
            return None
        name, *rest = content[len(self.prefix) :].split(None, 1)[:2] or [""]
        if not name or content[len(self.prefix)].isspace():
            return None
        return name, rest[0] if rest else ""

    def find(self, name: str) -> Command | None:
        return self._commands.get(name.casefold())

    def near(self, name: str) -> str | None:
        """The name of a command that was perhaps meant."""
        found = get_close_matches(name.casefold()[:50], self._commands, n=1, cutoff=0.7)
        return found[0] if found else None

    def help(self, name: str | None = None) -> str:
        """All commands, or one of them.

        Raises:
            CommandError: There is no such command.
        """
        if name is None:
            return "\n".join(
                f"{self.prefix}{command.usage}" + (f"  {command.help.splitlines()[0]}" if command.help else "")
                for command in sorted(self._commands.values(), key=lambda command: command.name)
            )
        command = self.find(name.removeprefix(self.prefix))
        if command is None:
            raise CommandError(f"there is no command {name[:50]}")
        return f"{self.prefix}{command.usage}" + (f"\n{command.help}" if command.help else "")


def add_help(table: CommandTable) -> None:
    """The command `help`, unless the bot has one of its own."""
    if table.find("help") is not None:
        return

    async def help_(ctx: Context, command: str | None = None) -> None:
        """What this bot can do."""
        await ctx.reply(table.help(command))

    table.add(Command.of(help_, "help", (), 0.0))
