"""Sage, the bot of the demo: a `Bot` as anybody writes one, in the session of its person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from itertools import count

from spaces_sdk.bots import Bot, Context
from spaces_sdk.session import RoomSession

TALE = "Once a jam had no end, so they stayed, and it was Friday for a very long time."
WORD_S = 0.06
"""Between two words: slow enough to be seen growing."""


def make_sage() -> Bot:
    """Counts who is there, tells a tale, or numbers without end; when it is its turn, so when it is mentioned."""
    bot = Bot("Sage")

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        said = ctx.message.content.removeprefix("@Sage ")
        if said == "who is here?":
            names = [person.display_name for person in ctx.participants if person.is_online]
            await ctx.reply(f"I count {len(names)} of us: {', '.join(sorted(names))}.")
        elif said == "a story, please.":
            await _say_bit_by_bit(ctx, TALE.split())
        elif said == "count, and do not stop.":
            await _say_bit_by_bit(ctx, map(str, count(1)))

    @bot.on_error
    async def leave_it(ctx: Context, error: Exception) -> None:
        """The room ended, or the answer was refused: the step that waits for it tells."""

    return bot


async def _say_bit_by_bit(ctx: Context, words: Iterable[str]) -> None:
    async with ctx.stream() as out:
        for word in words:
            await out.write(f"{word} ")
            await ctx.sleep(WORD_S)


@asynccontextmanager
async def sage_listens(session: RoomSession) -> AsyncGenerator[None]:
    """Inside it, Sage answers; also what was asked since the session began."""
    task = asyncio.create_task(make_sage().serve(session).run(), name="sage")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # a room that was deleted has ended it before
