"""Commands: words, types, help, near misses, checks and cooldowns."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Literal

import pytest

from spaces_sdk.bots import Bot, CommandError, Context, host_only, moderators_only
from spaces_sdk.bots.checks import MOST_REMEMBERED, Cooldown
from spaces_sdk.bots.words import split_words
from spaces_sdk.errors import UsageError
from spaces_sdk.models import Participant
from spaces_sdk.testing import Passes, dialog

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def _bot() -> Bot:
    bot = Bot("Bea")

    @bot.command
    async def add(ctx: Context, a: int, b: float = 2.0) -> None:
        """Add two numbers.

        The second one is 2 unless it is said.
        """
        await ctx.reply(f"{a + b:g}")

    @bot.command(name="Paint")
    async def paint(ctx: Context, colour: Colour, loud: bool = False, size: Literal[1, 2] | None = None) -> None:
        await ctx.reply(f"{colour.name} {loud} {size!r}")

    @bot.command()
    async def say(ctx: Context, times: int, *, text: str) -> None:
        await ctx.reply(f"{times} {text}")

    @bot.command
    async def echo(ctx: Context, *words: str) -> None:
        await ctx.reply("|".join(words) or "nothing")

    @bot.command
    async def who(ctx: Context, person: Participant) -> None:
        await ctx.reply(person.role.value)

    return bot


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("!add 1", "3"),
        ("!ADD 1 0.5", "1.5"),
        ("!add", "a is missing; it goes !add <a> [b]"),
        ("!add one", "a: 'one' is not a whole number; it goes !add <a> [b]"),
        ("!add 1 nan", "b: 'nan' is not a number; it goes !add <a> [b]"),
        ("!add 1 2 3", "'3' is too much; it goes !add <a> [b]"),
        (f"!add {'9' * 5000}", f"a: {'9' * 40!r} is not a whole number; it goes !add <a> [b]"),
        (f"!add 1 2 {'x' * 7000}", f"{'x' * 40!r} is too much; it goes !add <a> [b]"),
        ("!paint RED", "RED False None"),
        ("!paint blue yes 2", "BLUE True 2"),
        ("!paint green", "colour: 'green' is none of red, blue; it goes !paint <colour> [loud] [size]"),
        ("!paint red perhaps", "loud: 'perhaps' is neither yes nor no; it goes !paint <colour> [loud] [size]"),
        ('!say 2 it\'s "so"  far', '2 it\'s "so"  far'),
        ("!say 2", "text is missing; it goes !say <times> <text...>"),
        ("!say", "times is missing; it goes !say <times> <text...>"),
        ('!echo a "b c" “d e” it\'s', "a|b c|d e|it's"),
        ("!echo", "nothing"),
        ('!echo "open', "a quote is not closed; it goes !echo [words...]"),
        ("!who @ada", "host"),
        ("!who eve", "person: 'eve' is nobody here; it goes !who <person>"),
        ("!ad 1", "there is no command !ad; did you mean !add?"),
        ("!xyzzy", None),
        ("! add 1", None),
        ("!", None),
        ("!!!", None),
        ("add 1", None),
    ],
)
async def test_a_line_and_its_answer(line: str, answer: str | None) -> None:
    await dialog(_bot(), [("ada", line, answer)])


async def test_help_comes_from_signature_and_docstring() -> None:
    listed = re.compile(
        r"!add <a> \[b\]  Add two numbers\.\n(.*\n)*!help \[command\]  What this bot can do\.\n(.*\n)*.*"
    )
    told = "!add <a> [b]\nAdd two numbers.\n\nThe second one is 2 unless it is said."
    await dialog(
        _bot(),
        [("ada", "!help", listed), ("ada", "!help !Add", told), ("ada", "!help x", "there is no command x")],
    )


async def test_a_bot_has_its_own_help_if_it_wants() -> None:
    bot = Bot("Bea")

    @bot.command(name="help")
    async def mine(ctx: Context) -> None:
        await ctx.reply("mine")

    await dialog(bot, [("ada", "!help", "mine")])
    await dialog(bot, [("ada", "!help", "mine")])


async def test_another_prefix() -> None:
    bot = Bot("Bea", command_prefix="bea:")

    @bot.command
    async def hi(ctx: Context) -> None:
        await ctx.reply("hello")

    await dialog(bot, [("ada", "bea:hi", "hello"), ("ada", "!hi", None)])


async def test_checks() -> None:
    bot = Bot("Bea")

    @bot.command(checks=[host_only])
    async def close(ctx: Context) -> None:
        await ctx.reply("closed")

    @bot.command(checks=[moderators_only])
    async def tidy(ctx: Context) -> None:
        await ctx.reply("tidy")

    async def never(_: Context) -> bool:
        return False

    @bot.command(checks=[never])
    async def fly(ctx: Context) -> None:
        await ctx.reply("flying")

    await dialog(
        bot,
        [
            ("ada", "!close", "closed"),
            ("bob", "!close", "only the host may do that"),
            ("ada", "!tidy", "tidy"),
            ("bob", "!tidy", "only the host and moderators may do that"),
            ("ada", "!fly", "you may not use fly"),
        ],
    )


async def test_a_cooldown_is_each_users_own_and_said_once() -> None:
    bot = Bot("Bea")

    @bot.command(cooldown_s=10)
    async def roll(ctx: Context, sides: int = 6) -> None:
        await ctx.reply(f"{sides}")

    await dialog(
        bot,
        [
            ("ada", "!roll x", re.compile("sides: .*")),
            ("ada", "!roll", "6"),
            ("ada", "!roll", "not so fast: again in 10 s"),
            ("ada", "!roll", None),
            ("bob", "!roll", "6"),
            Passes(9.5),
            ("ada", "!roll", None),
            Passes(0.5),
            ("ada", "!roll", "6"),
            ("ada", "!roll", "not so fast: again in 10 s"),
        ],
    )


def test_a_cooldown_forgets_the_oldest() -> None:
    from uuid import UUID, uuid4

    cooldown, room = Cooldown(1000), uuid4()
    for user in range(MOST_REMEMBERED + 1):
        assert cooldown.take(room, UUID(int=user), 0)
    assert cooldown.take(room, UUID(int=0), 0)
    with pytest.raises(CommandError, match="again in 1000 s"):
        cooldown.take(room, UUID(int=5), 0)


async def _no_context() -> None: ...


async def _strange(ctx: Context, value: dict[str, int]) -> None: ...


async def _two_rests(ctx: Context, *, a: str, b: str) -> None: ...


async def _anything(ctx: Context, **more: str) -> None: ...


def _not_async(ctx: Context) -> None: ...


@pytest.mark.parametrize("function", [_no_context, _strange, _two_rests, _anything, _not_async])
def test_what_cannot_be_a_command_fails_at_import(function: Callable[..., Awaitable[None]]) -> None:
    with pytest.raises(UsageError):
        Bot("Bea").command(function)


def test_an_annotation_that_cannot_be_read() -> None:
    async def later(ctx: Context, person: str) -> None: ...

    later.__annotations__["person"] = "OnlyForTheTypeChecker"
    with pytest.raises(UsageError, match="name 'OnlyForTheTypeChecker' is not defined") as refused:
        Bot("Bea").command(later)
    assert "TYPE_CHECKING" in refused.value.hint


def test_a_command_is_there_once() -> None:
    bot = _bot()
    with pytest.raises(UsageError, match="'add' is there already"):
        bot.command(name="ADD")(_say)


async def _say(ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a  b ", ["a", "b"]),
        ('a"b c"d', ["ab cd"]),
        ('""', [""]),
        (r'"a \" b"', ['a " b']),
        ("a\nb", ["a", "b"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize("text", ['"', 'a "b', r'"a\"', '"' * 1001])
def test_open_quotes(text: str) -> None:
    with pytest.raises(CommandError, match="not closed"):
        split_words(text)
