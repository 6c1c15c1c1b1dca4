"""A replica of the bot, as a process: `python -m tests.bots_load.replica CODE`. Its account is in the environment.

It answers each question once, odd ones in one piece, even ones bit by bit, at the pace of a model.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Final

from spaces_sdk import Bot, Context

WORDS: Final = ("The", " answer", " to", " {}", " is", " yes", ".")
_LONGEST_PAUSE_S: Final = 0.1

bot = Bot("Replica")


@bot.on_turn
async def answer(ctx: Context) -> None:
    """What a model takes its time for."""
    random = Random()  # noqa: S311
    number = ctx.message.content.rpartition(" ")[2]
    words = [word.format(number) for word in WORDS]
    if int(number) % 2:
        await ctx.sleep(len(words) * random.uniform(0.0, _LONGEST_PAUSE_S))
        await ctx.reply("".join(words))
        return
    async with ctx.stream() as out:
        for word in words:
            await ctx.sleep(random.uniform(0.0, _LONGEST_PAUSE_S))
            await out.write(word)


if __name__ == "__main__":
    bot.run(sys.argv[1])
