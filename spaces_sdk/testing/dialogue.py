"""A dialogue with a bot, as a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spaces_sdk.bots import Bot
from spaces_sdk.models import Role
from spaces_sdk.testing.talk import Talk

Expected = str | re.Pattern[str] | Sequence[str | re.Pattern[str]] | None
"""One answer, several, or none; a pattern must match the whole answer."""

Line = tuple[str, str, Expected]
"""Who says what, and what the bot answers."""


@dataclass(frozen=True, slots=True)
class Comes:
    """Somebody comes into the room."""

    name: str
    expected: Expected = None


@dataclass(frozen=True, slots=True)
class Passes:
    """So many seconds pass."""

    seconds: float
    expected: Expected = None


async def dialog(
    bot: Bot,
    lines: Sequence[Line | Comes | Passes],
    *,
    host: str | None = None,
    bot_role: Role = Role.MEMBER,
    within_s: float = 5.0,
) -> list[str]:
    """Speak with a bot, without a server, and hold its answers against what is expected.

    ```python
    await dialog(bot, [("ada", "!roll 1", "1"), ("bob", "hello", None)])
    ```

    Who speaks is in the room from the beginning, unless they come first with `Comes`. What the bot says before the
    first line is not looked at.

    Args:
        bot: The bot.
        lines: In order; each is answered before the next is said.
        host: Whose room it is; None: the first who speaks.
        bot_role: What the bot may do in the room.
        within_s: How long a handler may be at work, in seconds of real time; time itself passes by `Passes` alone.

    Returns:
        All that was said, a line each: `ada: !roll 1`.

    Raises:
        AssertionError: It answered something else; the text shows the dialogue so far.
        TimeoutError: A handler did not come to its end.
        Exception: What a handler raised, if the bot has no `on_error`.
    """
    later = {line.name for line in lines if isinstance(line, Comes)}
    people = list(dict.fromkeys(line[0] for line in lines if isinstance(line, tuple) and line[0] not in later))
    told: list[str] = []
    async with Talk(bot, people, host=host, bot_role=bot_role, within_s=within_s) as talk:
        await talk.answers()
        for line in lines:
            match line:
                case Comes(name, expected):
                    told.append(f"({name} comes)")
                    answers = await talk.come(name)
                case Passes(seconds, expected):
                    told.append(f"({seconds:g} s pass)")
                    answers = await talk.wait(seconds)
                case (name, content, expected):
                    told.append(f"{name}: {content}")
                    answers = await talk.say(name, content)
            told += [f"{bot.name}: {answer}" for answer in answers]
            _compare(answers, expected, told)
    return told


def _compare(answers: list[str], expected: Expected, told: list[str]) -> None:
    wanted = _listed(expected)
    if len(wanted) == len(answers) and all(_fits(a, w) for a, w in zip(answers, wanted, strict=True)):
        return
    shown = [w.pattern if isinstance(w, re.Pattern) else w for w in wanted]
    raise AssertionError(f"expected {shown or 'no answer'}, got {answers or 'none'}; the dialogue:\n" + "\n".join(told))


def _listed(expected: Expected) -> list[str | re.Pattern[str]]:
    if expected is None:
        return []
    return [expected] if isinstance(expected, str | re.Pattern) else list(expected)


def _fits(answer: str, wanted: str | re.Pattern[str]) -> bool:
    return wanted.fullmatch(answer) is not None if isinstance(wanted, re.Pattern) else wanted == answer
